/* A template of the loops of a product on vectors, for the kernels of one type of element. A file
 * includes it once, after it has included math/vector512.h or math/vector256.h, which define
 * vectors of LANES floats, and has defined these parameters (math/vector256.h defines the constants
 * too):
 *
 *     element                    the type of an operand's elements
 *     vector                     a vector of LANES columns of STEP depths of a panel
 *     STEP                       the elements of a row that are multiplied at once
 *     load(panel)                loads a vector of a panel
 *     broadcast(a)               fills a vector with STEP elements of a row, LANES times
 *     multiply_add(sum, a, b)    sum + a * b in each of LANES columns
 *
 *     TILE_ROWS, TILE_PANELS     the size of a tile, the part of C whose sums stay in registers
 *     BLOCK_ROWS, BLOCK_STEPS    the size of a block, the part of A that stays in a cache: rows,
 *                                and steps of depth
 *     FETCHED_LINES              the lines of the next panels that are prefetched at a time
 *     STRETCH_STEPS              the unrolled steps between two prefetches; 0: a loop of steps,
 *                                so many that the rows of a block prefetch all of the next panels
 *     UNROLLED_STEPS             by how many steps such a loop is unrolled
 *
 * C [rows, columns] = addend + A [rows, depth] * B, B in panels of 16 columns (math/panels.h). */

#include "base/min.h"
#include "base/unroll.h"
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

_Static_assert((int)BLOCK_ROWS <= (int)PANELS_MAX_ROWS && (int)BLOCK_ROWS % BF16_DEPTH == 0,
               "rows is what struct gemm_kernels allows");

_Static_assert((int)STRETCH_STEPS % (int)FETCHED_LINES == 0, "tiles divide whole prefetches");

/* A tile of C and its operands. While it is computed, the next panels are prefetched into the
 * second-level cache: FETCHED_LINES lines for every `every` elements of depth, from the address
 * `next` on. Otherwise the first rows would wait for them, 15 % of the time where panels have 2,048
 * depths (Zen 5). */
struct tile {
    float *c;
    struct addend addend;
    const element *a, *panels;
    size_t ldc, lda, panel_size;
    int depth;
    uintptr_t next;
    int every;
};

/* Returns the addend of a tile that begins `row` rows and `column` columns later. */
static inline struct addend addend_from(struct addend addend, int row, int column)
{
    if (addend.rows)
        addend.rows += (size_t)row * addend.ld + (size_t)column;
    return addend;
}

/* Prefetches the next FETCHED_LINES lines and returns the address after them. */
static inline uintptr_t fetch_lines(uintptr_t next)
{
    UNROLL_ALL(8)
    for (int line = 0; line < FETCHED_LINES; line++, next += PANEL_LINE)
        fetch_soon(next);
    return next;
}

/* Adds the products of the step at depth k to the sums of mr rows and nv vectors. */
static inline __attribute__((always_inline)) void
multiply_step(floats sums[TILE_ROWS][TILE_VECTORS], const struct tile *tile, int k, const int mr,
              const int nv)
{
    vector b[TILE_VECTORS];
    UNROLL_ALL(8)
    for (int v = 0; v < nv; v++)
        b[v] = load(tile->panels + (size_t)(v / PANEL_VECTORS) * tile->panel_size +
                    (size_t)k * PANEL_COLUMNS + (size_t)(v % PANEL_VECTORS * LANES * STEP));
    UNROLL_ALL(8)
    for (int row = 0; row < mr; row++) {
        const vector left = broadcast(tile->a + (size_t)row * tile->lda + k);
        UNROLL_ALL(8)
        for (int v = 0; v < nv; v++)
            sums[row][v] = multiply_add(sums[row][v], left, b[v]);
    }
}

/* Adds the products of all of the tile's depth: first in unrolled stretches, then the rest. */
static inline __attribute__((always_inline)) void
multiply_depth(floats sums[TILE_ROWS][TILE_VECTORS], const struct tile *tile, const int mr,
               const int nv)
{
    enum { STRETCH = STRETCH_STEPS * STEP };
    uintptr_t next = tile->next;
    int begin = 0;
    for (; STRETCH > 0 && begin + STRETCH <= tile->depth; begin += STRETCH) {
        next = fetch_lines(next);
        UNROLL_ALL(8)
        for (int k = 0; k < STRETCH; k += STEP)
            multiply_step(sums, tile, begin + k, mr, nv);
    }
    for (; begin < tile->depth; begin += tile->every) {
        const int end = min_int(begin + tile->every, tile->depth);
        next = fetch_lines(next);
        UNROLL_BY(UNROLLED_STEPS)
        for (int k = begin; k < end; k += STEP)
            multiply_step(sums, tile, k, mr, nv);
    }
}

/* Computes a tile of mr rows and np panels; the last panel has `kept` columns. All three are
 * constants wherever this is inlined, except `kept` of a panel that is not full. The addend is
 * prefetched before the sums are computed and added after them: waiting for it costs 4 % (Zen
 * 5). */
