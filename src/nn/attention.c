#include "nn/attention.h"

#include "nn/attention_head.h"

#include <math.h>
#include <omp.h>

size_t attention_scratch(int max_length, int head_size, bool in_bf16)
{
    return attention_head_scratch(gemm_for(in_bf16), max_length, head_size);
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
    const struct gemm_kernels *kernels = gemm_for(context.bf16);
    const size_t block = attention_head_scratch(kernels, shape->max_length, shape->head_size);
#pragma omp parallel for schedule(dynamic) if (!omp_get_level())
    for (int pair = 0; pair < shape->sequences * shape->heads; pair++) {
        const struct place place = place_of(shape, pair);
        struct attention_head head = head_of(shape, pair, dropout, site, examples);
        real *own = scratch + (size_t)omp_get_thread_num() * block;
        head.x = operands_at(x, &place);
        head.context = rows_at(context, place.query, place.column);
        attention_head_forward(&head, kernels, own);
    }
}

void attention_backward(const struct attention_operands *dx, struct rows dcontext,
                        const struct attention_operands *x, real *scratch,
                        const struct attention_shape *shape, const struct dropout *dropout,
                        uint32_t site, const int32_t *examples)
{
    const struct gemm_kernels *kernels = gemm_for(dcontext.bf16);
    const size_t block = attention_head_scratch(kernels, shape->max_length, shape->head_size);
#pragma omp parallel for schedule(dynamic) if (!omp_get_level())
    for (int pair = 0; pair < shape->sequences * shape->heads; pair++) {
        const struct place place = place_of(shape, pair);
        struct attention_head head = head_of(shape, pair, dropout, site, examples);
        real *own = scratch + (size_t)omp_get_thread_num() * block;
        head.x = operands_at(x, &place);
        head.dx = operands_at(dx, &place);
        head.context = rows_at(dcontext, place.query, place.column);
        attention_head_backward(&head, kernels, own);
    }
}
