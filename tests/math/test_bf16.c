#include "math/bf16_dispatch.h"

#include "base/random.h"
#include "support/real_arrays.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* AMX where there is none: the same file, on tiles made of arrays. */
#define bf16_amx bf16_amx_emulated
#include "support/amx_emulation.h"

#include "../src/math/bf16_amx.c"
#undef bf16_amx

static bf16 *random_bf16(size_t count, uint32_t item)
{
    real *values = random_reals(count, item, 1);
    bf16 *rounded = malloc((count + 1) * sizeof *rounded);
    assert_non_null(rounded);
    bf16_round(rounded, values, count);
    free(values);
    return rounded;
}

/* ---- conversion ---- */

static void assert_rounds(float value, bf16 expected)
{
    assert_int_equal(bf16_from_float(value), expected);
    bf16 rounded;
    real wide = value;
    bf16_round(&rounded, &wide, 1);
    assert_int_equal(rounded, expected);
}

static void test_rounds_to_nearest_even(void **state)
{
    (void)state;
    assert_rounds(1.0f, 0x3F80);
    assert_rounds(0x1.01p0f, 0x3F80);     /* half way, to the even one below */
    assert_rounds(0x1.03p0f, 0x3F82);     /* half way, to the even one above */
    assert_rounds(0x1.010002p0f, 0x3F81); /* just above half way */
    assert_rounds(-0x1.03p0f, 0xBF82);
    assert_rounds(0.0f, 0);
    assert_rounds(-0.0f, 0x8000);
    assert_rounds(INFINITY, 0x7F80);
    assert_rounds(0x1.fffffep127f, 0x7F80); /* the largest float is nearer to infinity */
    assert_rounds(0x1.fep127f, 0x7F7F);
}

static void test_nan_stays_nan(void **state)
{
    (void)state;
    const uint32_t patterns[] = {0x7FC00000, 0x7F800001, 0x7FFFFFFF, 0xFFFFFFFF, 0xFF800001};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        float value;
        memcpy(&value, &patterns[i], sizeof value);
        assert_true(isnan(bf16_to_float(bf16_from_float(value))));
    }
}

static void test_every_bf16_widens_and_rounds_to_itself(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits <= 0xFFFF; bits++) {
        real wide;
        bf16 narrow = (bf16)bits, back;
        bf16_widen(&wide, &narrow, 1);
        bf16_round(&back, &wide, 1);
        if (!isnan(wide))
            assert_int_equal(back, bits);
    }
}

/* ---- layouts ---- */

static void require_kernels(void)
{
    if (!bf16_kernels()) {
        print_message("SKIPPED: %s\n", bf16_missing());
        skip();
    }
}

/* B[k][column] as the header describes the panels. */
static bf16 panel_element(const bf16 *panels, int padded_depth, int k, int column)
{
    const size_t panel = (size_t)(column / BF16_COLUMNS) * BF16_COLUMNS * (size_t)padded_depth;
    return panels[panel + (size_t)(k / 2) * 2 * BF16_COLUMNS + (size_t)(column % BF16_COLUMNS) * 2 +
                  (size_t)(k % 2)];
}

static bf16 *make_panels(int depth, int columns)
{
    size_t count = bf16_panel_elements(bf16_padded(depth), columns);
    bf16 *panels = malloc(count * sizeof *panels);
    assert_non_null(panels);
    memset(panels, 0xFF, count * sizeof *panels); /* NaN: what is not written shows */
    return panels;
}

static void check_layouts(int depth, int columns)
{
    const int padded = bf16_padded(depth), whole = (columns + BF16_COLUMNS - 1) / BF16_COLUMNS;
    const size_t gap = 5, ld = (size_t)columns + gap, ldt = (size_t)depth + gap;
    bf16 *x = random_bf16((size_t)depth * ld, 1), *xt = random_bf16((size_t)columns * ldt, 2);
    real *w = random_reals((size_t)depth * (size_t)columns, 3, 1);
    bf16 *packed = make_panels(depth, columns), *transposed = make_panels(depth, columns);
    bf16 *reals = make_panels(depth, columns), *reals_transposed = make_panels(depth, columns);
    bf16 *left = malloc((size_t)columns * (size_t)padded * sizeof *left);
    assert_non_null(left);
    bf16_pack(packed, x, ld, depth, columns);
    bf16_pack_transposed(transposed, xt, ldt, depth, columns);
    for (int panel = 0; panel < whole; panel++) {
        bf16_pack_reals(reals, w, depth, columns, panel, panel + 1);
        bf16_pack_reals_transposed(reals_transposed, w, depth, columns, panel, panel + 1);
    }
    bf16_transpose(left, x, ld, depth, columns);
    for (int column = 0; column < whole * BF16_COLUMNS; column++)
        for (int k = 0; k < padded; k++) {
            const bool inside = k < depth && column < columns;
            const size_t at = (size_t)k * ld + (size_t)column;
            const size_t row_major = (size_t)k * (size_t)columns + (size_t)column;
            const size_t column_major = (size_t)column * (size_t)depth + (size_t)k;
            assert_int_equal(panel_element(packed, padded, k, column), inside ? x[at] : 0);
            assert_int_equal(panel_element(transposed, padded, k, column),
                             inside ? xt[(size_t)column * ldt + (size_t)k] : 0);
            assert_int_equal(panel_element(reals, padded, k, column),
                             inside ? bf16_from_float((float)w[row_major]) : 0);
            assert_int_equal(panel_element(reals_transposed, padded, k, column),
                             inside ? bf16_from_float((float)w[column_major]) : 0);
            if (column < columns)
                assert_int_equal(left[(size_t)column * (size_t)padded + (size_t)k],
                                 inside ? x[at] : 0);
        }
    free(x), free(xt), free(w), free(left);
    free(packed), free(transposed), free(reals), free(reals_transposed);
}

