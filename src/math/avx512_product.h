/* The loops of a product on AVX-512, for the kernels of one type of element; included once by a
 * file that has defined
 *
 *     element                    an operand's
 *     vector                     16 columns of STEP depths of a panel
 *     STEP                       elements of a row that are multiplied at once
 *     load(panel)                a vector of a panel
 *     broadcast(a)               a vector of STEP elements of a row, 16 times
 *     multiply_add(sum, a, b)    sum + a * b in each of 16 columns
 *
 * C [rows, columns] = or += A [rows, depth] * B, B in panels of 16 columns (math/panels.h). */

/* Four rows by four panels keep 16 sums in registers, beside four vectors of B and one of A: twice
 * what hides the latency of a multiplication, and every shape of BERT is a multiple of it. Measured
 * on Zen 4, without prefetches, of 4 x 4, 5 x 4, 6 x 4, 7 x 4, 8 x 2, 8 x 3 and 12 x 2: within 2 %
 * of the best in bf16 and in fp32; larger ones win nothing. */
enum {
    TILE_ROWS = 4,
    TILE_PANELS = 4,
    TILE_COLUMNS = TILE_PANELS * PANEL_COLUMNS,
    ALL = 0xFFFF, /* columns of a panel */
};

/* The rows of A and the depth that are worked on at a time: up to 256 KiB of A, and 128 KiB of the
 * four panels at hand and as much of the next ones, stay in a second-level cache of 1 MiB. */
enum { BLOCK_ROWS = 128, BLOCK_DEPTH = 512 * STEP };

_Static_assert((int)BLOCK_ROWS <= (int)PANELS_MOST_ROWS && (int)BLOCK_ROWS % BF16_DEPTH == 0,
               "what struct panels says of rows");

/* A tile of C and its operands. While it is computed, panels that come next are prefetched into the
 * second-level cache: a vector for every `every` elements of depth, from the address `next` on.
 * Their first rows would wait for them otherwise, 15 % of the time where panels have 2,048 depths
 * (Zen 5). */
struct tile {
    float *c;
    const element *a, *panels;
    size_t ldc, lda, panel_size;
    int depth;
    bool accumulate;
    uintptr_t next;
    int every;
};

/* For prefetches only: they may go past the end of an array, where no pointer may point, and do
 * nothing there. */
static inline const char *at_address(uintptr_t address)
{
    return (const char *)address; /* NOLINT(performance-no-int-to-ptr) */
}

/* C of mr rows and np panels; of the last panel, the columns in the mask. mr and np are constants
 * wherever this is inlined, and the mask where it is full. C is asked for before the sums and added
 * after them: waiting for it costs 4 % (Zen 5). */
static inline __attribute__((always_inline)) void
multiply_tile(const struct tile *tile, const int mr, const int np, const __mmask16 mask)
{
    const element *a = tile->a, *panels = tile->panels;
    uintptr_t next = tile->next;
    __m512 sums[TILE_ROWS][TILE_PANELS];
#pragma GCC unroll 4
    for (int row = 0; row < mr; row++)
#pragma GCC unroll 4
        for (int p = 0; p < np; p++) {
            sums[row][p] = _mm512_setzero_ps();
            if (tile->accumulate)
                fetch(tile->c + (size_t)row * tile->ldc + (size_t)PANEL_COLUMNS * (size_t)p);
        }
    for (int k = 0; k < tile->depth; next += sizeof(vector)) {
        const int stop = smaller(k + tile->every, tile->depth);
        _mm_prefetch(at_address(next), _MM_HINT_T1);
        for (; k < stop; k += STEP) {
            vector b[TILE_PANELS];
#pragma GCC unroll 4
            for (int p = 0; p < np; p++)
                b[p] = load(panels + (size_t)p * tile->panel_size + (size_t)k * PANEL_COLUMNS);
#pragma GCC unroll 4
            for (int row = 0; row < mr; row++) {
                const vector left = broadcast(a + (size_t)row * tile->lda + k);
#pragma GCC unroll 4
                for (int p = 0; p < np; p++)
                    sums[row][p] = multiply_add(sums[row][p], left, b[p]);
            }
        }
    }
#pragma GCC unroll 4
    for (int row = 0; row < mr; row++)
#pragma GCC unroll 4
        for (int p = 0; p < np; p++) {
            const __mmask16 kept = p + 1 < np ? ALL : mask;
            float *c = tile->c + (size_t)row * tile->ldc + (size_t)PANEL_COLUMNS * (size_t)p;
            if (tile->accumulate)
                sums[row][p] = _mm512_add_ps(_mm512_maskz_loadu_ps(kept, c), sums[row][p]);
            _mm512_mask_storeu_ps(c, kept, sums[row][p]);
        }
}

