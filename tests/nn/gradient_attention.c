#include "nn/attention.h"
#include "support/gradient_check.h"
#include "support/real_arrays.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <omp.h>

/* f = sum of context * dcontext, so that dcontext is the gradient with respect to the context. */
struct layer {
    struct attention_shape shape;
    struct dropout dropout;
    const int32_t *examples;
    real *qkv, *dcontext, *context, *scratch;
    int width;
    size_t count; /* number of elements of the context */
};

enum { SITE = 9 };

static struct attention_operands side_by_side(real *qkv, int width)
{
    const struct rows rows = rows_of_reals(qkv, 3 * width);
    return (struct attention_operands){rows, rows_columns_from(rows, width),
                                       rows_columns_from(rows, 2 * width)};
}

static double weighted_output(void *context)
{
    const struct layer *layer = context;
    const struct attention_operands x = side_by_side(layer->qkv, layer->width);
    double sum = 0;
    attention_forward(rows_of_reals(layer->context, layer->width), &x, layer->scratch,
                      &layer->shape, &layer->dropout, SITE, layer->examples);
    for (size_t i = 0; i < layer->count; i++)
        sum += (double)layer->context[i] * (double)layer->dcontext[i];
    return sum;
}

static void check(struct attention_shape shape, double rate)
{
    static const int32_t examples[] = {4, 2, 9};
    const int width = shape.heads * shape.head_size;
    const size_t count = (size_t)shape.starts[shape.sequences] * (size_t)width;
    const size_t scratch = attention_scratch(shape.max_length, shape.head_size, false);
    struct layer layer = {
        .shape = shape,
        .dropout = dropout_begin(7, 1, rate),
        .examples = examples,
        .qkv = random_reals(3 * count, 1, 2),
        .dcontext = random_reals(count, 2, 1),
        .context = zero_reals(count),
        .scratch = zero_reals((size_t)omp_get_max_threads() * scratch),
        .width = width,
        .count = count,
    };
    real *dqkv = random_reals(3 * count, 3, 1); /* must be overwritten, not added to */
    const struct attention_operands x = side_by_side(layer.qkv, width);
    const struct attention_operands dx = side_by_side(dqkv, width);
    attention_backward(&dx, rows_of_reals(layer.dcontext, width), &x, layer.scratch, &shape,
                       &layer.dropout, SITE, examples);
    assert_true(gradient_error(dqkv, layer.qkv, 3 * count, weighted_output, &layer) < 1e-6);
    free(layer.qkv);
    free(layer.dcontext);
    free(layer.context);
    free(layer.scratch);
    free(dqkv);
}

static void check_with_and_without_dropout(struct attention_shape shape)
{
    check(shape, 0);
    check(shape, 0.3);
}

static void attention_gradients_match_differences(void **state)
{
    (void)state;
    check_with_and_without_dropout(
        (struct attention_shape){1, (const int32_t[]){0, 1}, .max_length = 1, 1, 1});
    check_with_and_without_dropout(
        (struct attention_shape){1, (const int32_t[]){0, 2}, .max_length = 2, 2, 3});
    check_with_and_without_dropout(
        (struct attention_shape){1, (const int32_t[]){0, 17}, .max_length = 17, 2, 4});
    check_with_and_without_dropout(
        (struct attention_shape){3, (const int32_t[]){0, 17, 18, 20}, .max_length = 17, 3, 2});
}

/* The sequences are longer than a block of queries. */
static void attention_gradients_add_up_over_blocks_of_queries(void **state)
{
    (void)state;
    check((struct attention_shape){1, (const int32_t[]){0, 131}, .max_length = 131, 1, 1}, 0.2);
}

int main(void)
{
    omp_set_num_threads(1); /* there are thousands of passes, each too small for threads */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_gradients_match_differences),
        cmocka_unit_test(attention_gradients_add_up_over_blocks_of_queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