static inline __attribute__((always_inline)) void
multiply_tile(const struct tile *tile, const int mr, const int np, const int kept)
{
    const int nv = np * PANEL_VECTORS, columns = (np - 1) * PANEL_COLUMNS + kept;
    floats sums[TILE_ROWS][TILE_VECTORS];
    UNROLL_ALL(8)
    for (int row = 0; row < mr; row++) {
        UNROLL_ALL(8)
        for (int v = 0; v < nv; v++)
            sums[row][v] = zeros();
        UNROLL_ALL(8)
        for (int p = 0; p < np; p++)
            if (tile->addend.rows)
                fetch(tile->addend.rows + (size_t)row * tile->addend.ld +
                      (size_t)PANEL_COLUMNS * (size_t)p);
    }
    multiply_depth(sums, tile, mr, nv);
    UNROLL_ALL(8)
    for (int row = 0; row < mr; row++)
        UNROLL_ALL(8)
    for (int v = 0; v < nv; v++) {
        const int count = columns - v * LANES;
        if (count <= 0)
            continue;
        const size_t column = (size_t)LANES * (size_t)v;
        const float *addend = tile->addend.rows;
        if (addend)
            sums[row][v] = add(load_first(addend + (size_t)row * tile->addend.ld + column, count),
                               sums[row][v]);
        store_first(tile->c + (size_t)row * tile->ldc + column, sums[row][v], count);
    }
}

/* Computes the rows that are left below the whole tiles in one smaller tile. Each of two smaller
 * tiles would wait for its sums as long as a whole one does. */
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
    else if (TILE_ROWS > 6 && rows == 6)
        multiply_tile(tile, 6, np, kept);
    else if (TILE_ROWS > 7 && rows == 7)
        multiply_tile(tile, 7, np, kept);
}

_Static_assert((int)TILE_ROWS > 3 && (int)TILE_ROWS <= 8, "multiply_rest() has each number");

/* Computes the columns of the first tile in all rows. Each tile prefetches a part of one of the
 * next panels, which begin at `next`; in a group of TILE_PANELS tiles, each one a part of another
 * panel. */
static inline __attribute__((always_inline)) void multiply_columns(const struct tile *first,
                                                                   const element *next, int rows,
                                                                   const int np, const int kept)
{
    enum { GROUP = TILE_ROWS * TILE_PANELS };
    const int parts = STRETCH_STEPS > 0 ? STRETCH_STEPS / FETCHED_LINES
                      : rows < GROUP    ? 1
                                        : rows / GROUP;
    const size_t part_lines = (size_t)((first->depth / STEP + parts - 1) / parts);
    const size_t panel_bytes = first->panel_size * sizeof(element);
    for (int row = 0; row < rows;) {
        const size_t panel = (size_t)(row / TILE_ROWS % TILE_PANELS);
        struct tile tile = *first;
        tile.c += (size_t)row * tile.ldc;
        tile.addend = addend_from(first->addend, row, 0);
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

/* Returns the panels of the next tiles, given the columns that are left: TILE_PANELS or one. Where
 * TILE_PANELS is three, two or four panels are taken two at a time, because a tile of one panel
 * reads all of A for it. */
static inline int next_panels(int columns)
{
    const int whole = columns / PANEL_COLUMNS;
    if (TILE_PANELS == 3 && (whole == 2 || whole == 4))
        return 2;
    return whole >= TILE_PANELS ? TILE_PANELS : 1;
}

/* Computes the block of C that begins with the first tile; its A stays in the cache. The last
 * columns prefetch the panels at `next`. */
static void multiply_cached_block(const struct tile *first, const element *next, int rows,
                                  int columns)
{
    for (int column = 0; column < columns;) {
        const int left = columns - column, np = next_panels(left);
        const int end = column + np * PANEL_COLUMNS;
        struct tile tile = *first;
        tile.c += column;
        tile.addend = addend_from(first->addend, 0, column);
        tile.panels += (size_t)(column / PANEL_COLUMNS) * tile.panel_size;
        const element *following =
            end < columns ? first->panels + (size_t)(end / PANEL_COLUMNS) * tile.panel_size : next;
        if (np == TILE_PANELS && left >= TILE_COLUMNS)
            multiply_columns(&tile, following, rows, TILE_PANELS, PANEL_COLUMNS);
        else if (TILE_PANELS == 3 && np == 2)
            multiply_columns(&tile, following, rows, 2, PANEL_COLUMNS);
        else
            multiply_columns(&tile, following, rows, 1, min_int(left, PANEL_COLUMNS));
        column = end;
    }
}

static void multiply(float *c, size_t ldc, struct addend addend, struct operand left,
                     struct operand right, int rows, int columns, int depth)
{
    const element *a = left.values, *panels = right.values;
    const size_t lda = left.ld;
    for (int row = 0; row < rows; row += BLOCK_ROWS) {
        const int block_rows = min_int(rows - row, BLOCK_ROWS);
        for (int k = 0; k < depth; k += BLOCK_DEPTH) {
            const bool last = depth - k <= BLOCK_DEPTH;
            const struct tile first = {
                .c = c + (size_t)row * ldc,
                .addend = k > 0 ? (struct addend){c + (size_t)row * ldc, ldc}
                                : addend_from(addend, row, 0),
                .a = a + (size_t)row * lda + k,
                .panels = panels + (size_t)k * PANEL_COLUMNS,
                .ldc = ldc,
                .lda = lda,
                .panel_size = (size_t)depth * PANEL_COLUMNS,
                .depth = last ? depth - k : BLOCK_DEPTH,
            };
            /* The next rows begin with the first panels again; those of the next call often do. */
            const int after = last ? 0 : k + BLOCK_DEPTH;
            multiply_cached_block(&first, panels + (size_t)after * PANEL_COLUMNS, block_rows,
                                  columns);
        }
    }
}