/* All rows of the columns of a first tile. In each group of 16 rows the four tiles prefetch a part
 * of one panel each, from `next` on. */
static inline __attribute__((always_inline)) void multiply_columns(const struct tile *first,
                                                                   const element *next, int rows,
                                                                   const int np,
                                                                   const __mmask16 mask)
{
    enum { GROUP = TILE_ROWS * TILE_PANELS };
    const int parts = rows < GROUP ? 1 : rows / GROUP, every = parts * STEP;
    const size_t part_bytes = (size_t)((first->depth + every - 1) / every) * sizeof(vector);
    const size_t panel_bytes = first->panel_size * sizeof(element);
    for (int row = 0; row < rows;) {
        const size_t panel = (size_t)(row / TILE_ROWS % TILE_PANELS);
        struct tile tile = *first;
        tile.c += (size_t)row * tile.ldc;
        tile.a += (size_t)row * tile.lda;
        tile.every = every;
        tile.next =
            (uintptr_t)next + panel * panel_bytes + (size_t)(row / GROUP % parts) * part_bytes;
        if (row + TILE_ROWS <= rows) {
            multiply_tile(&tile, TILE_ROWS, np, mask);
            row += TILE_ROWS;
        } else {
            multiply_tile(&tile, 1, np, mask);
            row++;
        }
    }
}

/* The block of C that begins with a tile, whose A stays in the cache. The last columns prefetch
 * `next`. */
static void multiply_block(const struct tile *first, const element *next, int rows, int columns)
{
    for (int column = 0; column < columns;) {
        const bool whole = columns - column >= TILE_COLUMNS;
        const int end = column + (whole ? TILE_COLUMNS : PANEL_COLUMNS);
        struct tile tile = *first;
        tile.c += column;
        tile.panels += (size_t)(column / PANEL_COLUMNS) * tile.panel_size;
        const element *following =
            end < columns ? first->panels + (size_t)(end / PANEL_COLUMNS) * tile.panel_size : next;
        if (whole)
            multiply_columns(&tile, following, rows, TILE_PANELS, ALL);
        else
            multiply_columns(&tile, following, rows, 1, first_words(columns - column));
        column = end;
    }
}

static void multiply(float *c, size_t ldc, const void *left, size_t lda, const void *right,
                     int rows, int columns, int depth, bool accumulate)
{
    const element *a = left, *panels = right;
    for (int row = 0; row < rows; row += BLOCK_ROWS) {
        const int block_rows = smaller(rows - row, BLOCK_ROWS);
        for (int k = 0; k < depth; k += BLOCK_DEPTH) {
            const bool last = depth - k <= BLOCK_DEPTH;
            const struct tile first = {
                .c = c + (size_t)row * ldc,
                .a = a + (size_t)row * lda + k,
                .panels = panels + (size_t)k * PANEL_COLUMNS,
                .ldc = ldc,
                .lda = lda,
                .panel_size = (size_t)depth * PANEL_COLUMNS,
                .depth = last ? depth - k : BLOCK_DEPTH,
                .accumulate = accumulate || k > 0,
            };
            /* Other rows begin with the first panels again; those of another call often do. */
            const int after = last ? 0 : k + BLOCK_DEPTH;
            multiply_block(&first, panels + (size_t)after * PANEL_COLUMNS, block_rows, columns);
        }
    }
}
