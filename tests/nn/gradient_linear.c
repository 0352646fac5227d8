#include "nn/linear.h"
#include "support/gradient_check.h"
#include "support/real_arrays.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* f = sum of y * dy, so that dy is the gradient over y. */
struct layer {
    struct linear_shape shape;
    real *x, *weight, *bias, *dy, *y;
};

static size_t product(int a, int b)
{
    return (size_t)a * (size_t)b;
}

static double weighted_output(void *context)
{
    const struct layer *layer = context;
    double sum = 0;
    linear_forward(layer->y, layer->x, layer->weight, layer->bias, layer->shape);
    for (size_t i = 0; i < product(layer->shape.rows, layer->shape.out); i++)
        sum += (double)layer->y[i] * (double)layer->dy[i];
    return sum;
}

static void check_shape(struct linear_shape shape)
{
    const size_t inputs = product(shape.rows, shape.in), outputs = product(shape.rows, shape.out);
    const size_t weights = product(shape.out, shape.in), biases = (size_t)shape.out;
    struct layer layer = {shape,
                          random_reals(inputs, 1, 1),
                          random_reals(weights, 2, 1),
                          random_reals(biases, 3, 1),
                          random_reals(outputs, 4, 1),
                          zero_reals(outputs)};
    real *dx = zero_reals(inputs), *dweight = zero_reals(weights), *dbias = zero_reals(biases);
    linear_backward_input(dx, layer.dy, layer.weight, shape, false);
    linear_backward_parameters(dweight, dbias, layer.dy, layer.x, shape);
    assert_true(gradient_error(dx, layer.x, inputs, weighted_output, &layer) < 1e-6);
    assert_true(gradient_error(dweight, layer.weight, weights, weighted_output, &layer) < 1e-6);
    assert_true(gradient_error(dbias, layer.bias, biases, weighted_output, &layer) < 1e-6);
    free(layer.x);
    free(layer.weight);
    free(layer.bias);
    free(layer.dy);
    free(layer.y);
    free(dx);
    free(dweight);
    free(dbias);
}

static void linear_gradients_match_differences(void **state)
{
    (void)state;
    check_shape((struct linear_shape){.rows = 1, .in = 1, .out = 1});
    check_shape((struct linear_shape){.rows = 1, .in = 5, .out = 3});
    check_shape((struct linear_shape){.rows = 7, .in = 1, .out = 4});
    check_shape((struct linear_shape){.rows = 17, .in = 8, .out = 1});
    check_shape((struct linear_shape){.rows = 19, .in = 12, .out = 70});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_gradients_match_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
