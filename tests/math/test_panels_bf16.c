#include "math/panels_bf16.h"

#include "support/panels_check.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* AMX where there is none: the same file, on tiles made of arrays. */
#define panels_bf16_amx panels_bf16_amx_emulated
#include "support/amx_emulation.h"

#include "../src/math/panels_bf16_amx.c"
#include "support/skipping.h"
#undef panels_bf16_amx

static void test_bf16_operands_are_laid_out_and_padded_with_zeros(void **state)
{
    (void)state;
    require_instructions(panels_bf16_avx512_usable(), "AVX512-BF16");
    check_all_layouts(&panels_bf16_avx512);
}

/* Numbers that rounding could spoil, in both layouts of reals. */
static void test_special_numbers_are_rounded(void **state)
{
    enum { SIZE = 32 };
    const real numbers[] = {
        NAN,      INFINITY,     -INFINITY,    (real)-0.0, FLT_MAX, /* infinity */
        0x1.01p0, 0x1.03p0,     0x1.010002p0,                      /* to even, to even, up */
        1e-40F,   -FLT_MIN / 2,                                    /* subnormal */
    };
    enum { NUMBERS = sizeof numbers / sizeof *numbers };
    real w[SIZE * SIZE];
    bf16 right[SIZE * SIZE], transposed[SIZE * SIZE];
    (void)state;
    require_instructions(panels_bf16_avx512_usable(), "AVX512-BF16");
    for (size_t i = 0; i < SIZE * SIZE; i++)
        w[i] = numbers[i % NUMBERS];
    panels_bf16_avx512.lay_out_reals(right, w, SIZE, SIZE, 0, 2);
    panels_bf16_avx512.lay_out_reals_transposed(transposed, w, SIZE, SIZE, 0, 2);
    for (int row = 0; row < SIZE; row++)
        for (int column = 0; column < SIZE; column++) {
            const real value = w[row * SIZE + column];
            const real expected =
                fabsf(value) < FLT_MIN ? 0 : bf16_to_float(bf16_from_float(value));
            const double found[] = {
                panel_element(&panels_bf16_avx512, right, SIZE, row, column),
                panel_element(&panels_bf16_avx512, transposed, SIZE, column, row)};
            for (int i = 0; i < 2; i++)
                assert_true(isnan(value) ? isnan(found[i]) : found[i] == (double)expected);
        }
}

static void test_avx512_bf16_products(void **state)
{
    (void)state;
    require_instructions(panels_bf16_avx512_usable(), "AVX512-BF16");
    check_products(&panels_bf16_avx512);
}

static void test_amx_products_on_emulated_tiles(void **state)
{
    (void)state;
    require_instructions(panels_bf16_avx512_usable(), "AVX512-BF16 to lay operands out");
    check_products(&panels_bf16_amx_emulated);
}

static void test_amx_products(void **state)
{
    (void)state;
    require_instructions(panels_bf16_amx_usable(), "AMX");
    check_products(&panels_bf16_amx);
}

/* x Phi(x) and its derivative in double precision. */
static double exact_gelu(double x)
{
    return x * 0.5 * erfc(-x * sqrt(0.5));
}

static double exact_slope(double x)
{
    return 0.5 * erfc(-x * sqrt(0.5)) + x * exp(-0.5 * x * x) / sqrt(2 * acos(-1));
}

/* Rounding changes a number by up to a part in 2^8; near a zero of the slope its two terms
 * cancel. */
static void assert_rounded(const char *what, double x, bf16 found, double expected, double error)
{
    const double value = (double)bf16_to_float(found);
    if (isnan(x) ? !isnan(value) : !(fabs(value - expected) <= 0x1.02p-8 * fabs(expected) + error))
        fail_msg("%s of %.9g: %.9g, expected %.9g", what, x, value, expected);
}

static void test_gelu_of_every_bf16(void **state)
{
    enum { COUNT = 1 << 16 };
    (void)state;
    require_instructions(panels_bf16_avx512_usable(), "AVX512-BF16");
    bf16 *x = calloc(COUNT, 5 * sizeof *x), *input = x + COUNT, *output = input + COUNT;
    bf16 *gradient = output + COUNT, *again = gradient + COUNT;
    real *reals = calloc(COUNT, 2 * sizeof *reals), *ones = reals + COUNT;
    for (int i = 0; i < COUNT; i++) {
        x[i] = (bf16)i;
        reals[i] = (real)bf16_to_float(x[i]);
        ones[i] = 1;
    }
    panels_bf16_gelu(input, output, reals, COUNT);
    panels_bf16_gelu_gradient(gradient, again, ones, x, COUNT);
    for (int i = 0; i < COUNT; i++) {
        const double value = (double)reals[i];
        if (isinf(value))
            continue; /* times 0 where it is small: as without these kernels */
        assert_rounded("input", value, input[i], value, FLT_MIN);
        assert_rounded("GELU", value, output[i], exact_gelu(value), 3e-7);
        assert_rounded("GELU'", value, gradient[i], exact_slope(value), 3e-7);
        assert_int_equal(again[i], output[i]);
    }
    free(x), free(reals);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bf16_operands_are_laid_out_and_padded_with_zeros),
        cmocka_unit_test(test_special_numbers_are_rounded),
        cmocka_unit_test(test_avx512_bf16_products),
        cmocka_unit_test(test_amx_products_on_emulated_tiles),
        cmocka_unit_test(test_amx_products),
        cmocka_unit_test(test_gelu_of_every_bf16),
    };
    return group_status(cmocka_run_group_tests(tests, NULL, NULL), sizeof tests / sizeof *tests);
}
