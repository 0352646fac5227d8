/* Tests that the checker, on which the other gradient tests rely, finds wrong gradients. */
#include "support/gradient_check.h"
#include "support/real_arrays.h"

#include <math.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { COUNT = 20 };

static double sum_of_cubes(void *context)
{
    const real *x = context;
    double sum = 0;
    for (size_t i = 0; i < COUNT; i++)
        sum += pow((double)x[i], 3);
    return sum;
}

static real *gradient_of_cubes(const real *x)
{
    real *gradient = zero_reals(COUNT);
    for (size_t i = 0; i < COUNT; i++)
        gradient[i] = 3 * x[i] * x[i];
    return gradient;
}

static void right_gradient_passes_and_values_stay(void **state)
{
    (void)state;
    real *x = random_reals(COUNT, 1, 1), *before = copy_reals(x, COUNT);
    real *gradient = gradient_of_cubes(x);
    assert_true(gradient_error(gradient, x, COUNT, sum_of_cubes, x) < 1e-8);
    assert_true(gradient_error_along(gradient, x, COUNT, 5, 1, sum_of_cubes, x) < 1e-8);
    assert_reals_identical(x, before, COUNT);
    free(x);
    free(before);
    free(gradient);
}

static void one_wrong_element_is_found(void **state)
{
    (void)state;
    real *x = random_reals(COUNT, 1, 1), *gradient = gradient_of_cubes(x);
    gradient[7] += (real)1e-4;
    assert_true(gradient_error(gradient, x, COUNT, sum_of_cubes, x) > 1e-5);
    assert_true(gradient_error_along(gradient, x, COUNT, 5, 1, sum_of_cubes, x) > 1e-6);
    gradient[7] = (real)NAN;
    assert_true(isinf(gradient_error(gradient, x, COUNT, sum_of_cubes, x)));
    assert_true(isinf(gradient_error_along(gradient, x, COUNT, 5, 1, sum_of_cubes, x)));
    free(x);
    free(gradient);
}

static double constant(void *context)
{
    (void)context;
    return 1;
}

static void constant_function_asks_for_exact_zeros(void **state)
{
    (void)state;
    real *x = random_reals(COUNT, 1, 1), *gradient = zero_reals(COUNT);
    assert_true(gradient_error(gradient, x, COUNT, constant, NULL) == 0);
    gradient[3] = (real)1e-12;
    assert_true(isinf(gradient_error(gradient, x, COUNT, constant, NULL)));
    free(x);
    free(gradient);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_gradient_passes_and_values_stay),
        cmocka_unit_test(one_wrong_element_is_found),
        cmocka_unit_test(constant_function_asks_for_exact_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
