#include "support/panels_check.h"

#include "base/min.h"
#include "math/bf16.h"
#include "support/float_sums.h"
#include "support/real_arrays.h"
#include "support/skipping.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

void require_instructions(bool usable, const char *what)
{
    if (!usable)
        skip_test("this processor has no %s", what);
}

/* ---- arrays of either element ---- */

static bool is_bf16(const struct gemm_kernels *kernels)
{
    return kernels->element == sizeof(bf16);
}

static void *make_elements(const struct gemm_kernels *kernels, size_t count)
{
    return unwritten((count + 1) * kernels->element); /* a read after the end gets a NaN */
}

static void *random_elements(const struct gemm_kernels *kernels, size_t count, uint32_t item)
{
    real *values = random_reals(count, item, 1);
    if (!is_bf16(kernels))
        return values;
    bf16 *rounded = make_elements(kernels, count);
    bf16_round(rounded, values, count);
    free(values);
    return rounded;
}

static double at(const struct gemm_kernels *kernels, const void *elements, size_t index)
{
    return is_bf16(kernels) ? (double)bf16_to_float(((const bf16 *)elements)[index])
                            : (double)((const real *)elements)[index];
}

static double rounded(const struct gemm_kernels *kernels, real value)
{
    return is_bf16(kernels) ? (double)bf16_to_float(bf16_from_float((float)value)) : (double)value;
}

/* ---- layouts ---- */

/* Returns B[k][column] by the header's description of panels. */
double panel_element(const struct gemm_kernels *kernels, const void *right, int depth, int k,
                     int column)
{
    const size_t panel = (size_t)(column / PANEL_COLUMNS) * PANEL_COLUMNS * (size_t)depth;
    const size_t in_panel = (size_t)(column % PANEL_COLUMNS);
    const size_t index = is_bf16(kernels)
                             ? (size_t)(k / 2) * 2 * PANEL_COLUMNS + in_panel * 2 + (size_t)(k % 2)
                             : (size_t)k * PANEL_COLUMNS + in_panel;
    return at(kernels, right, panel + index);
}

struct layouts {
    const struct gemm_kernels *kernels;
    int depth, columns;
    size_t ld, ldt; /* distances between the rows of x and of xt */
    void *x, *xt;   /* [depth, ld], [columns, ldt] */
    real *w;        /* [depth, columns], or its transpose */
    void *laid_out, *transposed, *reals, *reals_transposed, *left;
};

static void lay_out(struct layouts *l)
{
    const struct gemm_kernels *kernels = l->kernels;
    const size_t right = panels_elements(l->depth, l->columns);
    l->laid_out = make_elements(kernels, right);
    l->transposed = make_elements(kernels, right);
    l->reals = make_elements(kernels, right);
    l->reals_transposed = make_elements(kernels, right);
    l->left = make_elements(kernels, (size_t)l->columns * (size_t)left_width(l->depth));
    kernels->lay_out(l->laid_out, l->x, l->ld, l->depth, l->columns);
    kernels->lay_out_transposed(l->transposed, l->xt, l->ldt, l->depth, l->columns);
    const int count = panel_count(l->columns);
    for (int i = 0; i < count; i += 3) { /* several at a time, then the rest */
        const int end = min_int(i + 3, count);
        kernels->lay_out_reals(l->reals, l->w, l->depth, l->columns, i, end);
        kernels->lay_out_reals_transposed(l->reals_transposed, l->w, l->depth, l->columns, i, end);
    }
    kernels->transpose(l->left, l->x, l->ld, l->depth, l->columns);
}

static void check_place(const struct layouts *l, int k, int column)
{
    const struct gemm_kernels *kernels = l->kernels;
    const int depth = panels_pad(kernels, l->depth);
    const bool inside = k < l->depth && column < l->columns;
    const size_t row_major = (size_t)k * (size_t)l->columns + (size_t)column;
    const size_t column_major = (size_t)column * (size_t)l->depth + (size_t)k;
    const double x = inside ? at(kernels, l->x, (size_t)k * l->ld + (size_t)column) : 0;
    const double xt = inside ? at(kernels, l->xt, (size_t)column * l->ldt + (size_t)k) : 0;
    assert_true(panel_element(kernels, l->laid_out, depth, k, column) == x);
    assert_true(panel_element(kernels, l->transposed, depth, k, column) == xt);
    assert_true(panel_element(kernels, l->reals, depth, k, column) ==
                (inside ? rounded(kernels, l->w[row_major]) : 0));
    assert_true(panel_element(kernels, l->reals_transposed, depth, k, column) ==
                (inside ? rounded(kernels, l->w[column_major]) : 0));
    if (column < l->columns)
        assert_true(
            at(kernels, l->left, (size_t)column * (size_t)left_width(l->depth) + (size_t)k) == x);
}

static void check_layouts(const struct gemm_kernels *kernels, int depth, int columns)
{
    enum { GAP = 5 };
    struct layouts l = {.kernels = kernels,
                        .depth = depth,
                        .columns = columns,
                        .ld = (size_t)columns + GAP,
                        .ldt = (size_t)depth + GAP};
    l.x = random_elements(kernels, (size_t)depth * l.ld, 1);
    l.xt = random_elements(kernels, (size_t)columns * l.ldt, 2);
    l.w = random_reals((size_t)depth * (size_t)columns, 3, 1);
    lay_out(&l);
    for (int column = 0; column < panel_count(columns) * PANEL_COLUMNS; column++)
        for (int k = 0; k < panels_pad(kernels, depth); k++)
            check_place(&l, k, column);
    void *all[] = {l.x, l.xt, l.w, l.laid_out, l.transposed, l.reals, l.reals_transposed, l.left};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

void check_all_layouts(const struct gemm_kernels *kernels)
{
    const int depths[] = {1, 2, 15, 31, 32, 33, 64, 515, 1056};
    const int columns[] = {1, 2, 15, 16, 17, 48, 70};
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++)
        for (size_t j = 0; j < sizeof columns / sizeof *columns; j++)
            check_layouts(kernels, depths[i], columns[j]);
}

