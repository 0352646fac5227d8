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

struct gelu_functions {
    void (*gelu)(bf16 *input, bf16 *output, const real *x, size_t count);
    void (*gradient)(bf16 *gradient, bf16 *output, const real *dy, const bf16 *input, size_t count);
};

/* Arrays begin with a line of the cache, as those of the encoder do, or `shift` elements later. */
static void check_gelu(const struct gelu_functions *functions, size_t shift)
{
    enum { COUNT = 1 << 16, LINE = 64 };
    bf16 *memory = aligned_alloc(LINE, (5 * COUNT + LINE) * sizeof *memory);
    bf16 *x = memory + shift, *input = x + COUNT, *output = input + COUNT;
    bf16 *gradient = output + COUNT, *again = gradient + COUNT;
    real *reals = calloc(COUNT, 2 * sizeof *reals), *ones = reals + COUNT;
    for (int i = 0; i < COUNT; i++) {
        x[i] = (bf16)i;
        reals[i] = (real)bf16_to_float(x[i]);
        ones[i] = 1;
    }
    functions->gelu(input, output, reals, COUNT);
    functions->gradient(gradient, again, ones, x, COUNT);
    for (int i = 0; i < COUNT; i++) {
        const double value = (double)reals[i];
        if (isinf(value))
            continue; /* times 0 where it is small: as without these kernels */
        assert_rounded("input", value, input[i], value, FLT_MIN);
        assert_rounded("GELU", value, output[i], exact_gelu(value), 3e-7);
        assert_rounded("GELU'", value, gradient[i], exact_slope(value), 3e-7);
        assert_int_equal(again[i], output[i]);
    }
    free(memory), free(reals);
}

static void test_gelu_of_every_bf16(void **state)
{
    (void)state;
    require_instructions(panels_bf16_avx512_usable(), "AVX512-BF16");
    check_gelu(&(struct gelu_functions){panels_bf16_gelu, panels_bf16_gelu_gradient}, 0);
    const struct gelu_functions streamed = {panels_bf16_gelu_streamed,
                                            panels_bf16_gelu_gradient_streamed};
    check_gelu(&streamed, 0);
    check_gelu(&streamed, 1);
}

/* Rows of whole lines, of lines and a rest, and rows between lines; nothing else is written. */
static void test_streamed_rows_are_rounded(void **state)
{
    enum { ROWS = 5, LINE = 64, CASES = 3 };
    static const struct {
        size_t first, ld;
        int columns;
    } cases[CASES] = {{0, 128, 96}, {0, 64, 50}, {1, 77, 76}};
    (void)state;
    require_instructions(panels_bf16_avx512_usable(), "AVX512-BF16");
    for (int c = 0; c < CASES; c++) {
        const size_t ld = cases[c].ld, columns = (size_t)cases[c].columns;
        bf16 *memory = aligned_alloc(LINE, 1024 * sizeof *memory);
        real x[ROWS * 128];
        for (size_t i = 0; i < 1024; i++)
            memory[i] = 0x1234;
        for (int i = 0; i < ROWS * 128; i++)
            x[i] = (real)sin(i) * (real)(i + 1);
        bf16 *y = memory + cases[c].first;
        panels_bf16_stream_rounded(y, ld, x, 128, ROWS, cases[c].columns);
        panels_bf16_finish_stores();
        for (size_t i = 0; i < ROWS * ld; i++) {
            const size_t row = i / ld, column = i % ld;
            const bf16 expected =
                column < columns ? bf16_from_float((float)x[row * 128 + column]) : 0x1234;
            assert_int_equal(y[i], expected);
        }
        free(memory);
    }
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
        cmocka_unit_test(test_streamed_rows_are_rounded),
    };
    return group_status(cmocka_run_group_tests(tests, NULL, NULL), sizeof tests / sizeof *tests);
}
