#include "nn/linear.h"
#include "support/real_arrays.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    ROWS = 37,
    IN = 50,
    OUT = 90,
    GAP = 6, /* elements after each row of x, y and dy, which must be neither used nor changed */
    WIDE = OUT + GAP,
    WIDE_IN = IN + GAP,
};

/* Operands of one layer, and its gradients. */
struct layer {
    int rows;
    struct linear_weight weight;
    real *x, *weights, *bias, *dy;  /* in */
    real *y, *dx, *dweight, *dbias; /* out or accumulated */
};

static struct layer layer_create(int rows, int in, int out)
{
    const size_t inputs = (size_t)rows * (size_t)in, outputs = (size_t)rows * (size_t)(out + GAP);
    const size_t wide_inputs = (size_t)rows * (size_t)(in + GAP);
    const size_t weights = (size_t)out * (size_t)in, biases = (size_t)out;
    struct layer layer = {
        .rows = rows,
        .x = random_reals(wide_inputs, 1, 1),
        .weights = random_reals(weights, 2, 1),
        .bias = random_reals(biases, 3, 1),
        .dy = random_reals(outputs, 4, 1),
        .y = random_reals(outputs, 5, 1),
        .dx = random_reals(inputs, 6, 1),
        .dweight = random_reals(weights, 7, 1),
        .dbias = random_reals(biases, 8, 1),
    };
    layer.weight = (struct linear_weight){.values = layer.weights, .in = in, .out = out};
    return layer;
}

