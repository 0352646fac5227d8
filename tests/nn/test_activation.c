#include "nn/activation.h"
#include "support/real_arrays.h"

#include <math.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static double gelu(double x)
{
    return x * 0.5 * erfc(-x / sqrt(2));
}

static double gelu_derivative(double x)
{
    return 0.5 * erfc(-x / sqrt(2)) + x * exp(-x * x / 2) / sqrt(2 * M_PI);
}

static double gelu_tanh(double x)
{
    return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

static double gelu_tanh_derivative(double x)
{
    double t = tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
}

static double relu(double x)
{
    return x > 0 ? x : 0;
}

static double relu_derivative(double x)
{
    return x > 0 ? 1 : 0;
}

static const struct reference {
    enum activation activation;
    double (*value)(double), (*derivative)(double);
} references[] = {
    {ACTIVATION_GELU, gelu, gelu_derivative},
    {ACTIVATION_GELU_TANH, gelu_tanh, gelu_tanh_derivative},
    {ACTIVATION_RELU, relu, relu_derivative},
};

enum { KINDS = sizeof references / sizeof *references };

/* -12 .. 12 in steps of 1/1024: every regime of every formula, and zero. */
enum { COUNT = 24 * 1024 + 1 };

static real *grid(void)
{
    real *x = zero_reals(COUNT);
    for (int i = 0; i < COUNT; i++)
        x[i] = (real)(i - COUNT / 2) / 1024;
    return x;
}

static void activations_match_their_formulas(void **state)
{
    (void)state;
    real *x = grid(), *y = zero_reals(COUNT);
    for (int kind = 0; kind < KINDS; kind++) {
        activation_forward(y, x, COUNT, references[kind].activation);
        for (size_t i = 0; i < COUNT; i++) {
            double expected = references[kind].value((double)x[i]);
            assert_reals_near(&y[i], &expected, 1, 5e-7);
        }
    }
    free(x);
    free(y);
}

static void derivatives_match_their_formulas(void **state)
{
    (void)state;
    real *x = grid(), *dx = zero_reals(COUNT), *dy = random_reals(COUNT, 1, 1);
    real *y = zero_reals(COUNT);
    for (int kind = 0; kind < KINDS; kind++) {
        activation_backward(dx, y, dy, x, COUNT, references[kind].activation);
        for (size_t i = 0; i < COUNT; i++) {
            double expected = (double)dy[i] * references[kind].derivative((double)x[i]);
            assert_reals_near(&dx[i], &expected, 1, 1e-6);
        }
    }
    free(x);
    free(dx);
    free(dy);
    free(y);
}

/* What the forward pass would have kept. */
static void backward_gives_the_output_again(void **state)
{
    (void)state;
    real *x = grid(), *dx = zero_reals(COUNT), *dy = random_reals(COUNT, 1, 1);
    real *y = zero_reals(COUNT);
    for (int kind = 0; kind < KINDS; kind++) {
        activation_backward(dx, y, dy, x, COUNT, references[kind].activation);
        for (size_t i = 0; i < COUNT; i++) {
            double expected = references[kind].value((double)x[i]);
            assert_reals_near(&y[i], &expected, 1, 5e-7);
        }
    }
    free(x);
    free(dx);
    free(dy);
    free(y);
}

static void huge_values_pass_or_vanish(void **state)
{
    (void)state;
    const real dy[6] = {1, 1, 1, 1, 1, 1};
    const real x[6] = {(real)-1e18, (real)-1e9, (real)-1e4, (real)1e4, (real)1e9, (real)1e18};
    const double values[6] = {0, 0, 0, 1e4, 1e9, 1e18}, slopes[6] = {0, 0, 0, 1, 1, 1};
    for (int kind = 0; kind < KINDS; kind++) {
        real y[6], dx[6], same_y[6];
        activation_forward(y, x, 6, references[kind].activation);
        activation_backward(dx, same_y, dy, x, 6, references[kind].activation);
        assert_reals_near(y, values, 6, 1e-6);
        assert_reals_near(same_y, values, 6, 1e-6);
        assert_reals_near(dx, slopes, 6, 1e-6);
    }
}

static void nan_stays(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        real x[3] = {1, (real)NAN, 2}, dx[3] = {1, 1, 1}, y[3];
        activation_backward(dx, y, dx, x, 3, references[kind].activation);
        assert_true(isnan(y[1]) && isfinite(y[0]) && isfinite(y[2]));
        assert_true(isfinite(dx[0]) && isfinite(dx[2]));
        activation_forward(x, x, 3, references[kind].activation);
        assert_true(isnan(x[1]));
        assert_true(isfinite(x[0]) && isfinite(x[2]));
    }
}

