#include "support/panels_check.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* The kernels for processors with AMX: the same file, on vectors made of arrays. */
#define panels_fp32_avx512_8x3 panels_fp32_avx512_8x3_emulated
#include "support/avx512_emulation.h"

#include "../src/math/panels_fp32_avx512_8x3.c"

static void test_tiles_of_eight_rows_on_emulated_vectors(void **state)
{
    (void)state;
    check_all_layouts(&panels_fp32_avx512_8x3_emulated);
    check_fp32_products(&panels_fp32_avx512_8x3_emulated);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiles_of_eight_rows_on_emulated_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
