#include "nn/attention_head.h"

#include "base/error.h"
#include "math/vectorized.h"

#include <math.h>
#include <omp.h>

/* Returns the size of a thread's working memory with these kernels; NULL stands for sgemm. */
static size_t scratch_with(const struct panel_kernels *kernels, int max_length, int head_size)
{
    return kernels ? attention_panels_scratch(kernels, max_length, head_size)
                   : attention_gemm_scratch(max_length);
}

size_t attention_scratch(int max_length, int head_size, bool in_bf16)
{
    return scratch_with(panels_for(in_bf16), max_length, head_size);
}

void attention_drop(real *probabilities, size_t ld, const struct attention_head *head, int first,
                    int rows)
{
    for (int row = 0; row < rows; row++) {
        const int query = first + row;
        const int position = head->positions ? head->positions[query] : query;
        dropout_row(probabilities + (size_t)row * ld, head->length, head->dropout, head->site,
                    head->example, head->dropout_row + (uint32_t)position);
    }
}

VECTORIZED static void score_gradient(real *scores, const real *attention,
                                      const real *probabilities, int length)
{
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < length; i++)
        sum += attention[i] * scores[i];
#pragma omp simd
    for (int i = 0; i < length; i++)
        scores[i] = attention[i] * scores[i] - probabilities[i] * sum;
}

void attention_score_gradient(real *scores, const real *attention, const real *probabilities,
                              int length)
{
    score_gradient(scores, attention, probabilities, length);
}

static const int32_t *query_starts_of(const struct attention_shape *shape)
{
    return shape->query_starts ? shape->query_starts : shape->starts;
}

/* The first query row, key row and column of a head of a sequence. */
struct place {
    int query, key, column;
};

/* Returns the place of head number pair % heads of sequence number pair / heads. */
static struct place place_of(const struct attention_shape *shape, int pair)
{
    const int sequence = pair / shape->heads;
    return (struct place){
        .query = query_starts_of(shape)[sequence],
        .key = shape->starts[sequence],
        .column = pair % shape->heads * shape->head_size,
    };
}

static struct rows rows_at(struct rows rows, int row, int column)
{
    return rows_columns_from(rows_from(rows, row), column);
}

static struct attention_operands operands_at(const struct attention_operands *x,
                                             const struct place *place)
{
    return (struct attention_operands){
        .query = rows_at(x->query, place->query, place->column),
        .key = rows_at(x->key, place->key, place->column),
        .value = rows_at(x->value, place->key, place->column),
    };
}

/* Returns the head of a pair without its operands, context and gradients. */
static struct attention_head head_of(const struct attention_shape *shape, int pair,
                                     const struct dropout *dropout, uint32_t site,
                                     const int32_t *examples)
{
    const int sequence = pair / shape->heads, index = pair % shape->heads;
    const int32_t *query_starts = query_starts_of(shape);
    return (struct attention_head){
        .queries = query_starts[sequence + 1] - query_starts[sequence],
        .length = shape->starts[sequence + 1] - shape->starts[sequence],
        .positions =
            shape->query_positions ? shape->query_positions + query_starts[sequence] : NULL,
        .head_size = shape->head_size,
        .dropout = dropout,
        .site = site,
        .example = (uint32_t)examples[sequence],
        .dropout_row = (uint32_t)index << 16,
        .scale = (real)(1 / sqrt((double)shape->head_size)),
        .profile = shape->profile,
    };
}

void attention_forward(struct rows context, const struct attention_operands *x, real *scratch,
                       const struct attention_shape *shape, const struct dropout *dropout,
                       uint32_t site, const int32_t *examples)
{
    const struct panel_kernels *kernels = panels_for(context.bf16);
    const size_t block = scratch_with(kernels, shape->max_length, shape->head_size);
    CHECK(kernels || context.reals);
#pragma omp parallel for schedule(dynamic)
    for (int pair = 0; pair < shape->sequences * shape->heads; pair++) {
        const struct place place = place_of(shape, pair);
        struct attention_head head = head_of(shape, pair, dropout, site, examples);
        real *own = scratch + (size_t)omp_get_thread_num() * block;
        head.x = operands_at(x, &place);
        head.context = rows_at(context, place.query, place.column);
        if (kernels)
            attention_panels_forward(&head, kernels, own);
        else
            attention_gemm_forward(&head, own);
    }
}

void attention_backward(const struct attention_operands *dx, struct rows dcontext,
                        const struct attention_operands *x, real *scratch,
                        const struct attention_shape *shape, const struct dropout *dropout,
                        uint32_t site, const int32_t *examples)
{
    const struct panel_kernels *kernels = panels_for(dcontext.bf16);
    const size_t block = scratch_with(kernels, shape->max_length, shape->head_size);
    CHECK(kernels || dcontext.reals);
#pragma omp parallel for schedule(dynamic)
    for (int pair = 0; pair < shape->sequences * shape->heads; pair++) {
        const struct place place = place_of(shape, pair);
        struct attention_head head = head_of(shape, pair, dropout, site, examples);
        real *own = scratch + (size_t)omp_get_thread_num() * block;
        head.x = operands_at(x, &place);
        head.dx = operands_at(dx, &place);
        head.context = rows_at(dcontext, place.query, place.column);
        if (kernels)
            attention_panels_backward(&head, kernels, own);
        else
            attention_gemm_backward(&head, own);
    }
}
