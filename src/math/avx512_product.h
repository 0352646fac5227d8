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
 * on Zen 4, of 4 x 4, 5 x 4, 6 x 4, 7 x 4, 8 x 2, 8 x 3 and 12 x 2: within 2 % of the best in bf16
 * and in fp32; larger ones win nothing. */
enum {
    TILE_ROWS = 4,
    TILE_PANELS = 4,
    TILE_COLUMNS = TILE_PANELS * PANEL_COLUMNS,
    ALL = 0xFFFF, /* columns of a panel */
};

/* The rows of A and the depth that are worked on at a time: up to 256 KiB of A, and 128 KiB of the
 * four panels at hand and as much of the next ones, stay in a second-level cache of 1 MiB. */
enum { BLOCK_ROWS = 128, BLOCK_DEPTH = 512 * STEP };

/* A tile of C and its operands. Meanwhile panels that come next are brought into the second-level
 * cache: every so many elements of depth a vector, one after the other from an address on. The
 * first rows would wait for them, up to 15 % of a block (Zen 5, panels of 2,048 depths). */
struct tile {
    float *c;
    const element *a, *panels;
    size_t ldc, lda, panel_size;
    int depth;
    bool accumulate;
    uintptr_t next;
    int every;
};

/* For prefetching only, of which nothing comes behind an array, where no pointer may point. */
static inline const char *at_address(uintptr_t address)
{
    return (const char *)address; /* NOLINT(performance-no-int-to-ptr) */
}

/* C of mr rows and np panels; of the last panel, the columns in the mask. mr and np are constants
 * wherever this is inlined, and the mask where it is full. C is asked for before the sums and added
 * behind them: waiting for it costs 4 % (Zen 5). */
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
                _mm_prefetch((const char *)(tile->c + (size_t)row * tile->ldc +
                                            (size_t)PANEL_COLUMNS * (size_t)p),
                             _MM_HINT_T0);
        }
    for (int k = 0; k < tile->depth; next += sizeof(vector)) {
        const int stop = k + tile->every < tile->depth ? k + tile->every : tile->depth;
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

/* All rows of the columns of a first tile. Each of its tiles brings a part of the next columns. */
static inline __attribute__((always_inline)) void multiply_columns(struct tile tile,
                                                                   const element *next, int rows,
                                                                   const int np,
                                                                   const __mmask16 mask)
{
    enum { ROWS = TILE_ROWS * TILE_PANELS }; /* in which each tile brings a part of another panel */
    const int parts = rows < ROWS ? 1 : rows / ROWS;
    tile.next = (uintptr_t)next;
    tile.every = parts * STEP;
    const size_t part = (size_t)(tile.depth / tile.every) * sizeof(vector);
    const size_t panel = tile.panel_size * sizeof(element);
    int row = 0;
    for (; row + TILE_ROWS <= rows; row += TILE_ROWS) {
        const size_t p = (size_t)(row / TILE_ROWS % TILE_PANELS);
        tile.next = (uintptr_t)next + p * panel + (size_t)(row / ROWS) * part;
        multiply_tile(&tile, TILE_ROWS, np, mask);
        tile.c += TILE_ROWS * tile.ldc;
        tile.a += TILE_ROWS * tile.lda;
    }
    for (; row < rows; row++) {
        multiply_tile(&tile, 1, np, mask);
        tile.c += tile.ldc;
        tile.a += tile.lda;
    }
}

/* The block of C that begins with a tile, whose A stays in the cache; `next` follows its panels. */
static void multiply_block(struct tile tile, const element *next, int rows, int columns)
{
    while (columns > 0) {
        const bool whole = columns >= TILE_COLUMNS;
        const int width = whole ? TILE_COLUMNS : PANEL_COLUMNS;
        const size_t panels = (size_t)(width / PANEL_COLUMNS) * tile.panel_size;
        const element *following = columns > width ? tile.panels + panels : next;
        if (whole)
            multiply_columns(tile, following, rows, TILE_PANELS, ALL);
        else
            multiply_columns(tile, following, rows, 1, first_words(columns));
        tile.c += width;
        tile.panels += panels;
        columns -= width;
    }
}

static void multiply(float *c, size_t ldc, const void *left, size_t lda, const void *right,
                     int rows, int columns, int depth, bool accumulate)
{
    const element *a = left, *panels = right;
    for (int row = 0; row < rows; row += BLOCK_ROWS) {
        const int block_rows = rows - row < BLOCK_ROWS ? rows - row : BLOCK_ROWS;
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
            /* Other rows, or the caller's next ones, begin with the first panels again. */
            const int after = last ? 0 : k + BLOCK_DEPTH;
            multiply_block(first, panels + (size_t)after * PANEL_COLUMNS, block_rows, columns);
        }
    }
}
