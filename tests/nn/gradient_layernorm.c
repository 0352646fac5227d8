#include "nn/layernorm.h"
#include "support/gradient_check.h"
#include "support/real_arrays.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* f = sum of y * dy, so that dy is the gradient with respect to y. */
struct layer {
    int rows, width;
    real *x, *weight, *bias, *dy, *y, *mean, *rstd;
};

static const real epsilon = (real)1e-12;

static double weighted_output(void *context)
{
    const struct layer *layer = context;
    double sum = 0;
    for (int row = 0; row < layer->rows; row++) {
        const size_t at = (size_t)row * (size_t)layer->width;
        layernorm_forward(layer->y + at, layer->mean + row, layer->rstd + row, layer->x + at,
                          layer->weight, layer->bias, layer->width, epsilon);
    }
    for (size_t i = 0; i < (size_t)layer->rows * (size_t)layer->width; i++)
        sum += (double)layer->y[i] * (double)layer->dy[i];
    return sum;
}

static struct layer layer_create(int rows, int width)
{
    const size_t count = (size_t)rows * (size_t)width, columns = (size_t)width;
    return (struct layer){
        .rows = rows,
        .width = width,
        .x = random_reals(count, 1, 1),
        .weight = random_reals(columns, 2, 1),
        .bias = random_reals(columns, 3, 1),
        .dy = random_reals(count, 4, 1),
        .y = zero_reals(count),
        .mean = zero_reals((size_t)rows),
        .rstd = zero_reals((size_t)rows),
    };
}

static void layer_free(struct layer *layer)
{
    free(layer->x);
    free(layer->weight);
    free(layer->bias);
    free(layer->dy);
    free(layer->y);
    free(layer->mean);
    free(layer->rstd);
}

static void check_shape(int rows, int width)
{
    const size_t count = (size_t)rows * (size_t)width, columns = (size_t)width;
    struct layer layer = layer_create(rows, width);
    real *dx = zero_reals(count), *dweight = zero_reals(columns), *dbias = zero_reals(columns);
    weighted_output(&layer);
    for (int row = 0; row < rows; row++) {
        const size_t at = (size_t)row * columns;
        layernorm_backward(dx + at, dweight, dbias, layer.dy + at, layer.x + at, layer.mean[row],
                           layer.rstd[row], layer.weight, width);
    }
    assert_true(gradient_error(dx, layer.x, count, weighted_output, &layer) < 1e-6);
    assert_true(gradient_error(dweight, layer.weight, columns, weighted_output, &layer) < 1e-6);
    assert_true(gradient_error(dbias, layer.bias, columns, weighted_output, &layer) < 1e-6);
    layer_free(&layer);
    free(dx);
    free(dweight);
    free(dbias);
}

static void layernorm_gradients_match_differences(void **state)
{
    (void)state;
    check_shape(1, 1);
    check_shape(5, 1);
    check_shape(1, 8);
    check_shape(17, 13);
    check_shape(4, 130);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layernorm_gradients_match_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
