#include "nn/layernorm.h"
#include "support/gradient_check.h"
#include "support/real_arrays.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_ROWS = 17, SITE = 3 };

/* f = sum of output * dy, so that dy is the gradient with respect to the output. */
struct layer {
    int rows, width;
    size_t count;
    struct dropout dropout;
    int32_t examples[MAX_ROWS], positions[MAX_ROWS];
    real *dense, *residual, *weight, *bias, *dy, *sum, *output, *mean, *rstd;
};

static struct residual_norm norm_of(const struct layer *layer)
{
    return (struct residual_norm){
        .weight = layer->weight,
        .bias = layer->bias,
        .epsilon = (real)1e-12,
        .residual = rows_of_reals(layer->residual, layer->width),
        .sum = rows_of_reals(layer->sum, layer->width),
        .output = rows_of_reals(layer->output, layer->width),
        .mean = layer->mean,
        .rstd = layer->rstd,
        .dropout = &layer->dropout,
        .site = SITE,
        .examples = layer->examples,
        .positions = layer->positions,
    };
}

/* Computes f, in blocks of four rows. */
static double weighted_output(void *context)
{
    const struct layer *layer = context;
    const struct residual_norm norm = norm_of(layer);
    double sum = 0;
    memcpy(layer->sum, layer->dense, layer->count * sizeof(real));
    for (int row = 0; row < layer->rows; row += 4)
        residual_norm_forward(&norm, &(struct linear_block){
                                         .values = layer->sum + (size_t)(row * layer->width),
                                         .ld = (size_t)layer->width,
                                         .first_row = row,
                                         .rows = layer->rows - row < 4 ? layer->rows - row : 4,
                                         .columns = layer->width,
                                     });
    for (size_t i = 0; i < layer->count; i++)
        sum += (double)layer->output[i] * (double)layer->dy[i];
    return sum;
}

static void check(int rows, int width, double rate)
{
    const size_t count = (size_t)rows * (size_t)width, columns = (size_t)width;
    struct layer layer = {
        .rows = rows,
        .width = width,
        .count = count,
        .dropout = dropout_begin(5, 2, rate),
        .dense = random_reals(count, 1, 1),
        .residual = random_reals(count, 2, 1),
        .weight = random_reals(columns, 3, 1),
        .bias = random_reals(columns, 4, 1),
        .dy = random_reals(count, 5, 1),
        .sum = zero_reals(count),
        .output = zero_reals(count),
        .mean = zero_reals((size_t)rows),
        .rstd = zero_reals((size_t)rows),
    };
    for (int32_t row = 0; row < rows; row++) {
        layer.examples[row] = row / 3;
        layer.positions[row] = row % 3;
    }
    real *gradient = copy_reals(layer.dy, count), *ddense = zero_reals(count);
    real *dweight = zero_reals(columns), *dbias = zero_reals(columns);
    const struct residual_norm norm = norm_of(&layer);
    weighted_output(&layer);
    residual_norm_backward(gradient, rows_of_reals(ddense, width), dweight, dbias, &norm, rows,
                           NULL);
    assert_true(gradient_error(gradient, layer.residual, count, weighted_output, &layer) < 1e-6);
    assert_true(gradient_error(ddense, layer.dense, count, weighted_output, &layer) < 1e-6);
    assert_true(gradient_error(dweight, layer.weight, columns, weighted_output, &layer) < 1e-6);
    assert_true(gradient_error(dbias, layer.bias, columns, weighted_output, &layer) < 1e-6);
    real *all[] = {layer.dense, layer.residual, layer.weight, layer.bias, layer.dy,
                   layer.sum,   layer.output,   layer.mean,   layer.rstd, gradient,
                   ddense,      dweight,        dbias};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void residual_norm_gradients_match_differences(void **state)
{
    (void)state;
    check(1, 1, 0);
    check(5, 1, 0);
    check(1, 8, 0);
    check(17, 13, 0);
    check(17, 13, 0.3);
    check(3, 130, 0.3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(residual_norm_gradients_match_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
