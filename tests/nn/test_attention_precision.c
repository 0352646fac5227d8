/* Compares attention with double precision: on reals and, if the processor has instructions for it,
 * on bf16 rows of the same values. */
#include "nn/attention.h"

#include "math/panels.h"
#include "support/bf16_arrays.h"
#include "support/real_arrays.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SITE = 5, MAX_THREADS = 3, QUERY = 0, KEY = 1, VALUE = 2 };

static const int32_t examples[] = {3, 0, 12, 7, 1};

/* Operands and results, in bf16 and as the same reals. The elements after the columns of each row
 * must be neither read nor changed. */
struct layer {
    struct attention_shape shape;
    struct dropout dropout;
    int width;
    size_t rows;
    struct rows qkv, dcontext, context, dqkv; /* bf16 */
    struct rows real_qkv, real_dcontext, real_context, real_dqkv;
    real *scratch;
};

static struct rows rows_of_bf16(bf16 *values, int width)
{
    return (struct rows){.bf16 = values, .width = width};
}

/* Returns the size of working memory that is enough for both types of elements. */
static size_t max_scratch(const struct attention_shape *shape)
{
    const size_t in_bf16 =
        gemm_bf16() ? attention_scratch(shape->max_length, shape->head_size, true) : 0;
    const size_t reals = attention_scratch(shape->max_length, shape->head_size, false);
    return in_bf16 > reals ? in_bf16 : reals;
}

static struct rows nan_rows(size_t rows, int columns)
{
    const int width = left_width(columns);
    return rows_of_bf16(nan_bf16(rows * (size_t)width), width);
}

static struct rows random_rows(size_t rows, int columns, uint32_t item, double scale)
{
    struct rows made = nan_rows(rows, columns);
    bf16 *values = random_bf16(rows * (size_t)columns, item, scale);
    for (size_t row = 0; row < rows; row++)
        memcpy(made.bf16 + row * (size_t)made.width, values + row * (size_t)columns,
               (size_t)columns * sizeof(bf16));
    free(values);
    return made;
}

static size_t elements(const struct layer *layer, struct rows rows)
{
    return layer->rows * (size_t)rows.width;
}

static struct rows as_reals(const struct layer *layer, struct rows rows)
{
    return rows_of_reals(widened_copy(rows.bf16, elements(layer, rows)), rows.width);
}

static struct layer layer_create(struct attention_shape shape, double rate)
{
    const int width = shape.heads * shape.head_size;
    const size_t rows = (size_t)shape.starts[shape.sequences];
    struct layer layer = {
        .shape = shape,
        .dropout = dropout_begin(7, 1, rate),
        .width = width,
        .rows = rows,
        .qkv = random_rows(rows, 3 * width, 1, 2),
        .dcontext = random_rows(rows, width, 2, 1),
        .context = nan_rows(rows, width),
        .dqkv = nan_rows(rows, 3 * width),
        .scratch = random_reals(MAX_THREADS * max_scratch(&shape), 3, 1),
    };
    layer.real_qkv = as_reals(&layer, layer.qkv);
    layer.real_dcontext = as_reals(&layer, layer.dcontext);
    layer.real_context = as_reals(&layer, layer.context);
    layer.real_dqkv = as_reals(&layer, layer.dqkv);
    return layer;
}

static void layer_free(struct layer *layer)
{
    free(layer->qkv.bf16), free(layer->dcontext.bf16);
    free(layer->context.bf16), free(layer->dqkv.bf16);
    free(layer->real_qkv.reals), free(layer->real_dcontext.reals);
    free(layer->real_context.reals), free(layer->real_dqkv.reals);
    free(layer->scratch);
}

static struct attention_operands operands(const struct layer *layer, struct rows qkv)
{
    return (struct attention_operands){rows_columns_from(qkv, QUERY * layer->width),
                                       rows_columns_from(qkv, KEY * layer->width),
                                       rows_columns_from(qkv, VALUE * layer->width)};
}

static bool has_bf16(const struct layer *layer)
{
    return gemm_bf16() && layer->shape.head_size % BF16_DEPTH == 0;
}

static void forward(const struct layer *layer)
{
    const struct attention_operands x = operands(layer, layer->qkv);
    attention_forward(layer->context, &x, layer->scratch, &layer->shape, &layer->dropout, SITE,
                      examples);
}

