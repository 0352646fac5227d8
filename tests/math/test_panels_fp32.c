#include "math/panels_fp32.h"

#include "support/panels_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* AVX-512 where there is none: the same file, on vectors made of arrays. */
#define panels_fp32_avx512 panels_fp32_avx512_emulated
#include "support/avx512_emulation.h"

#include "../src/math/panels_fp32_avx512.c"
#undef panels_fp32_avx512

static void test_avx512_fp32_operands_are_laid_out(void **state)
{
    (void)state;
    require_instructions(panels_fp32_avx512_usable(), "AVX-512");
    check_all_layouts(&panels_fp32_avx512);
}

static void test_avx2_fp32_operands_are_laid_out(void **state)
{
    (void)state;
    require_instructions(panels_fp32_avx2_usable(), "AVX2");
    check_all_layouts(&panels_fp32_avx2);
}

static void check_fp32_products(const struct panels *panels)
{
    check_products(panels);
    for (int depth = 1; depth <= 31; depth += 6)
        for (int columns = 1; columns <= 20; columns++)
            check_product(panels, 11, columns, depth, columns % 2);
}

static void test_avx512_fp32_on_emulated_vectors(void **state)
{
    (void)state;
    check_all_layouts(&panels_fp32_avx512_emulated);
    check_fp32_products(&panels_fp32_avx512_emulated);
}

static void test_avx512_fp32_products(void **state)
{
    (void)state;
    require_instructions(panels_fp32_avx512_usable(), "AVX-512");
    check_fp32_products(&panels_fp32_avx512);
}

static void test_avx2_fp32_products(void **state)
{
    (void)state;
    require_instructions(panels_fp32_avx2_usable(), "AVX2");
    check_fp32_products(&panels_fp32_avx2);
}

static void test_fp32_kernels_are_those_asked_for(void **state)
{
    (void)state;
    require_instructions(panels_fp32_avx2_usable(), "AVX2");
    unsetenv("CLOZE_FP32_KERNELS");
    assert_ptr_equal(panels_fp32(),
                     panels_fp32_avx512_usable() ? &panels_fp32_avx512 : &panels_fp32_avx2);
    setenv("CLOZE_FP32_KERNELS", "avx2", 1);
    assert_ptr_equal(panels_fp32(), &panels_fp32_avx2);
    setenv("CLOZE_FP32_KERNELS", "openblas", 1);
    assert_null(panels_fp32());
    unsetenv("CLOZE_FP32_KERNELS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_avx512_fp32_operands_are_laid_out),
        cmocka_unit_test(test_avx2_fp32_operands_are_laid_out),
        cmocka_unit_test(test_avx512_fp32_on_emulated_vectors),
        cmocka_unit_test(test_avx512_fp32_products),
        cmocka_unit_test(test_avx2_fp32_products),
        cmocka_unit_test(test_fp32_kernels_are_those_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