static void test_operands_are_laid_out_and_padded_with_zeros(void **state)
{
    (void)state;
    require_kernels();
    const int depths[] = {1, 2, 31, 32, 33, 64, 515, 1056}, columns[] = {1, 2, 15, 16, 17, 48, 70};
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++)
        for (size_t j = 0; j < sizeof columns / sizeof *columns; j++)
            check_layouts(depths[i], columns[j]);
}

/* ---- products ---- */

/* C and its error bound from the operands as they are, in double precision. Float sums of pairs in
 * any order are within depth * 2^-24 of it, relative to the sum of absolute products; a pair's own
 * sum is rounded as well. */
static void check_product(const struct bf16_kernels *kernels, int rows, int columns, int depth,
                          bool accumulate)
{
    const size_t lda = (size_t)depth + 2 * BF16_DEPTH, ldb = (size_t)columns + 3;
    const size_t ldc = (size_t)bf16_padded(columns) + 16;
    bf16 *a = random_bf16((size_t)rows * lda, 4), *b = random_bf16((size_t)depth * ldb, 5);
    bf16 *panels = make_panels(depth, columns);
    real *before = random_reals((size_t)(rows + 1) * ldc, 6, 1);
    real *c = copy_reals(before, (size_t)(rows + 1) * ldc);
    const int whole = (columns + BF16_COLUMNS - 1) / BF16_COLUMNS * BF16_COLUMNS;
    bf16_pack(panels, b, ldb, depth, columns);
    kernels->multiply(c, ldc, a, lda, panels, rows, columns, depth, accumulate);
    for (int row = 0; row <= rows; row++)
        for (size_t column = 0; column < ldc; column++) {
            const size_t at = (size_t)row * ldc + column;
            if (row == rows || column >= (size_t)whole) { /* not its own */
                assert_true(c[at] == before[at]);
                continue;
            }
            double sum = accumulate ? (double)before[at] : 0, size = fabs(sum);
            for (int k = 0; column < (size_t)columns && k < depth; k++) {
                double product = (double)bf16_to_float(a[(size_t)row * lda + (size_t)k]) *
                                 (double)bf16_to_float(b[(size_t)k * ldb + column]);
                sum += product;
                size += fabs(product);
            }
            if (!(fabs((double)c[at] - sum) <= size * (depth + 2) * 0x1p-24))
                fail_msg("%s: %d x %d x %d at [%d, %zu]: %.9g, expected %.9g", kernels->name, rows,
                         columns, depth, row, column, (double)c[at], sum);
        }
    free(a), free(b), free(panels), free(before), free(c);
}

static void check_products(const struct bf16_kernels *kernels)
{
    const int rows[] = {1, 3, 4, 15, 16, 17, 31, 32, 33, 48, 65, 140};
    const int columns[] = {1, 16, 17, 32, 48, 64, 80, 144}, depths[] = {32, 64, 96};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t j = 0; j < sizeof columns / sizeof *columns; j++)
            for (size_t k = 0; k < sizeof depths / sizeof *depths; k++)
                for (int accumulate = 0; accumulate <= 1; accumulate++)
                    check_product(kernels, rows[i], columns[j], depths[k], accumulate);
    check_product(kernels, 300, 40, 1088, false); /* more than a block of rows and of depths */
    check_product(kernels, 300, 40, 2080, true);
}

static void test_avx512_products(void **state)
{
    (void)state;
    require_kernels();
    check_products(&bf16_avx512);
}

static void test_amx_products_on_emulated_tiles(void **state)
{
    (void)state;
    require_kernels(); /* for laying out */
    check_products(&bf16_amx_emulated);
}

static void test_amx_products(void **state)
{
    (void)state;
    if (!bf16_amx_usable()) {
        print_message("SKIPPED: this processor has no AMX\n");
        skip();
    }
    check_products(&bf16_amx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounds_to_nearest_even),
        cmocka_unit_test(test_nan_stays_nan),
        cmocka_unit_test(test_every_bf16_widens_and_rounds_to_itself),
        cmocka_unit_test(test_operands_are_laid_out_and_padded_with_zeros),
        cmocka_unit_test(test_avx512_products),
        cmocka_unit_test(test_amx_products_on_emulated_tiles),
        cmocka_unit_test(test_amx_products),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