static void backward(const struct layer *layer)
{
    const struct attention_operands x = operands(layer, layer->qkv);
    const struct attention_operands dx = operands(layer, layer->dqkv);
    attention_backward(&dx, layer->dcontext, &x, layer->scratch, &layer->shape, &layer->dropout,
                       SITE, examples);
}

static void both_in_reals(const struct layer *layer)
{
    const struct attention_operands x = operands(layer, layer->real_qkv);
    const struct attention_operands dx = operands(layer, layer->real_dqkv);
    attention_forward(layer->real_context, &x, layer->scratch, &layer->shape, &layer->dropout, SITE,
                      examples);
    attention_backward(&dx, layer->real_dcontext, &x, layer->scratch, &layer->shape,
                       &layer->dropout, SITE, examples);
}

/* ---- one head in double precision ---- */

/* Sums of products x_i y_i, and sums of their absolute values. The x are rounded to bf16 before the
 * multiplication, so the error of a sum is at most its sum of absolute values times the
 * rounding. */
struct sums {
    double *values, *sizes; /* [length, head_size] */
};

struct head {
    int length, size;
    double *q, *k, *v, *dc; /* [length, size] */
    double *p, *a, *ds;     /* [length, length] */
    struct sums context, dq, dk, dv;
};

static double *doubles(int rows, int columns)
{
    double *values = calloc((size_t)rows * (size_t)columns, sizeof *values);
    assert_non_null(values);
    return values;
}

static double *columns_of(const struct rows *rows, int first, int length, int column, int size)
{
    double *values = doubles(length, size);
    for (int row = 0; row < length; row++) {
        const real *from = rows->reals + (size_t)(first + row) * (size_t)rows->width + column;
        for (int i = 0; i < size; i++)
            values[row * size + i] = (double)from[i];
    }
    return values;
}

static struct sums sums_create(int length, int size)
{
    return (struct sums){doubles(length, size), doubles(length, size)};
}

static struct head head_create(const struct layer *layer, int sequence, int index)
{
    const int first = layer->shape.starts[sequence], size = layer->shape.head_size;
    const int length = layer->shape.starts[sequence + 1] - first, column = index * size;
    return (struct head){
        .length = length,
        .size = size,
        .q = columns_of(&layer->real_qkv, first, length, column, size),
        .k = columns_of(&layer->real_qkv, first, length, layer->width + column, size),
        .v = columns_of(&layer->real_qkv, first, length, 2 * layer->width + column, size),
        .dc = columns_of(&layer->real_dcontext, first, length, column, size),
        .p = doubles(length, length),
        .a = doubles(length, length),
        .ds = doubles(length, length),
        .context = sums_create(length, size),
        .dq = sums_create(length, size),
        .dk = sums_create(length, size),
        .dv = sums_create(length, size),
    };
}

