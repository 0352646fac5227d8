#include "support/panels_check.h"

#include "math/bf16.h"
#include "support/float_sums.h"
#include "support/real_arrays.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

void require_instructions(bool usable, const char *what)
{
    if (!usable) {
        print_message("SKIPPED: this processor has no %s\n", what);
        skip();
    }
}

/* ---- arrays of either element ---- */

static bool is_half(const struct panels *panels)
{
    return panels->element == sizeof(bf16);
}

static void *make_elements(const struct panels *panels, size_t count)
{
    return unwritten((count + 1) * panels->element); /* whoever reads too far meets a NaN */
}

static void *random_elements(const struct panels *panels, size_t count, uint32_t item)
{
    real *values = random_reals(count, item, 1);
    if (!is_half(panels))
        return values;
    bf16 *rounded = make_elements(panels, count);
    bf16_round(rounded, values, count);
    free(values);
    return rounded;
}

static double at(const struct panels *panels, const void *elements, size_t index)
{
    return is_half(panels) ? (double)bf16_to_float(((const bf16 *)elements)[index])
                           : (double)((const real *)elements)[index];
}

static double rounded(const struct panels *panels, real value)
{
    return is_half(panels) ? (double)bf16_to_float(bf16_from_float((float)value)) : (double)value;
}

/* ---- layouts ---- */

/* B[k][column] as the header describes the panels. */
double panel_element(const struct panels *panels, const void *right, int depth, int k, int column)
{
    const size_t panel = (size_t)(column / PANEL_COLUMNS) * PANEL_COLUMNS * (size_t)depth;
    const size_t in_panel = (size_t)(column % PANEL_COLUMNS);
    const size_t index = is_half(panels)
                             ? (size_t)(k / 2) * 2 * PANEL_COLUMNS + in_panel * 2 + (size_t)(k % 2)
                             : (size_t)k * PANEL_COLUMNS + in_panel;
    return at(panels, right, panel + index);
}

struct layouts {
    const struct panels *panels;
    int depth, columns;
    size_t ld, ldt; /* of x and xt */
    void *x, *xt;   /* [depth, ld], [columns, ldt] */
    real *w;        /* [depth, columns], or its transpose */
    void *packed, *transposed, *reals, *reals_transposed, *left;
};

static void lay_out(struct layouts *l)
{
    const struct panels *panels = l->panels;
    const size_t right = panels_elements(l->depth, l->columns);
    l->packed = make_elements(panels, right);
    l->transposed = make_elements(panels, right);
    l->reals = make_elements(panels, right);
    l->reals_transposed = make_elements(panels, right);
    l->left = make_elements(panels, (size_t)l->columns * (size_t)left_width(l->depth));
    panels->pack(l->packed, l->x, l->ld, l->depth, l->columns);
    panels->pack_transposed(l->transposed, l->xt, l->ldt, l->depth, l->columns);
    for (int i = 0; i < panel_count(l->columns); i++) {
        panels->pack_reals(l->reals, l->w, l->depth, l->columns, i, i + 1);
        panels->pack_reals_transposed(l->reals_transposed, l->w, l->depth, l->columns, i, i + 1);
    }
    panels->transpose(l->left, l->x, l->ld, l->depth, l->columns);
}

static void check_place(const struct layouts *l, int k, int column)
{
    const struct panels *panels = l->panels;
    const int depth = panels_pad(panels, l->depth);
    const bool inside = k < l->depth && column < l->columns;
    const size_t row_major = (size_t)k * (size_t)l->columns + (size_t)column;
    const size_t column_major = (size_t)column * (size_t)l->depth + (size_t)k;
    const double x = inside ? at(panels, l->x, (size_t)k * l->ld + (size_t)column) : 0;
    const double xt = inside ? at(panels, l->xt, (size_t)column * l->ldt + (size_t)k) : 0;
    assert_true(panel_element(panels, l->packed, depth, k, column) == x);
    assert_true(panel_element(panels, l->transposed, depth, k, column) == xt);
    assert_true(panel_element(panels, l->reals, depth, k, column) ==
                (inside ? rounded(panels, l->w[row_major]) : 0));
    assert_true(panel_element(panels, l->reals_transposed, depth, k, column) ==
                (inside ? rounded(panels, l->w[column_major]) : 0));
    if (column < l->columns)
        assert_true(
            at(panels, l->left, (size_t)column * (size_t)left_width(l->depth) + (size_t)k) == x);
}

