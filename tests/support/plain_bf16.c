/* bf16 kernels in plain C, so that the code around the kernels is tested on processors without bf16
 * instructions. Programs linked with --wrap=gemm_bf16 get them. */
#include "math/bf16.h"
#include "math/panels.h"

/* Returns the index of depth k and a column in B, by the description in math/panels.h. */
static size_t place(int depth, int k, int column)
{
    const size_t panel = (size_t)(column / PANEL_COLUMNS) * PANEL_COLUMNS * (size_t)padded(depth);
    return panel + (size_t)(k / 2) * 2 * PANEL_COLUMNS + (size_t)(column % PANEL_COLUMNS) * 2 +
           (size_t)(k % 2);
}

/* sums [PANEL_COLUMNS] += a row of A times a panel. */
static void add_panel(real *sums, const bf16 *a, const bf16 *panel, int depth)
{
    for (int k = 0; k < depth; k++) {
        const float left = bf16_to_float(a[k]);
        for (int i = 0; i < PANEL_COLUMNS; i++)
            sums[i] += (real)(left * bf16_to_float(panel[place(depth, k, i)]));
    }
}

static void multiply(real *c, size_t ldc, struct addend addend, struct operand left,
                     struct operand right, int rows, int columns, int depth)
{
    for (int row = 0; row < rows; row++)
        for (int column = 0; column < columns; column += PANEL_COLUMNS) {
            real *sums = c + (size_t)row * ldc + column;
            const size_t at = (size_t)row * addend.ld + (size_t)column;
            for (int i = 0; i < PANEL_COLUMNS; i++)
                sums[i] = addend.rows && column + i < columns ? addend.rows[at + (size_t)i] : 0;
            add_panel(sums, (const bf16 *)left.values + (size_t)row * left.ld,
                      (const bf16 *)right.values + place(depth, 0, column), depth);
        }
}

/* Panels first .. last - 1 of B [depth, columns], whose element (k, column) is k * row + column *
 * step elements of x away: bf16, or reals to be rounded. */
struct source {
    const bf16 *bf16;
    const real *reals;
    size_t row, step;
};

static void lay_out_source(bf16 *right, const struct source *x, int depth, int columns, int first,
                           int last)
{
    for (int column = first * PANEL_COLUMNS; column < last * PANEL_COLUMNS; column++)
        for (int k = 0; k < padded(depth); k++) {
            const size_t at = (size_t)k * x->row + (size_t)column * x->step;
            bf16 *to = right + place(depth, k, column);
            if (k >= depth || column >= columns)
                *to = 0;
            else if (x->bf16)
                *to = x->bf16[at];
            else
                bf16_round(to, x->reals + at, 1);
        }
}

static void lay_out(void *right, const void *x, size_t ld, int depth, int columns)
{
    const struct source source = {.bf16 = x, .row = ld, .step = 1};
    lay_out_source(right, &source, depth, columns, 0, panel_count(columns));
}

static void lay_out_transposed(void *right, const void *x, size_t ld, int depth, int columns)
{
    const struct source source = {.bf16 = x, .row = 1, .step = ld};
    lay_out_source(right, &source, depth, columns, 0, panel_count(columns));
}

static void lay_out_reals(void *right, const real *w, int depth, int columns, int first, int last)
{
    const struct source source = {.reals = w, .row = (size_t)columns, .step = 1};
    lay_out_source(right, &source, depth, columns, first, last);
}

static void lay_out_reals_transposed(void *right, const real *w, int depth, int columns, int first,
                                     int last)
{
    const struct source source = {.reals = w, .row = 1, .step = (size_t)depth};
    lay_out_source(right, &source, depth, columns, first, last);
}

static void transpose(void *y, const void *x, size_t ld, int rows, int columns)
{
    const size_t ldy = (size_t)left_width(rows);
    for (int column = 0; column < columns; column++)
        for (int row = 0; row < padded(rows); row++)
            ((bf16 *)y)[(size_t)column * ldy + (size_t)row] =
                row < rows ? ((const bf16 *)x)[(size_t)row * ld + (size_t)column] : 0;
}

const struct gemm_kernels *__wrap_gemm_bf16(void);

const struct gemm_kernels *__wrap_gemm_bf16(void)
{
    static const struct gemm_kernels plain = {
        .name = "plain C",
        .element = sizeof(bf16),
        .depth_multiple = BF16_DEPTH,
        .rows = 2 * BF16_DEPTH,
        .columns = 4 * BF16_DEPTH,
        .weight_panels = 3,
        .gradient_rows = 2 * BF16_DEPTH,
        .multiply = multiply,
        .lay_out = lay_out,
        .lay_out_transposed = lay_out_transposed,
        .lay_out_reals = lay_out_reals,
        .lay_out_reals_transposed = lay_out_reals_transposed,
        .transpose = transpose,
    };
    return &plain;
}