static void head_free(struct head *head)
{
    double *all[] = {head->q,
                     head->k,
                     head->v,
                     head->dc,
                     head->p,
                     head->a,
                     head->ds,
                     head->context.values,
                     head->context.sizes,
                     head->dq.values,
                     head->dq.sizes,
                     head->dk.values,
                     head->dk.sizes,
                     head->dv.values,
                     head->dv.sizes};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static double dot(const double *x, const double *y, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += x[i] * y[i];
    return sum;
}

/* Adds x times the row y to row `to` of the sums. */
static void add_product(const struct sums *sums, int to, double x, const double *y, int count)
{
    double *values = sums->values + to * count, *sizes = sums->sizes + to * count;
    for (int i = 0; i < count; i++) {
        values[i] += x * y[i];
        sizes[i] += fabs(x * y[i]);
    }
}

static void reference_query(const struct head *head, const real *mask, int query)
{
    const int length = head->length, size = head->size;
    double *p = head->p + query * length, *a = head->a + query * length;
    double *ds = head->ds + query * length, max = -INFINITY, sum = 0, weighted = 0;
    for (int key = 0; key < length; key++) {
        p[key] = dot(head->q + query * size, head->k + key * size, size) / sqrt(size);
        max = fmax(max, p[key]);
    }
    for (int key = 0; key < length; key++)
        sum += exp(p[key] - max);
    for (int key = 0; key < length; key++) {
        p[key] = exp(p[key] - max) / sum;
        a[key] = p[key] * (double)mask[key];
        ds[key] = dot(head->dc + query * size, head->v + key * size, size);
        weighted += a[key] * ds[key];
    }
    for (int key = 0; key < length; key++) {
        ds[key] = (a[key] * ds[key] - p[key] * weighted) / sqrt(size);
        add_product(&head->context, query, a[key], head->v + key * size, size);
        add_product(&head->dv, key, a[key], head->dc + query * size, size);
        add_product(&head->dq, query, ds[key], head->k + key * size, size);
        add_product(&head->dk, key, ds[key], head->q + query * size, size);
    }
}

static void reference_head(const struct head *head, const struct layer *layer, int sequence,
                           int index)
{
    real *mask = zero_reals((size_t)head->length);
    for (int query = 0; query < head->length; query++) {
        for (int i = 0; i < head->length; i++)
            mask[i] = 1;
        dropout_row(mask, head->length, &layer->dropout, SITE, (uint32_t)examples[sequence],
                    (uint32_t)index << 16 | (uint32_t)query);
        reference_query(head, mask, query);
    }
    free(mask);
}

/* ---- comparisons ---- */

/* Asserts that the results are right. Floats are within 1e-5 of doubles here. In bf16 one operand
 * of each product has been rounded, and the result is rounded once more. */
static void assert_part(const char *what, const struct rows *actual, const struct sums *expected,
                        int first, int length, int column, int size)
{
    for (int row = 0; row < length; row++)
        for (int i = 0; i < size; i++) {
            const int at = row * size + i;
            real buffer;
            const double found =
                (double)*rows_read(actual, (struct row_span){first + row, column + i, 1}, &buffer);
            double tolerance = 1e-5;
            if (actual->bf16)
                tolerance +=
                    1.01 * BF16_ROUNDING * (expected->sizes[at] + fabs(expected->values[at]));
            if (!(fabs(found - expected->values[at]) <= tolerance))
                fail_msg("%s, %s, length %d, size %d: [%d, %d] is %.9g; expected %.9g within %g",
                         what, actual->bf16 ? "bf16" : "fp32", length, size, row, i, found,
                         expected->values[at], tolerance);
        }
}

static void check_head(const struct layer *layer, int sequence, int index)
{
    struct head head = head_create(layer, sequence, index);
    const int first = layer->shape.starts[sequence], size = head.size, column = index * size;
    reference_head(&head, layer, sequence, index);
    const struct {
        const char *name;
        const struct sums *expected;
        const struct rows *in_bf16, *reals;
        int column;
    } parts[] = {
        {"context", &head.context, &layer->context, &layer->real_context, column},
        {"dQ", &head.dq, &layer->dqkv, &layer->real_dqkv, QUERY * layer->width + column},
        {"dK", &head.dk, &layer->dqkv, &layer->real_dqkv, KEY * layer->width + column},
        {"dV", &head.dv, &layer->dqkv, &layer->real_dqkv, VALUE * layer->width + column},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (has_bf16(layer))
            assert_part(parts[i].name, parts[i].in_bf16, parts[i].expected, first, head.length,
                        parts[i].column, size);
        assert_part(parts[i].name, parts[i].reals, parts[i].expected, first, head.length,
                    parts[i].column, size);
    }
    head_free(&head);
}

static void check(struct attention_shape shape, double rate)
{
    struct layer layer = layer_create(shape, rate);
    if (has_bf16(&layer)) {
        forward(&layer);
        backward(&layer);
    }
    both_in_reals(&layer);
    for (int sequence = 0; sequence < shape.sequences; sequence++)
        for (int head = 0; head < shape.heads; head++)
            check_head(&layer, sequence, head);
    layer_free(&layer);
}

static void both_passes_match_double_precision(void **state)
{
    (void)state;
    const int lengths[] = {1, 2, 17, 31, 32, 33, 100, 128, 129, 300}, sizes[] = {5, 32, 64, 96};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            const int heads = lengths[i] < 129 ? 2 : 1;
            const struct attention_shape shape = {1, (const int32_t[]){0, lengths[i]},
                                                  .max_length = lengths[i], heads, sizes[j]};
            check(shape, 0);
            check(shape, 0.3);
        }
}