static void check_layouts(const struct panels *panels, int depth, int columns)
{
    enum { GAP = 5 };
    struct layouts l = {.panels = panels,
                        .depth = depth,
                        .columns = columns,
                        .ld = (size_t)columns + GAP,
                        .ldt = (size_t)depth + GAP};
    l.x = random_elements(panels, (size_t)depth * l.ld, 1);
    l.xt = random_elements(panels, (size_t)columns * l.ldt, 2);
    l.w = random_reals((size_t)depth * (size_t)columns, 3, 1);
    lay_out(&l);
    for (int column = 0; column < panel_count(columns) * PANEL_COLUMNS; column++)
        for (int k = 0; k < panels_pad(panels, depth); k++)
            check_place(&l, k, column);
    void *all[] = {l.x, l.xt, l.w, l.packed, l.transposed, l.reals, l.reals_transposed, l.left};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

void check_all_layouts(const struct panels *panels)
{
    const int depths[] = {1, 2, 15, 31, 32, 33, 64, 515, 1056};
    const int columns[] = {1, 2, 15, 16, 17, 48, 70};
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++)
        for (size_t j = 0; j < sizeof columns / sizeof *columns; j++)
            check_layouts(panels, depths[i], columns[j]);
}

/* ---- products ---- */

struct operands {
    const struct panels *panels;
    int rows, columns, depth;
    bool accumulate;
    size_t lda, ldb, ldc;
    void *a, *b, *right;
    real *before, *c;
};

/* C from the operands as they are, in double precision. */
static void check_element(const struct operands *o, int row, int column)
{
    const size_t place = (size_t)row * o->ldc + (size_t)column;
    double sum = o->accumulate ? (double)o->before[place] : 0, size = fabs(sum);
    for (int k = 0; column < o->columns && k < o->depth; k++) {
        const double product = at(o->panels, o->a, (size_t)row * o->lda + (size_t)k) *
                               at(o->panels, o->b, (size_t)k * o->ldb + (size_t)column);
        sum += product;
        size += fabs(product);
    }
    if (!(fabs((double)o->c[place] - sum) <= float_sum_bound(size, o->depth)))
        fail_msg("%s: %d x %d x %d at [%d, %d]: %.9g, expected %.9g", o->panels->name, o->rows,
                 o->columns, o->depth, row, column, (double)o->c[place], sum);
}

void check_product(const struct panels *panels, int rows, int columns, int depth, bool accumulate)
{
    struct operands o = {.panels = panels,
                         .rows = rows,
                         .columns = columns,
                         .depth = depth,
                         .accumulate = accumulate,
                         .lda = (size_t)depth + BF16_DEPTH,
                         .ldb = (size_t)columns + 3,
                         .ldc = (size_t)padded(columns) + 16};
    const size_t count = (size_t)(rows + 1) * o.ldc;
    o.a = random_elements(panels, (size_t)rows * o.lda, 4);
    o.b = random_elements(panels, (size_t)depth * o.ldb, 5);
    o.right = make_elements(panels, panels_elements(depth, columns));
    o.before = random_reals(count, 6, 1);
    o.c = copy_reals(o.before, count);
    panels->pack(o.right, o.b, o.ldb, depth, columns);
    panels->multiply(o.c, o.ldc, o.a, o.lda, o.right, rows, columns, depth, accumulate);
    const int written = is_half(panels) ? panel_count(columns) * PANEL_COLUMNS : columns;
    for (int row = 0; row <= rows; row++)
        for (int column = 0; column < (int)o.ldc; column++)
            if (row < rows && column < columns)
                check_element(&o, row, column);
            else if (row == rows || column >= written) /* not its own */
                assert_true(o.c[(size_t)row * o.ldc + (size_t)column] ==
                            o.before[(size_t)row * o.ldc + (size_t)column]);
    free(o.a), free(o.b), free(o.right), free(o.before), free(o.c);
}

void check_products(const struct panels *panels)
{
    const int rows[] = {1, 3, 4, 5, 6, 15, 16, 17, 31, 32, 33, 48, 65, 140};
    const int columns[] = {1, 2, 16, 17, 32, 48, 64, 80, 144}, depths[] = {32, 64, 96};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t j = 0; j < sizeof columns / sizeof *columns; j++)
            for (size_t k = 0; k < sizeof depths / sizeof *depths; k++)
                for (int accumulate = 0; accumulate <= 1; accumulate++)
                    check_product(panels, rows[i], columns[j], depths[k], accumulate);
    check_product(panels, 300, 40, 1088, false); /* more than a block of rows and of depths */
    check_product(panels, 300, 40, 2080, true);
    check_product(panels, 20, 1070, 1088, true); /* and of columns */
}
