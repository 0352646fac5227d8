/* The loops of a product on vectors, for the kernels of one type of element; included once by a
 * file that has defined
 *
 *     element                    an operand's
 *     vector                     LANES columns of STEP depths of a panel
 *     STEP                       elements of a row that are multiplied at once
 *     load(panel)                a vector of a panel
 *     broadcast(a)               a vector of STEP elements of a row, LANES times
 *     multiply_add(sum, a, b)    sum + a * b in each of LANES columns
 *
 * and has included math/vector512.h or math/vector256.h, which define vectors of LANES floats and
 *
 *     TILE_ROWS, TILE_PANELS     of the part of C whose sums stay in registers
 *     BLOCK_ROWS, BLOCK_STEPS    of the part of A that stays in a cache; steps of depth
 *     FETCHED_LINES              of the next panels, at a time
 *     UNROLLED_STEPS             of a tile's loop
 *
 * C [rows, columns] = or += A [rows, depth] * B, B in panels of 16 columns (math/panels.h). */

#include "math/panels.h"
#include "math/prefetch.h"

enum {
    PANEL_VECTORS = PANEL_COLUMNS / LANES,
    TILE_VECTORS = TILE_PANELS * PANEL_VECTORS,
    TILE_COLUMNS = TILE_PANELS * PANEL_COLUMNS,
    BLOCK_DEPTH = BLOCK_STEPS * STEP,
};

/* Bytes of the STEP depths of a panel: a line of the cache. */
static const size_t PANEL_LINE = (size_t)STEP * PANEL_COLUMNS * sizeof(element);

_Static_assert((int)BLOCK_ROWS <= (int)PANELS_MOST_ROWS && (int)BLOCK_ROWS % BF16_DEPTH == 0,
               "what struct panels says of rows");

/* A tile of C and its operands. While it is computed, panels that come next are prefetched into the
 * second-level cache: FETCHED_LINES for every `every` elements of depth, from the address `next`
 * on. Their first rows would wait for them otherwise, 15 % of the time where panels have 2,048
 * depths (Zen 5). */
struct tile {
    float *c;
    const element *a, *panels;
    size_t ldc, lda, panel_size;
    int depth;
    bool accumulate;
    uintptr_t next;
    int every;
};

/* C of mr rows and np panels, of whose last `kept` columns are there. All three are constants
 * wherever this is inlined, but for `kept` where it is not full. C is asked for before the sums and
 * added after them: waiting for it costs 4 % (Zen 5). */
static inline __attribute__((always_inline)) void
multiply_tile(const struct tile *tile, const int mr, const int np, const int kept)
{
    const int nv = np * PANEL_VECTORS, columns = (np - 1) * PANEL_COLUMNS + kept;
    const element *a = tile->a, *panels = tile->panels;
    uintptr_t next = tile->next;
    floats sums[TILE_ROWS][TILE_VECTORS];
#pragma GCC unroll 8
    for (int row = 0; row < mr; row++) {
#pragma GCC unroll 8
        for (int v = 0; v < nv; v++)
            sums[row][v] = zeros();
#pragma GCC unroll 8
        for (int p = 0; p < np; p++)
            if (tile->accumulate)
                fetch(tile->c + (size_t)row * tile->ldc + (size_t)PANEL_COLUMNS * (size_t)p);
    }
    for (int begin = 0; begin < tile->depth; begin += tile->every) {
        const int end = smaller(begin + tile->every, tile->depth);
#pragma GCC unroll 8
        for (int line = 0; line < FETCHED_LINES; line++, next += PANEL_LINE)
            fetch_soon(next);
#pragma GCC unroll UNROLLED_STEPS
        for (int k = begin; k < end; k += STEP) {
            vector b[TILE_VECTORS];
#pragma GCC unroll 8
            for (int v = 0; v < nv; v++)
                b[v] = load(panels + (size_t)(v / PANEL_VECTORS) * tile->panel_size +
                            (size_t)k * PANEL_COLUMNS + (size_t)(v % PANEL_VECTORS * LANES * STEP));
#pragma GCC unroll 8
            for (int row = 0; row < mr; row++) {
                const vector left = broadcast(a + (size_t)row * tile->lda + k);
#pragma GCC unroll 8
                for (int v = 0; v < nv; v++)
                    sums[row][v] = multiply_add(sums[row][v], left, b[v]);
            }
        }
    }
#pragma GCC unroll 8
    for (int row = 0; row < mr; row++)
#pragma GCC unroll 8
        for (int v = 0; v < nv; v++) {
            const int count = columns - v * LANES;
            if (count <= 0)
                continue;
            float *c = tile->c + (size_t)row * tile->ldc + (size_t)LANES * (size_t)v;
            if (tile->accumulate)
                sums[row][v] = add(load_first(c, count), sums[row][v]);
            store_first(c, sums[row][v], count);
        }
}

/* What is left below a whole tile, in one smaller tile: of two, each would wait for its sums as
 * long as a whole one does. */
static inline __attribute__((always_inline)) void multiply_rest(const struct tile *tile, int rows,
                                                                const int np, const int kept)
{
    if (rows == 1)
        multiply_tile(tile, 1, np, kept);
    else if (rows == 2)
        multiply_tile(tile, 2, np, kept);
    else if (rows == 3)
        multiply_tile(tile, 3, np, kept);
    else if (TILE_ROWS > 4 && rows == 4)
        multiply_tile(tile, 4, np, kept);
    else if (TILE_ROWS > 5 && rows == 5)
        multiply_tile(tile, 5, np, kept);
}

_Static_assert((int)TILE_ROWS > 3 && (int)TILE_ROWS <= 6, "multiply_rest() has all");

/* All rows of the columns of a first tile. Each tile prefetches a part of one panel, from `next`
 * on: in a group of tiles as many as there are panels, each of another one. */
static inline __attribute__((always_inline)) void multiply_columns(const struct tile *first,
                                                                   const element *next, int rows,
                                                                   const int np, const int kept)
{
    enum { GROUP = TILE_ROWS * TILE_PANELS };
    const int parts = rows < GROUP ? 1 : rows / GROUP;
    const size_t part_lines = (size_t)((first->depth / STEP + parts - 1) / parts);
    const size_t panel_bytes = first->panel_size * sizeof(element);
    for (int row = 0; row < rows;) {
        const size_t panel = (size_t)(row / TILE_ROWS % TILE_PANELS);
        struct tile tile = *first;
        tile.c += (size_t)row * tile.ldc;
        tile.a += (size_t)row * tile.lda;
        tile.every = parts * FETCHED_LINES * STEP;
        tile.next = (uintptr_t)next + panel * panel_bytes +
                    (size_t)(row / GROUP % parts) * part_lines * PANEL_LINE;
        if (row + TILE_ROWS <= rows) {
            multiply_tile(&tile, TILE_ROWS, np, kept);
            row += TILE_ROWS;
        } else {
            multiply_rest(&tile, rows - row, np, kept);
            row = rows;
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
            multiply_columns(&tile, following, rows, TILE_PANELS, PANEL_COLUMNS);
        else
            multiply_columns(&tile, following, rows, 1, smaller(columns - column, PANEL_COLUMNS));
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
