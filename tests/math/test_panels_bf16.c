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
    panels_bf16_avx512.pack_reals(right, w, SIZE, SIZE, 0, 2);
    panels_bf16_avx512.pack_reals_transposed(transposed, w, SIZE, SIZE, 0, 2);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bf16_operands_are_laid_out_and_padded_with_zeros),
        cmocka_unit_test(test_special_numbers_are_rounded),
        cmocka_unit_test(test_avx512_bf16_products),
        cmocka_unit_test(test_amx_products_on_emulated_tiles),
        cmocka_unit_test(test_amx_products),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
