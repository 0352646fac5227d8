#include "math/elementary.h"

#include "math/vectorized.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* The loops run as the program runs them: compiled for several instruction sets. */
enum { BATCH = 4096 };

VECTORIZED static void exp_batch(float *y, const float *x)
{
    for (int i = 0; i < BATCH; i++)
        y[i] = real_exp(x[i]);
}

/* of -|x|, as it is for x <= 0 */
VECTORIZED static void decay_batch(float *y, const float *x)
{
    for (int i = 0; i < BATCH; i++)
        y[i] = real_exp_decay(-fabsf(x[i]));
}

VECTORIZED static void normal_cdf_batch(float *y, const float *x)
{
    for (int i = 0; i < BATCH; i++)
        y[i] = real_normal_cdf(x[i], real_exp_decay(-0.5f * x[i] * x[i]));
}

VECTORIZED static void tanh_batch(float *y, const float *x)
{
    for (int i = 0; i < BATCH; i++)
        y[i] = real_tanh(x[i]);
}

/* The distance between the floats around a value; of subnormal ones, the smallest float. */
static double unit_in_last_place(double value)
{
    int exponent;
    frexp(value, &exponent);
    return ldexp(1, exponent > -125 ? exponent - 24 : -149);
}

/* In units in the last place. */
static double relative_error(float actual, double expected)
{
    if (fabs(expected) >= 0x1.ffffffp127) /* where rounding to float gives infinity */
        return isinf(actual) && (actual > 0) == (expected > 0) ? 0 : INFINITY;
    double error = fabs((double)actual - expected) / unit_in_last_place(expected);
    return isnan(error) ? INFINITY : error;
}

static double absolute_error(float actual, double expected)
{
    const double error = fabs((double)actual - expected);
    return isnan(error) ? INFINITY : error;
}

/* Every `STRIDE`th float of both signs, all magnitudes from subnormal to infinite. */
static void assert_largest_error(void (*batch)(float *, const float *), double (*reference)(double),
                                 double (*measure)(float actual, double expected), double allowed)
{
    enum { STRIDE = 257 };
    static float x[BATCH], y[BATCH];
    double largest = 0;
    float where = 0;
    for (uint64_t bits = 0; bits >> 32 == 0;) {
        for (int i = 0; i < BATCH; i++, bits += STRIDE) {
            uint32_t low = (uint32_t)bits;
            memcpy(&x[i], &low, sizeof x[i]);
        }
        batch(y, x);
        for (int i = 0; i < BATCH; i++) {
            double error =
                isnan(x[i]) ? (isnan(y[i]) ? 0 : INFINITY) : measure(y[i], reference((double)x[i]));
            if (error > largest) {
                largest = error;
                where = x[i];
            }
        }
    }
    print_message("largest error %.3g, at %.9g\n", largest, (double)where);
    assert_true(largest <= allowed);
}

static void test_exp_over_all_floats(void **state)
{
    (void)state;
    assert_largest_error(exp_batch, exp, relative_error, 1.05);
}

static double decay(double x)
{
    return fabs(x) <= 84 ? exp(-fabs(x)) : isnan(x) ? x : 0;
}

static void test_exp_decay_over_all_floats(void **state)
{
    (void)state;
    assert_largest_error(decay_batch, decay, relative_error, 1.05);
}

static double normal_cdf(double x)
{
    return 0.5 * erfc(-x * sqrt(0.5));
}

static void test_normal_cdf_over_all_floats(void **state)
{
    (void)state;
    assert_largest_error(normal_cdf_batch, normal_cdf, absolute_error, 9e-8);
}

static void test_tanh_over_all_floats(void **state)
{
    (void)state;
    assert_largest_error(tanh_batch, tanh, relative_error, 1.45);
}

static void test_exp_of_special_values(void **state)
{
    (void)state;
    assert_true(real_exp(0) == 1 && real_exp(-0.0f) == 1);
    assert_true(real_exp(-INFINITY) == 0 && real_exp(-FLT_MAX) == 0 && real_exp(-104) == 0);
    assert_true(isinf(real_exp(INFINITY)) && isinf(real_exp(FLT_MAX)));
    assert_true(isinf(real_exp(88.8f)) && isfinite(real_exp(88.7f)));
    assert_true(real_exp(-100) > 0 && real_exp(-100) < FLT_MIN);
    assert_true(isnan(real_exp(NAN)) && isnan(real_exp_decay(NAN)));
    assert_true(real_exp_decay(0) == 1 && real_exp_decay(-0.0f) == 1);
    assert_true(real_exp_decay(-INFINITY) == 0 && real_exp_decay(-84.001f) == 0);
    assert_true(real_exp_decay(-84) > FLT_MIN);
}

static void test_normal_cdf_of_special_values(void **state)
{
    (void)state;
    assert_true(real_normal_cdf(0, 1) == 0.5f && isnan(real_normal_cdf(NAN, NAN)));
    for (int i = 0; i < 11000; i++) {
        float x = 0.001f * (float)i, d = real_exp_decay(-0.5f * x * x);
        assert_true(real_normal_cdf(x, d) == 1 - real_normal_cdf(-x, d) || i == 0);
    }
    assert_true(real_normal_cdf(INFINITY, 0) == 1 && real_normal_cdf(-INFINITY, 0) == 0);
}

static void test_tanh_of_special_values(void **state)
{
    (void)state;
    assert_true(real_tanh(INFINITY) == 1 && real_tanh(-INFINITY) == -1 && real_tanh(10) == 1);
    assert_true(isnan(real_tanh(NAN)));
    assert_true(real_tanh(0) == 0 && !signbit(real_tanh(0)) && signbit(real_tanh(-0.0f)));
    for (int i = 1; i < 11000; i++) {
        float x = 0.001f * (float)i;
        assert_true(real_tanh(-x) == -real_tanh(x));
    }
}

/* What the activation makes of it. */
static void test_gelu(void **state)
{
    (void)state;
    double largest = 0;
    for (int i = -160000; i <= 160000; i++) {
        float x = 0.000125f * (float)i;
        float y = x * real_normal_cdf(x, real_exp_decay(-0.5f * x * x));
        double error = fabs((double)y - (double)x * normal_cdf((double)x));
        largest = fmax(largest, error / fmax(1, fabs((double)x)));
    }
    print_message("largest error of gelu %.3g\n", largest);
    assert_true(largest <= 0x1p-23);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exp_over_all_floats),
        cmocka_unit_test(test_exp_decay_over_all_floats),
        cmocka_unit_test(test_normal_cdf_over_all_floats),
        cmocka_unit_test(test_tanh_over_all_floats),
        cmocka_unit_test(test_exp_of_special_values),
        cmocka_unit_test(test_normal_cdf_of_special_values),
        cmocka_unit_test(test_tanh_of_special_values),
        cmocka_unit_test(test_gelu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
