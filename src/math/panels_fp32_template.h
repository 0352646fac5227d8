/* A template of kernels for float operands: products and layouts, on any vectors. A file includes
 * it once, after math/vector512.h or math/vector256.h and the parameters of
 * math/panels_product_template.h, and defines the table:
 *
 *     const struct gemm_kernels panels_fp32_... = FP32_KERNELS("..."); */

#include "base/min.h"
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

#include "math/panels_product_template.h"

/* ---- layouts ---- */

/* Works row by row. Panel by panel takes three times as long where rows are a multiple of 4 KiB
 * apart (3,072 columns, Zen 5). */
static void lay_out(void *right, const void *x, size_t ld, int depth, int columns)
{
    enum { AHEAD = 8 }; /* how many rows before their use rows are prefetched */
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

/* Transposes LANES x LANES floats of x into the first `kept` rows of y; elements of x beyond `rows`
 * and `columns` are zero. */
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

/* Lays out the first panel of the transpose of X [columns, depth]. */
static void lay_out_panel_transposed(float *panel, const float *x, size_t ld, int depth,
                                     int columns)
{
    for (int k = 0; k < depth; k += LANES)
        for (int lane = 0; lane < PANEL_COLUMNS; lane += LANES)
            transpose_block(panel + (size_t)k * PANEL_COLUMNS + lane, PANEL_COLUMNS,
                            x + (size_t)(lane < columns ? lane : 0) * ld + k, ld, columns - lane,
                            depth - k, min_int(LANES, depth - k));
}

static void lay_out_reals(void *right, const real *w, int depth, int columns, int first, int last)
{
    const int column = first * PANEL_COLUMNS;
    lay_out((float *)right + (size_t)column * (size_t)depth, w + column, (size_t)columns, depth,
            min_int(columns, last * PANEL_COLUMNS) - column);
}

static void lay_out_transposed(void *right, const void *x, size_t ld, int depth, int columns)
{
    for (int column = 0; column < columns; column += PANEL_COLUMNS)
        lay_out_panel_transposed((float *)right + (size_t)column * (size_t)depth,
                                 (const float *)x + (size_t)column * ld, ld, depth,
                                 columns - column);
}

static void lay_out_reals_transposed(void *right, const real *w, int depth, int columns, int first,
                                     int last)
{
    const size_t before = (size_t)first * PANEL_COLUMNS * (size_t)depth;
    lay_out_transposed((float *)right + before, w + before, (size_t)depth, depth,
                       min_int(columns, last * PANEL_COLUMNS) - first * PANEL_COLUMNS);
}

/* Writes whole vectors, for which rows of y have room. */
static void transpose(void *y, const void *x, size_t ld, int rows, int columns)
{
    const size_t ldy = (size_t)left_width(rows);
    for (int row = 0; row < rows; row += LANES)
        for (int column = 0; column < columns; column += LANES)
            transpose_block((float *)y + (size_t)column * ldy + row, ldy,
                            (const float *)x + (size_t)row * ld + column, ld, rows - row,
                            columns - column, min_int(LANES, columns - column));
}

#define FP32_KERNELS(name_for_people)                                                              \
    {                                                                                              \
        .name = (name_for_people), .element = sizeof(float), .depth_multiple = 1,                  \
        .rows = BLOCK_ROWS, .columns = PANELS_MAX_COLUMNS, .weight_panels = PANELS_OF_WEIGHT,      \
        .gradient_rows = PANELS_GRADIENT_ROWS, .multiply = multiply, .lay_out = lay_out,           \
        .lay_out_transposed = lay_out_transposed, .lay_out_reals = lay_out_reals,                  \
        .lay_out_reals_transposed = lay_out_reals_transposed, .transpose = transpose,              \
    }
