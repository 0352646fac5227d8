/* Products of float operands in panels, and their layouts, on any vectors; included once by a file
 * that has included math/vector512.h or math/vector256.h, and that names them:
 *
 *     const struct panels panels_fp32_... = FP32_KERNELS("..."); */

#include "math/panels_fp32.h"

typedef float element;
typedef floats vector;
enum { STEP = 1 };

static inline vector load(const element *panel)
{
    return load_first(panel, LANES);
}

static inline vector broadcast(const element *a)
{
    return all_equal(*a);
}

static inline floats multiply_add(floats sum, vector a, vector b)
{
    return add_product(sum, a, b);
}

#include "math/panels_product.h"

/* ---- layouts ---- */

/* Row by row: panel by panel takes three times as long where rows are a multiple of 4 KiB apart
 * (3,072 columns, Zen 5). */
static void pack(void *right, const void *x, size_t ld, int depth, int columns)
{
    enum { AHEAD = 8 }; /* rows that are fetched before they are needed */
    const size_t panel_size = (size_t)depth * PANEL_COLUMNS;
    for (int k = 0; k < depth; k++) {
        const float *row = (const float *)x + (size_t)k * ld;
        float *out = (float *)right + (size_t)k * PANEL_COLUMNS;
        for (int column = 0; column < columns; column += PANEL_COLUMNS, out += panel_size) {
            if (k + AHEAD < depth)
                fetch(row + AHEAD * ld + column);
            for (int lane = 0; lane < PANEL_COLUMNS; lane += LANES) {
                const int count = columns - column - lane;
                store_first(out + lane,
                            count > 0 ? load_first(row + column + lane, count) : zeros(), LANES);
            }
        }
    }
}

/* LANES x LANES floats from x, of which `rows` rows and `columns` columns are there, to the first
 * `kept` rows of y, transposed. */
static inline void transpose_block(float *y, size_t ldy, const float *x, size_t ld, int rows,
                                   int columns, int kept)
{
    floats block[LANES];
    for (int i = 0; i < LANES; i++) {
        if (i + LANES < rows)
            fetch(x + (size_t)(i + LANES) * ld);
        block[i] = i < rows ? load_first(x + (size_t)i * ld, columns) : zeros();
    }
    transpose_square(block);
    for (int i = 0; i < kept; i++)
        store_first(y + (size_t)i * ldy, block[i], LANES);
}

/* The first panel of the transpose of X [columns, depth]; what comes LANES rows later is
 * prefetched. */
static void pack_panel_transposed(float *panel, const float *x, size_t ld, int depth, int columns)
{
    for (int k = 0; k < depth; k += LANES)
        for (int lane = 0; lane < PANEL_COLUMNS; lane += LANES)
            transpose_block(panel + (size_t)k * PANEL_COLUMNS + lane, PANEL_COLUMNS,
                            x + (size_t)(lane < columns ? lane : 0) * ld + k, ld, columns - lane,
                            depth - k, smaller(LANES, depth - k));
}

static void pack_reals(void *right, const real *w, int depth, int columns, int first, int last)
{
    const int column = first * PANEL_COLUMNS;
    pack((float *)right + (size_t)column * (size_t)depth, w + column, (size_t)columns, depth,
         smaller(columns, last * PANEL_COLUMNS) - column);
}

static void pack_transposed(void *right, const void *x, size_t ld, int depth, int columns)
{
    for (int column = 0; column < columns; column += PANEL_COLUMNS)
        pack_panel_transposed((float *)right + (size_t)column * (size_t)depth,
                              (const float *)x + (size_t)column * ld, ld, depth, columns - column);
}

static void pack_reals_transposed(void *right, const real *w, int depth, int columns, int first,
                                  int last)
{
    const size_t before = (size_t)first * PANEL_COLUMNS * (size_t)depth;
    pack_transposed((float *)right + before, w + before, (size_t)depth, depth,
                    smaller(columns, last * PANEL_COLUMNS) - first * PANEL_COLUMNS);
}

/* Rows of y have room for whole vectors. Reads X as pack() does. */
static void transpose(void *y, const void *x, size_t ld, int rows, int columns)
{
    const size_t ldy = (size_t)left_width(rows);
    for (int row = 0; row < rows; row += LANES)
        for (int column = 0; column < columns; column += LANES)
            transpose_block((float *)y + (size_t)column * ldy + row, ldy,
                            (const float *)x + (size_t)row * ld + column, ld, rows - row,
                            columns - column, smaller(LANES, columns - column));
}

#define FP32_KERNELS(name_for_people)                                                              \
    {                                                                                              \
        .name = (name_for_people), .element = sizeof(float), .depth_multiple = 1,                  \
        .rows = BLOCK_ROWS, .multiply = multiply, .pack = pack,                                    \
        .pack_transposed = pack_transposed, .pack_reals = pack_reals,                              \
        .pack_reals_transposed = pack_reals_transposed, .transpose = transpose,                    \
    }