/* ---- products ---- */

struct operands {
    const struct gemm_kernels *kernels;
    int rows, columns, depth;
    enum addition addition;
    size_t lda, ldb, ldc;
    void *a, *b, *right;
    real *before, *bias, *c;
};

static struct addend addend_of(const struct operands *o)
{
    const struct addend addends[ADDITIONS] = {
        [ADD_OWN_ROWS] = {o->c, o->ldc}, [ADD_BIAS] = {o->bias, 0}};
    return addends[o->addition];
}

static double added_to(const struct operands *o, size_t index, int column)
{
    const double added[ADDITIONS] = {
        [ADD_OWN_ROWS] = (double)o->before[index], [ADD_BIAS] = (double)o->bias[column]};
    return added[o->addition];
}

/* Compares an element of C with the product of the operands in double precision. */
static void check_element(const struct operands *o, int row, int column)
{
    const size_t index = (size_t)row * o->ldc + (size_t)column;
    double sum = added_to(o, index, column), size = fabs(sum);
    for (int k = 0; column < o->columns && k < o->depth; k++) {
        const double product = at(o->kernels, o->a, (size_t)row * o->lda + (size_t)k) *
                               at(o->kernels, o->b, (size_t)k * o->ldb + (size_t)column);
        sum += product;
        size += fabs(product);
    }
    if (!(fabs((double)o->c[index] - sum) <= float_sum_bound(size, o->depth)))
        fail_msg("%s: %d x %d x %d at [%d, %d]: %.9g, expected %.9g", o->kernels->name, o->rows,
                 o->columns, o->depth, row, column, (double)o->c[index], sum);
}

void check_product(const struct gemm_kernels *kernels, int rows, int columns, int depth,
                   enum addition addition)
{
    struct operands o = {.kernels = kernels,
                         .rows = rows,
                         .columns = columns,
                         .depth = depth,
                         .addition = addition,
                         .lda = (size_t)depth + BF16_DEPTH,
                         .ldb = (size_t)columns + 3,
                         .ldc = (size_t)padded(columns) + 16};
    const size_t count = (size_t)(rows + 1) * o.ldc;
    o.a = random_elements(kernels, (size_t)rows * o.lda, 4);
    o.b = random_elements(kernels, (size_t)depth * o.ldb, 5);
    o.right = make_elements(kernels, panels_elements(depth, columns));
    o.before = random_reals(count, 6, 1);
    o.bias = random_reals((size_t)columns, 7, 1); /* without room for a whole panel */
    o.c = copy_reals(o.before, count);
    kernels->multiply(o.c, o.ldc, addend_of(&o), (struct operand){o.a, o.lda, false},
                      gemm_right(kernels, o.right, o.b, o.ldb, depth, columns), rows, columns,
                      depth);
    const int written = is_bf16(kernels) ? panel_count(columns) * PANEL_COLUMNS : columns;
    for (int row = 0; row <= rows; row++)
        for (int column = 0; column < (int)o.ldc; column++)
            if (row < rows && column < columns)
                check_element(&o, row, column);
            else if (row == rows || column >= written) /* outside the product */
                assert_true(o.c[(size_t)row * o.ldc + (size_t)column] ==
                            o.before[(size_t)row * o.ldc + (size_t)column]);
    free(o.a), free(o.b), free(o.right), free(o.before), free(o.bias), free(o.c);
}

void check_products(const struct gemm_kernels *kernels)
{
    const int rows[] = {1, 3, 4, 5, 6, 15, 16, 17, 31, 32, 33, 48, 65, 140};
    const int columns[] = {1, 2, 16, 17, 32, 48, 64, 80, 144}, depths[] = {32, 64, 96};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t j = 0; j < sizeof columns / sizeof *columns; j++)
            for (size_t k = 0; k < sizeof depths / sizeof *depths; k++)
                for (int addition = 0; addition < ADDITIONS; addition++)
                    check_product(kernels, rows[i], columns[j], depths[k], (enum addition)addition);
    check_product(kernels, 300, 40, 1088, ADD_NOTHING); /* more than a block of rows and depths */
    check_product(kernels, 300, 40, 2080, ADD_OWN_ROWS);
    check_product(kernels, 20, 1070, 1088, ADD_OWN_ROWS); /* more than a block of columns */
    check_product(kernels, 20, 1070, 1088, ADD_BIAS);
}

void check_fp32_products(const struct gemm_kernels *kernels)
{
    check_products(kernels);
    for (int depth = 1; depth <= 31; depth += 6)
        for (int columns = 1; columns <= 20; columns++)
            check_product(kernels, 11, columns, depth, (enum addition)(columns % ADDITIONS));
    for (int rows = 1; rows <= 17; rows++) /* every remainder of tiles, in rows and columns */
        for (int columns = 24; columns <= 104; columns += 8)
            check_product(kernels, rows, columns, 5 + rows, (enum addition)(rows % ADDITIONS));
}
