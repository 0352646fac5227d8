#include "math/bf16.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounds_to_nearest_even),
        cmocka_unit_test(test_nan_stays_nan),
        cmocka_unit_test(test_every_bf16_widens_and_rounds_to_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
