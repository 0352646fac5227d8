#include "math/panels_fp32.h"

#include "math/openblas.h"

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

static void test_avx512_fp32_products_in_tiles_of_eight_rows(void **state)
{
    (void)state;
    require_instructions(panels_fp32_avx512_usable(), "AVX-512");
    check_fp32_products(&panels_fp32_avx512_8x3);
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
    const struct gemm_kernels *best = &panels_fp32_avx2;
    if (panels_fp32_avx512_usable())
        best = panels_processor_has_tiles() ? &panels_fp32_avx512_8x3 : &panels_fp32_avx512;
    assert_ptr_equal(panels_fp32_choose(NULL), best);
    assert_ptr_equal(panels_fp32_choose(""), best);
    assert_ptr_equal(panels_fp32_choose("avx512"), best);
    assert_ptr_equal(panels_fp32_choose("AVX2"), &panels_fp32_avx2);
    assert_ptr_equal(panels_fp32_choose("openblas"), &gemm_openblas);
}

static void test_the_environment_is_read_once(void **state)
{
    (void)state;
    const struct gemm_kernels *first = gemm_fp32();
    setenv("CLOZE_FP32_KERNELS", first ? "openblas" : "avx2", 1);
    assert_ptr_equal(gemm_fp32(), first);
    unsetenv("CLOZE_FP32_KERNELS");
}

static void test_unknown_kernels_are_refused(void **state)
{
    (void)state;
    struct error error = {0};
    assert_true(panels_fp32_check(NULL, &error));
    assert_true(panels_fp32_check("", &error));
    assert_true(panels_fp32_check("openblas", &error));
    assert_false(panels_fp32_check("foo", &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_string_equal(error.message,
                        "CLOZE_FP32_KERNELS is \"foo\"; expected avx512, avx2 or openblas");
    error = (struct error){0};
    bool accepted = panels_fp32_check("avx512", &error);
    assert_int_equal(accepted, panels_fp32_avx512_usable());
    if (!accepted)
        assert_string_equal(error.message,
                            "CLOZE_FP32_KERNELS is \"avx512\", which this processor does not have");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_avx512_fp32_operands_are_laid_out),
        cmocka_unit_test(test_avx2_fp32_operands_are_laid_out),
        cmocka_unit_test(test_avx512_fp32_on_emulated_vectors),
        cmocka_unit_test(test_avx512_fp32_products),
        cmocka_unit_test(test_avx512_fp32_products_in_tiles_of_eight_rows),
        cmocka_unit_test(test_avx2_fp32_products),
        cmocka_unit_test(test_fp32_kernels_are_those_asked_for),
        cmocka_unit_test(test_the_environment_is_read_once),
        cmocka_unit_test(test_unknown_kernels_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
