#include "nn/attention.h"
#include "support/real_arrays.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SITE = 5, MAX_THREADS = 4 };

static const int32_t examples[] = {3, 0, 12};

/* Operands and results of one layer. */
struct layer {
    struct attention_shape shape;
    struct dropout dropout;
    size_t width, rows;
    real *qkv, *dcontext, *context, *dqkv, *scratch;
};

static struct layer layer_create(struct attention_shape shape, double rate)
{
    const size_t width = (size_t)shape.heads * (size_t)shape.head_size;
    const size_t rows = (size_t)shape.starts[shape.sequences];
    return (struct layer){
        .shape = shape,
        .dropout = dropout_begin(7, 1, rate),
        .width = width,
        .rows = rows,
        .qkv = random_reals(rows * 3 * width, 1, 2),
        .dcontext = random_reals(rows * width, 2, 1),
        .context = zero_reals(rows * width),
        .dqkv = zero_reals(rows * 3 * width),
        .scratch =
            zero_reals(MAX_THREADS * attention_scratch(shape.max_length, shape.head_size, false)),
    };
}

static void layer_free(struct layer *layer)
{
    free(layer->qkv);
    free(layer->dcontext);
    free(layer->context);
    free(layer->dqkv);
    free(layer->scratch);
}

/* Return the values as rows of the context, and as rows of Q, K and V side by side. */
static struct rows narrow(const struct layer *layer, real *values)
{
    return rows_of_reals(values, (int)layer->width);
}

static struct attention_operands wide(const struct layer *layer, real *values)
{
    const int width = (int)layer->width;
    const struct rows rows = rows_of_reals(values, 3 * width);
    return (struct attention_operands){rows, rows_columns_from(rows, width),
                                       rows_columns_from(rows, 2 * width)};
}

static void forward_some(const struct layer *layer, const struct attention_shape *shape,
                         const int32_t *shape_examples)
{
    const struct attention_operands x = wide(layer, layer->qkv);
    attention_forward(narrow(layer, layer->context), &x, layer->scratch, shape, &layer->dropout,
                      SITE, shape_examples);
}

static void backward_some(const struct layer *layer, const struct attention_shape *shape,
                          const int32_t *shape_examples)
{
    const struct attention_operands x = wide(layer, layer->qkv), dx = wide(layer, layer->dqkv);
    attention_backward(&dx, narrow(layer, layer->dcontext), &x, layer->scratch, shape,
                       &layer->dropout, SITE, shape_examples);
}

static void forward(void *context)
{
    const struct layer *layer = context;
    forward_some(layer, &layer->shape, examples);
}

static void backward(void *context)
{
    const struct layer *layer = context;
    backward_some(layer, &layer->shape, examples);
}

/* Computes the factors by which dropout multiplies the probabilities of one query. */
static void reference_mask(real *mask, const struct layer *layer, int sequence, int head, int query,
                           int length)
{
    for (int i = 0; i < length; i++)
        mask[i] = 1;
    dropout_row(mask, length, &layer->dropout, SITE, (uint32_t)examples[sequence],
                (uint32_t)head << 16 | (uint32_t)query);
}

/* Computes the context [head_size] of one query by the formula. */
static void reference_query(double *context, const struct layer *layer, int sequence, int head,
                            int query)
{
    const int32_t *starts = layer->shape.starts;
    const int length = starts[sequence + 1] - starts[sequence], size = layer->shape.head_size;
    const size_t width = layer->width;
    const real *q = layer->qkv + (size_t)starts[sequence] * 3 * width + (size_t)(head * size);
    const real *k = q + width, *v = q + 2 * width;
    real *mask = zero_reals((size_t)length);
    double sum = 0;
    reference_mask(mask, layer, sequence, head, query, length);
    memset(context, 0, (size_t)size * sizeof *context);
    for (int key = 0; key < length; key++) {
        double score = 0;
        for (int i = 0; i < size; i++)
            score += (double)q[(size_t)query * 3 * width + (size_t)i] *
                     (double)k[(size_t)key * 3 * width + (size_t)i];
        const double p = exp(score / sqrt(size));
        sum += p;
        for (int i = 0; i < size; i++)
            context[i] += p * (double)mask[key] * (double)v[(size_t)key * 3 * width + (size_t)i];
    }
    for (int i = 0; i < size; i++)
        context[i] /= sum;
    free(mask);
}