static void layer_free(struct layer *layer)
{
    real *all[] = {layer->x, layer->weights, layer->bias,    layer->dy,
                   layer->y, layer->dx,      layer->dweight, layer->dbias};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static struct rows inputs(const struct layer *layer)
{
    return rows_of_reals(layer->x, layer->weight.in + GAP);
}

static struct rows outputs(const struct layer *layer, real *values)
{
    return rows_of_reals(values, layer->weight.out + GAP);
}

static void backward_parameters(const struct layer *layer, real *dweight, real *dbias)
{
    linear_backward_parameters(dweight, dbias, outputs(layer, layer->dy), inputs(layer),
                               layer->rows, layer->weight.out, layer->weight.in, NULL);
}

static void check_forward(const struct layer *layer, const real *bias)
{
    real *before = copy_reals(layer->y, ROWS * WIDE);
    linear_forward(outputs(layer, layer->y), inputs(layer), layer->rows, &layer->weight, bias, NULL,
                   NULL);
    for (size_t row = 0; row < ROWS; row++) {
        for (size_t out = 0; out < OUT; out++) {
            double expected = bias ? (double)bias[out] : 0;
            for (size_t in = 0; in < IN; in++)
                expected +=
                    (double)layer->x[row * WIDE_IN + in] * (double)layer->weights[out * IN + in];
            assert_reals_near(&layer->y[row * WIDE + out], &expected, 1, 1e-5);
        }
        assert_reals_identical(layer->y + row * WIDE + OUT, before + row * WIDE + OUT, GAP);
    }
    free(before);
}

static void forward_multiplies_by_the_transposed_weight(void **state)
{
    (void)state;
    struct layer layer = layer_create(ROWS, IN, OUT);
    check_forward(&layer, layer.bias);
    check_forward(&layer, NULL);
    layer_free(&layer);
}

static void check_backward_input(const struct layer *layer, bool accumulate)
{
    real *before = copy_reals(layer->dx, ROWS * IN);
    if (accumulate)
        linear_backward_input_add(layer->dx, outputs(layer, layer->dy), layer->rows,
                                  &layer->weight);
    else
        linear_backward_input(rows_of_reals(layer->dx, layer->weight.in), outputs(layer, layer->dy),
                              layer->rows, &layer->weight, NULL, NULL);
    for (size_t row = 0; row < ROWS; row++) {
        for (size_t in = 0; in < IN; in++) {
            double expected = accumulate ? (double)before[row * IN + in] : 0;
            for (size_t out = 0; out < OUT; out++)
                expected +=
                    (double)layer->dy[row * WIDE + out] * (double)layer->weights[out * IN + in];
            assert_reals_near(&layer->dx[row * IN + in], &expected, 1, 1e-5);
        }
    }
    free(before);
}

static void backward_input_overwrites_or_accumulates(void **state)
{
    (void)state;
    struct layer layer = layer_create(ROWS, IN, OUT);
    check_backward_input(&layer, false);
    check_backward_input(&layer, true);
    layer_free(&layer);
}

static void backward_parameters_accumulates(void **state)
{
    (void)state;
    struct layer layer = layer_create(ROWS, IN, OUT);
    real *dweight = copy_reals(layer.dweight, OUT * IN), *dbias = copy_reals(layer.dbias, OUT);
    backward_parameters(&layer, layer.dweight, layer.dbias);
    for (size_t out = 0; out < OUT; out++) {
        double expected_bias = (double)dbias[out];
        for (size_t row = 0; row < ROWS; row++)
            expected_bias += (double)layer.dy[row * WIDE + out];
        assert_reals_near(&layer.dbias[out], &expected_bias, 1, 1e-5);
        for (size_t in = 0; in < IN; in++) {
            double expected = (double)dweight[out * IN + in];
            for (size_t row = 0; row < ROWS; row++)
                expected +=
                    (double)layer.dy[row * WIDE + out] * (double)layer.x[row * WIDE_IN + in];
            assert_reals_near(&layer.dweight[out * IN + in], &expected, 1, 1e-5);
        }
    }
    free(dweight);
    free(dbias);
    layer_free(&layer);
}

static void backward_parameters_without_bias_changes_the_weight_alike(void **state)
{
    (void)state;
    struct layer layer = layer_create(ROWS, IN, OUT);
    real *dweight = copy_reals(layer.dweight, OUT * IN);
    backward_parameters(&layer, layer.dweight, layer.dbias);
    backward_parameters(&layer, dweight, NULL);
    assert_reals_identical(dweight, layer.dweight, OUT * IN);
    free(dweight);
    layer_free(&layer);
}

static void bias_work(void *context)
{
    const struct layer *layer = context;
    for (int i = 0; i < layer->weight.out; i++)
        layer->dbias[i] = 0;
    backward_parameters(layer, layer->dweight, layer->dbias);
}

/* Products are divided by the number of threads, sums are not. */
static void threads_do_not_matter_to_the_bias(void **state)
{
    (void)state;
    struct layer layer = layer_create(300, 70, 210);
    assert_thread_counts_do_not_matter(bias_work, &layer, layer.dbias, 210);
    layer_free(&layer);
}

/* An epilogue that doubles the values of its blocks in place. */
struct doubler {
    struct layer *layer;
    int seen[ROWS];
    int misfits; /* number of errors, asserted afterwards because it runs on many threads */
};

static void double_block(const void *context, const struct linear_block *block)
{
    struct doubler *doubler = *(struct doubler *const *)context;
    const struct layer *layer = doubler->layer;
    if (block->columns != OUT || block->first_column != 0 ||
        block->first_row + block->rows > ROWS ||
        block->values != layer->y + (size_t)block->first_row * WIDE || block->ld != WIDE) {
#pragma omp atomic
        doubler->misfits++;
        return;
    }
    for (int row = 0; row < block->rows; row++) {
        doubler->seen[block->first_row + row]++;
        for (size_t i = 0; i < OUT; i++)
            block->values[(size_t)row * WIDE + i] *= 2;
    }
}

/* The epilogue gets the product with its bias, in whole rows, whether threads divide them or
 * not. */
static void epilogues_get_every_row_once_in_its_place(void **state)
{
    (void)state;
    struct layer layer = layer_create(ROWS, IN, OUT);
    real *plain = copy_reals(layer.y, ROWS * WIDE);
    linear_forward(outputs(&layer, plain), inputs(&layer), ROWS, &layer.weight, layer.bias, NULL,
                   NULL);
    struct doubler doubler = {.layer = &layer};
    const struct linear_epilogue epilogue = {.run = double_block,
                                             .context = &(struct doubler *){&doubler}};
    linear_forward(outputs(&layer, layer.y), inputs(&layer), ROWS, &layer.weight, layer.bias,
                   &epilogue, NULL);
    assert_int_equal(doubler.misfits, 0);
    for (int row = 0; row < ROWS; row++)
        assert_int_equal(doubler.seen[row], 1);
    for (size_t i = 0; i < ROWS * WIDE; i++)
        assert_true(layer.y[i] == (i % WIDE < OUT ? 2 : 1) * plain[i]);
    linear_forward(outputs(&layer, layer.y), inputs(&layer), 0, &layer.weight, layer.bias,
                   &epilogue, NULL);
    for (int row = 0; row < ROWS; row++) /* a product without rows adds no blocks */
        assert_int_equal(doubler.seen[row], 1);
    free(plain);
    layer_free(&layer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_multiplies_by_the_transposed_weight),
        cmocka_unit_test(backward_input_overwrites_or_accumulates),
        cmocka_unit_test(backward_parameters_accumulates),
        cmocka_unit_test(backward_parameters_without_bias_changes_the_weight_alike),
        cmocka_unit_test(threads_do_not_matter_to_the_bias),
        cmocka_unit_test(epilogues_get_every_row_once_in_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
