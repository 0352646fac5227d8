#include "optim/clip.h"

#include "base/memory.h"
#include "base/random.h"
#include "support/assert_near.h"

#include <float.h>
#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static real *random_gradients(size_t count)
{
    struct error error = {0};
    real *gradients = allocate(count, sizeof *gradients, &error);
    assert_non_null(gradients);
    struct random random = random_begin(1, RANDOM_TEST, count, 0);
    for (size_t i = 0; i < count; i++)
        gradients[i] = (real)random_truncated_normal(&random);
    return gradients;
}

/* Lengths around the number of slices and the widths of vectors; every element must count once. */
static void test_norm_against_a_plain_sum(void **state)
{
    (void)state;
    const size_t lengths[] = {1, 2, 15, 16, 17, 1023, 1024, 1025, 2047, 2048, 100003};
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        real *gradients = random_gradients(lengths[l]);
        long double sum = 0;
        for (size_t i = 0; i < lengths[l]; i++)
            sum += (long double)gradients[i] * (long double)gradients[i];
        double expected = (double)sqrtl(sum);
        assert_near(gradient_norm(gradients, lengths[l]), expected, 1e-13 * expected);
        free(gradients);
    }
}

static void test_norm_of_nothing_and_of_zeros_is_zero(void **state)
{
    (void)state;
    real zeros[40] = {0};
    assert_true(gradient_norm(zeros, 0) == 0);
    assert_true(gradient_norm(zeros, 40) == 0);
}

static void test_norm_survives_huge_and_tiny_values(void **state)
{
    (void)state;
    real huge[4] = {FLT_MAX, FLT_MAX, FLT_MAX, FLT_MAX};
    real tiny[4] = {FLT_MIN, FLT_MIN, FLT_MIN, FLT_MIN};
    assert_true(gradient_norm(huge, 4) == 2 * (double)FLT_MAX);
    assert_true(gradient_norm(tiny, 4) == 2 * (double)FLT_MIN);
}

static void test_infinite_and_nan_elements_give_such_a_norm(void **state)
{
    (void)state;
    real *gradients = random_gradients(5000);
    gradients[4321] = (real)-INFINITY;
    assert_true(isinf(gradient_norm(gradients, 5000)));
    gradients[17] = (real)NAN;
    assert_true(isnan(gradient_norm(gradients, 5000)));
    free(gradients);
}

static void test_norm_does_not_depend_on_the_number_of_threads(void **state)
{
    (void)state;
    real *gradients = random_gradients(54321);
    int before = omp_get_max_threads();
    omp_set_num_threads(1);
    double one = gradient_norm(gradients, 54321);
    omp_set_num_threads(3);
    assert_true(gradient_norm(gradients, 54321) == one);
    omp_set_num_threads(before);
    free(gradients);
}

/* The result of torch.nn.utils.clip_grad_norm_ (2.13) for the gradient (3, 4, 0, 12), norm 13. */
static void test_scale_is_that_of_pytorch(void **state)
{
    (void)state;
    assert_near(clip_scale(13, 1), 0.07692307233810425, 5e-9);
    assert_near(clip_scale(13, 5), 0.38461533188819885, 5e-8);
    assert_true(clip_scale(13, 20) == 1);
    assert_near(clip_scale(1, 1), 1 / 1.000001, 1e-15);
}

static void test_scale_edges(void **state)
{
    (void)state;
    assert_true(clip_scale(1e30, 0) == 1);
    assert_true(clip_scale(0, 1) == 1);
    assert_true(clip_scale(INFINITY, 1) == 0);
    assert_true(isnan(clip_scale(NAN, 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_norm_against_a_plain_sum),
        cmocka_unit_test(test_norm_of_nothing_and_of_zeros_is_zero),
        cmocka_unit_test(test_norm_survives_huge_and_tiny_values),
        cmocka_unit_test(test_infinite_and_nan_elements_give_such_a_norm),
        cmocka_unit_test(test_norm_does_not_depend_on_the_number_of_threads),
        cmocka_unit_test(test_scale_is_that_of_pytorch),
        cmocka_unit_test(test_scale_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