static void check_forward(struct attention_shape shape, double rate)
{
    struct layer layer = layer_create(shape, rate);
    double expected[64];
    forward(&layer);
    for (int sequence = 0; sequence < shape.sequences; sequence++) {
        for (int head = 0; head < shape.heads; head++) {
            for (int query = 0; query < shape.starts[sequence + 1] - shape.starts[sequence];
                 query++) {
                const size_t row = (size_t)(shape.starts[sequence] + query);
                reference_query(expected, &layer, sequence, head, query);
                assert_reals_near(layer.context + row * layer.width +
                                      (size_t)(head * shape.head_size),
                                  expected, (size_t)shape.head_size, 2e-6);
            }
        }
    }
    layer_free(&layer);
}

static void context_matches_the_formula(void **state)
{
    (void)state;
    const struct attention_shape shapes[] = {
        {1, (const int32_t[]){0, 1}, .max_length = 1, 1, 1},
        {1, (const int32_t[]){0, 2}, .max_length = 2, 3, 5},
        {3, (const int32_t[]){0, 17, 18, 20}, .max_length = 17, 4, 8},
        {2, (const int32_t[]){0, 300, 333}, .max_length = 300, 2, 64},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        check_forward(shapes[i], 0);
        check_forward(shapes[i], 0.3);
    }
}

static void huge_scores_stay_finite(void **state)
{
    (void)state;
    const double scales[] = {1e4, 1e8};
    for (size_t k = 0; k < sizeof scales / sizeof *scales; k++) {
        struct layer layer = layer_create(
            (struct attention_shape){1, (const int32_t[]){0, 30}, .max_length = 30, 2, 8}, 0.1);
        for (size_t i = 0; i < 30 * 3 * layer.width; i++)
            layer.qkv[i] *= (real)scales[k];
        forward(&layer);
        backward(&layer);
        assert_reals_finite(layer.context, layer.rows * layer.width);
        assert_reals_finite(layer.dqkv, layer.rows * 3 * layer.width);
        layer_free(&layer);
    }
}

/* In the encoder, each thread computes some sequences of a batch. */
static void rows_of_other_sequences_stay(void **state)
{
    (void)state;
    const int32_t starts[] = {0, 5, 12, 20};
    struct layer layer =
        layer_create((struct attention_shape){3, starts, .max_length = 8, 2, 4}, 0.2);
    forward(&layer);
    backward(&layer);
    const size_t width = layer.width, count = layer.rows * width;
    real *context = copy_reals(layer.context, count), *dqkv = copy_reals(layer.dqkv, 3 * count);
    memset(layer.context, 0, count * sizeof(real));
    memset(layer.dqkv, 0, 3 * count * sizeof(real));
    memset(context, 0, 5 * width * sizeof(real));
    memset(context + 12 * width, 0, 8 * width * sizeof(real));
    memset(dqkv, 0, 5 * 3 * width * sizeof(real));
    memset(dqkv + 12 * 3 * width, 0, 8 * 3 * width * sizeof(real));

    const struct attention_shape middle = {1, starts + 1, .max_length = 8, 2, 4};
    forward_some(&layer, &middle, examples + 1);
    backward_some(&layer, &middle, examples + 1);
    assert_reals_identical(layer.context, context, count);
    assert_reals_identical(layer.dqkv, dqkv, 3 * count);
    free(context);
    free(dqkv);
    layer_free(&layer);
}

/* Copies the chosen rows of a matrix. */
static struct rows chosen_rows(struct rows from, const int32_t *rows, int count, int width)
{
    struct rows to = rows_of_reals(zero_reals((size_t)count * (size_t)width), width);
    for (int i = 0; i < count; i++)
        memcpy(to.reals + (size_t)i * (size_t)width,
               from.reals + (size_t)rows[i] * (size_t)from.width, (size_t)width * sizeof(real));
    return to;
}

static void assert_chosen(struct rows actual, struct rows all, const int32_t *rows, int count,
                          int width)
{
    for (int i = 0; i < count; i++) {
        const real *found = rows_address(&actual, i), *expected = rows_address(&all, rows[i]);
        for (int j = 0; j < width; j++)
            assert_true(fabs((double)(found[j] - expected[j])) <= 2e-6);
    }
}

