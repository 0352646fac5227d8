#include "nn/linear.h"
#include "support/gradient_check.h"
#include "support/real_arrays.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* f = sum of y * dy, so that dy is the gradient with respect to y. */
struct layer {
    int rows;
    struct linear_weight weight;
    real *x, *weights, *bias, *dy, *y;
};

static size_t product(int a, int b)
{
    return (size_t)a * (size_t)b;
}

static double weighted_output(void *context)
{
    const struct layer *layer = context;
    double sum = 0;
    linear_forward(rows_of_reals(layer->y, layer->weight.out),
                   rows_of_reals(layer->x, layer->weight.in), layer->rows, &layer->weight,
                   layer->bias, NULL, NULL);
    for (size_t i = 0; i < product(layer->rows, layer->weight.out); i++)
        sum += (double)layer->y[i] * (double)layer->dy[i];
    return sum;
}

static void check_shape(int rows, int in, int out)
{
    const size_t inputs = product(rows, in), outputs = product(rows, out);
    const size_t weights = product(out, in), biases = (size_t)out;
    struct layer layer = {.rows = rows,
                          .x = random_reals(inputs, 1, 1),
                          .weights = random_reals(weights, 2, 1),
                          .bias = random_reals(biases, 3, 1),
                          .dy = random_reals(outputs, 4, 1),
                          .y = zero_reals(outputs)};
    layer.weight = (struct linear_weight){.values = layer.weights, .in = in, .out = out};
    const struct rows dy = rows_of_reals(layer.dy, out);
    real *dx = zero_reals(inputs), *dweight = zero_reals(weights), *dbias = zero_reals(biases);
    linear_backward_input(rows_of_reals(dx, in), dy, rows, &layer.weight, NULL, NULL);
    linear_backward_parameters(dweight, dbias, dy, rows_of_reals(layer.x, in), rows, out, in, NULL);
    assert_true(gradient_error(dx, layer.x, inputs, weighted_output, &layer) < 1e-6);
    assert_true(gradient_error(dweight, layer.weights, weights, weighted_output, &layer) < 1e-6);
    assert_true(gradient_error(dbias, layer.bias, biases, weighted_output, &layer) < 1e-6);
    free(layer.x);
    free(layer.weights);
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
    check_shape(1, 1, 1);
    check_shape(1, 5, 3);
    check_shape(7, 1, 4);
    check_shape(17, 8, 1);
    check_shape(19, 12, 70);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_gradients_match_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