/* Working memory has the values of a longer sequence that was computed before. */
static void mixed_lengths_match_double_precision(void **state)
{
    (void)state;
    const int32_t starts[] = {0, 140, 141, 174, 176, 207};
    const struct attention_shape shape = {5, starts, .max_length = 140, 2, 32};
    check(shape, 0);
    check(shape, 0.2);
    const struct attention_shape roomy = {5, starts, .max_length = 400, 2, 32};
    check(roomy, 0.2);
}

static void forward_work(void *context)
{
    const struct layer *layer = context;
    forward(layer);
    bf16_widen(layer->real_context.reals, layer->context.bf16, elements(layer, layer->context));
}

static void backward_work(void *context)
{
    const struct layer *layer = context;
    backward(layer);
    bf16_widen(layer->real_dqkv.reals, layer->dqkv.bf16, elements(layer, layer->dqkv));
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    require_bf16();
    const int32_t starts[] = {0, 140, 141, 190};
    struct layer layer =
        layer_create((struct attention_shape){3, starts, .max_length = 140, 6, 32}, 0.1);
    assert_threads_do_not_matter(forward_work, &layer, layer.real_context.reals,
                                 elements(&layer, layer.context));
    assert_threads_do_not_matter(backward_work, &layer, layer.real_dqkv.reals,
                                 elements(&layer, layer.dqkv));
    layer_free(&layer);
}

/* In the encoder, each thread computes some sequences of a batch. */
static void rows_of_other_sequences_stay(void **state)
{
    (void)state;
    require_bf16();
    const int32_t starts[] = {0, 5, 12, 20};
    struct layer layer =
        layer_create((struct attention_shape){3, starts, .max_length = 8, 2, 32}, 0.2);
    forward(&layer);
    backward(&layer);
    const size_t count = elements(&layer, layer.context), dcount = elements(&layer, layer.dqkv);
    const size_t width = (size_t)layer.context.width, dwidth = (size_t)layer.dqkv.width;
    bf16 *context = nan_bf16(count), *dqkv = nan_bf16(dcount);
    memcpy(context + 5 * width, layer.context.bf16 + 5 * width, 7 * width * sizeof(bf16));
    memcpy(dqkv + 5 * dwidth, layer.dqkv.bf16 + 5 * dwidth, 7 * dwidth * sizeof(bf16));
    memset(layer.context.bf16, 0xFF, count * sizeof(bf16));
    memset(layer.dqkv.bf16, 0xFF, dcount * sizeof(bf16));

    const struct attention_shape middle = {1, starts + 1, .max_length = 8, 2, 32};
    const struct attention_operands x = operands(&layer, layer.qkv);
    const struct attention_operands dx = operands(&layer, layer.dqkv);
    attention_forward(layer.context, &x, layer.scratch, &middle, &layer.dropout, SITE,
                      examples + 1);
    attention_backward(&dx, layer.dcontext, &x, layer.scratch, &middle, &layer.dropout, SITE,
                       examples + 1);
    assert_bf16_identical(layer.context.bf16, context, count);
    assert_bf16_identical(layer.dqkv.bf16, dqkv, dcount);
    free(context);
    free(dqkv);
    layer_free(&layer);
}

/* Some queries of a sequence give the same results as all of them if the gradient of the others is
 * zero. */