/* Some queries give the same results as all of them if the gradient of the others is zero. */
static void chosen_queries_are_as_among_all(void **state)
{
    (void)state;
    static const int32_t starts[] = {0, 150, 151, 170}, query_starts[] = {0, 131, 132, 134};
    int32_t rows[134], positions[134];
    for (int i = 0; i < 131; i++) /* more than a block of queries */
        rows[i] = positions[i] = i < 60 ? i : i + 19;
    rows[131] = 150, positions[131] = 0;
    rows[132] = 151, positions[132] = 0;
    rows[133] = 163, positions[133] = 12;
    const int count = 134;

    struct layer layer =
        layer_create((struct attention_shape){3, starts, .max_length = 150, 2, 4}, 0.2);
    const int width = (int)layer.width;
    real *dcontext = copy_reals(layer.dcontext, layer.rows * layer.width);
    const struct rows kept = chosen_rows(narrow(&layer, dcontext), rows, count, width);
    memset(layer.dcontext, 0, layer.rows * layer.width * sizeof(real));
    for (int i = 0; i < count; i++)
        memcpy(layer.dcontext + (size_t)rows[i] * layer.width, kept.reals + (size_t)i * layer.width,
               layer.width * sizeof(real));
    forward(&layer);
    backward(&layer);

    struct attention_shape shape = layer.shape;
    shape.query_starts = query_starts, shape.query_positions = positions;
    const struct attention_operands all = wide(&layer, layer.qkv);
    const struct attention_operands all_gradients = wide(&layer, layer.dqkv);
    struct attention_operands x = all, dx = all;
    real *dkey_value = random_reals(layer.rows * 2 * layer.width, 5, 1);
    x.query = chosen_rows(all.query, rows, count, width);
    dx.query = rows_of_reals(random_reals((size_t)count * layer.width, 6, 1), width);
    dx.key = rows_of_reals(dkey_value, 2 * width);
    dx.value = rows_columns_from(dx.key, width);
    const struct rows context =
        rows_of_reals(random_reals((size_t)count * layer.width, 7, 1), width);
    attention_forward(context, &x, layer.scratch, &shape, &layer.dropout, SITE, examples);
    attention_backward(&dx, kept, &x, layer.scratch, &shape, &layer.dropout, SITE, examples);

    assert_chosen(context, narrow(&layer, layer.context), rows, count, width);
    assert_chosen(dx.query, all_gradients.query, rows, count, width);
    for (int row = 0; row < (int)layer.rows; row++) {
        assert_chosen(rows_from(dx.key, row), all_gradients.key, &row, 1, width);
        assert_chosen(rows_from(dx.value, row), all_gradients.value, &row, 1, width);
    }
    free(dcontext), free(kept.reals), free(x.query.reals), free(dx.query.reals);
    free(dkey_value), free(context.reals);
    layer_free(&layer);
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    struct layer layer = layer_create(
        (struct attention_shape){3, (const int32_t[]){0, 140, 141, 190}, .max_length = 140, 24, 16},
        0.1);
    assert_threads_do_not_matter(forward, &layer, layer.context, layer.rows * layer.width);
    assert_threads_do_not_matter(backward, &layer, layer.dqkv, layer.rows * 3 * layer.width);
    layer_free(&layer);
}

static void one_block_of_scratch_serves_inside_a_parallel_region(void **state)
{
    (void)state;
    struct layer layer = layer_create(
        (struct attention_shape){3, (const int32_t[]){0, 9, 17, 20}, .max_length = 9, 4, 8}, 0.1);
    const size_t block = attention_scratch(9, 8, false), others = (MAX_THREADS - 1) * block;
    real *untouched = random_reals(others, 3, 1);
    memcpy(layer.scratch + block, untouched, others * sizeof(real));
    omp_set_max_active_levels(2); /* as OMP_NESTED, or a list in OMP_PROC_BIND */
    for (int i = 0; i < 100; i++) {
#pragma omp parallel num_threads(2)
        {
#pragma omp single
            {
                forward(&layer);
                backward(&layer);
            }
        }
    }
    omp_set_max_active_levels(1);
    assert_reals_identical(layer.scratch + block, untouched, others);
    free(untouched);
    layer_free(&layer);
}

static void scratch_grows_with_the_length_not_its_square(void **state)
{
    (void)state;
    const size_t at_512 = attention_scratch(512, 64, false),
                 at_1024 = attention_scratch(1024, 64, false);
    assert_true(attention_scratch(1, 64, false) >= 1);
    /* The memory is a constant plus the same amount for every 512 tokens. */
    assert_int_equal(attention_scratch(4096, 64, false), at_512 + 7 * (at_1024 - at_512));
    assert_true(attention_scratch(4096, 64, false) <= 8 * at_512);
}

int main(void)
{
    omp_set_num_threads(MAX_THREADS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(context_matches_the_formula),
        cmocka_unit_test(huge_scores_stay_finite),
        cmocka_unit_test(rows_of_other_sequences_stay),
        cmocka_unit_test(chosen_queries_are_as_among_all),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(one_block_of_scratch_serves_inside_a_parallel_region),
        cmocka_unit_test(scratch_grows_with_the_length_not_its_square),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