static void results_may_overwrite_operands(void **state)
{
    (void)state;
    real *x = grid(), *dy = random_reals(COUNT, 1, 1);
    for (int kind = 0; kind < KINDS; kind++) {
        const enum activation activation = references[kind].activation;
        real *y = zero_reals(COUNT), *dx = zero_reals(COUNT);
        real *in_place = copy_reals(x, COUNT), *gradient_in_place = copy_reals(dy, COUNT);
        real *output = zero_reals(COUNT), *same_output = zero_reals(COUNT);
        activation_forward(y, x, COUNT, activation);
        activation_forward(in_place, in_place, COUNT, activation);
        activation_backward(dx, output, dy, x, COUNT, activation);
        activation_backward(gradient_in_place, same_output, gradient_in_place, x, COUNT,
                            activation);
        assert_reals_identical(in_place, y, COUNT);
        assert_reals_identical(same_output, output, COUNT);
        assert_reals_identical(gradient_in_place, dx, COUNT);
        free(y);
        free(dx);
        free(in_place);
        free(gradient_in_place);
        free(output);
        free(same_output);
    }
    free(x);
    free(dy);
}

static void tanh_and_its_gradient_match_their_formulas(void **state)
{
    (void)state;
    real *x = grid(), *y = zero_reals(COUNT), *dx = zero_reals(COUNT);
    real *dy = random_reals(COUNT, 1, 1);
    tanh_forward(y, x, COUNT);
    tanh_backward(dx, dy, y, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        double value = tanh((double)x[i]), slope = (double)dy[i] * (1 - value * value);
        assert_reals_near(&y[i], &value, 1, 3e-7);
        assert_reals_near(&dx[i], &slope, 1, 1e-6);
    }
    free(x);
    free(y);
    free(dx);
    free(dy);
}

/* Operands and result of one pass. */
struct pass {
    enum activation activation;
    real *x, *dy, *out, *output;
};

static void forward_work(void *context)
{
    const struct pass *pass = context;
    activation_forward(pass->out, pass->x, COUNT, pass->activation);
}

static void backward_work(void *context)
{
    const struct pass *pass = context;
    activation_backward(pass->out, pass->output, pass->dy, pass->x, COUNT, pass->activation);
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    struct pass pass = {ACTIVATION_GELU, grid(), random_reals(COUNT, 1, 1), zero_reals(COUNT),
                        zero_reals(COUNT)};
    for (int kind = 0; kind < KINDS; kind++) {
        pass.activation = references[kind].activation;
        assert_threads_do_not_matter(forward_work, &pass, pass.out, COUNT);
        assert_threads_do_not_matter(backward_work, &pass, pass.out, COUNT);
        assert_threads_do_not_matter(backward_work, &pass, pass.output, COUNT);
    }
    free(pass.x);
    free(pass.dy);
    free(pass.out);
    free(pass.output);
}

static void names_of_config_json_are_known(void **state)
{
    (void)state;
    enum activation activation = ACTIVATION_RELU;
    assert_true(activation_find("gelu", &activation));
    assert_int_equal(activation, ACTIVATION_GELU);
    assert_true(activation_find("gelu_new", &activation));
    assert_int_equal(activation, ACTIVATION_GELU_TANH);
    assert_true(activation_find("relu", &activation));
    assert_int_equal(activation, ACTIVATION_RELU);
    assert_true(activation_find("gelu_pytorch_tanh", &activation));
    assert_int_equal(activation, ACTIVATION_GELU_TANH);
    assert_false(activation_find("gelu_", &activation));
    assert_false(activation_find("GELU", &activation));
    assert_false(activation_find("", &activation));
    assert_int_equal(activation, ACTIVATION_GELU_TANH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_match_their_formulas),
        cmocka_unit_test(derivatives_match_their_formulas),
        cmocka_unit_test(backward_gives_the_output_again),
        cmocka_unit_test(huge_values_pass_or_vanish),
        cmocka_unit_test(nan_stays),
        cmocka_unit_test(results_may_overwrite_operands),
        cmocka_unit_test(tanh_and_its_gradient_match_their_formulas),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(names_of_config_json_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