static void chosen_queries_are_as_among_all(void **state)
{
    (void)state;
    require_bf16();
    enum { LENGTH = 150, CHOSEN = 130 }; /* more than a block */
    int32_t rows[CHOSEN];
    for (int i = 0; i < CHOSEN; i++)
        rows[i] = i < 3 ? i : i + LENGTH - CHOSEN;
    const int32_t query_starts[] = {0, CHOSEN};
    struct layer layer = layer_create(
        (struct attention_shape){1, (const int32_t[]){0, LENGTH}, .max_length = LENGTH, 2, 32},
        0.2);
    const size_t width = (size_t)layer.width, apart = (size_t)layer.dcontext.width;
    memset(layer.dcontext.bf16 + 3 * apart, 0, (LENGTH - CHOSEN) * apart * sizeof(bf16));
    forward(&layer);
    backward(&layer);

    struct attention_shape shape = layer.shape;
    shape.query_starts = query_starts, shape.query_positions = rows;
    const struct attention_operands all = operands(&layer, layer.dqkv);
    struct attention_operands x = operands(&layer, layer.qkv), dx = all;
    const struct rows query = nan_rows(CHOSEN, layer.width);
    const struct rows dcontext = nan_rows(CHOSEN, layer.width);
    const struct rows context = nan_rows(CHOSEN, layer.width);
    const struct rows dkey_value = nan_rows(LENGTH, 2 * layer.width);
    for (int i = 0; i < CHOSEN; i++) {
        memcpy(query.bf16 + (size_t)i * apart, rows_address(&x.query, rows[i]),
               width * sizeof(bf16));
        memcpy(dcontext.bf16 + (size_t)i * apart, rows_address(&layer.dcontext, rows[i]),
               width * sizeof(bf16));
    }
    x.query = query;
    dx.query = nan_rows(CHOSEN, layer.width);
    dx.key = dkey_value;
    dx.value = rows_columns_from(dkey_value, layer.width);
    attention_forward(context, &x, layer.scratch, &shape, &layer.dropout, SITE, examples);
    attention_backward(&dx, dcontext, &x, layer.scratch, &shape, &layer.dropout, SITE, examples);

    for (int i = 0; i < CHOSEN; i++) {
        assert_bf16_identical(rows_address(&context, i), rows_address(&layer.context, rows[i]),
                              width);
        assert_bf16_identical(rows_address(&dx.query, i), rows_address(&all.query, rows[i]), width);
    }
    /* dK and dV are sums over queries, whose blocks differ, so that they differ by rounding. */
    for (int row = 0; row < LENGTH; row++)
        for (int i = 0; i < layer.width; i++) {
            const bf16 *found[] = {rows_address(&dx.key, row), rows_address(&dx.value, row)};
            const bf16 *expected[] = {rows_address(&all.key, row), rows_address(&all.value, row)};
            for (int part = 0; part < 2; part++) {
                const double a = (double)bf16_to_float(found[part][i]);
                const double b = (double)bf16_to_float(expected[part][i]);
                assert_true(fabs(a - b) <= 2 * BF16_ROUNDING * fabs(b) + 1e-5);
            }
        }
    free(query.bf16), free(dcontext.bf16), free(context.bf16);
    free(dkey_value.bf16), free(dx.query.bf16);
    layer_free(&layer);
}

static void one_block_of_scratch_serves_inside_a_parallel_region(void **state)
{
    (void)state;
    require_bf16();
    struct layer layer = layer_create(
        (struct attention_shape){3, (const int32_t[]){0, 9, 17, 20}, .max_length = 9, 4, 32}, 0.1);
    const size_t block = attention_scratch(9, 32, true), others = (MAX_THREADS - 1) * block;
    real *untouched = copy_reals(layer.scratch + block, others);
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

static void huge_scores_stay_finite(void **state)
{
    (void)state;
    require_bf16();
    struct layer layer = layer_create(
        (struct attention_shape){1, (const int32_t[]){0, 150}, .max_length = 150, 2, 32}, 0.1);
    for (size_t i = 0; i < elements(&layer, layer.qkv); i++)
        layer.qkv.bf16[i] = bf16_from_float(bf16_to_float(layer.qkv.bf16[i]) * 1e8f);
    forward_work(&layer);
    backward_work(&layer);
    for (int row = 0; row < (int)layer.rows; row++) {
        const size_t width = (size_t)layer.width;
        assert_reals_finite(rows_address(&layer.real_context, row), width);
        assert_reals_finite(rows_address(&layer.real_dqkv, row), 3 * width);
    }
    layer_free(&layer);
}

int main(void)
{
    omp_set_num_threads(MAX_THREADS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_passes_match_double_precision),
        cmocka_unit_test(mixed_lengths_match_double_precision),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(rows_of_other_sequences_stay),
        cmocka_unit_test(chosen_queries_are_as_among_all),
        cmocka_unit_test(one_block_of_scratch_serves_inside_a_parallel_region),
        cmocka_unit_test(huge_scores_stay_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
