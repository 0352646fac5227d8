#include "nn/attention_head.h"

#include "math/vectorized.h"

#include <math.h>
#include <omp.h>

size_t attention_scratch(int max_length, int head_size)
{
    const size_t reals = attention_real_scratch(max_length, head_size);
    const size_t halves = attention_bf16_scratch(max_length, head_size);
    return reals > halves ? reals : halves;
}

void attention_drop(real *probabilities, size_t ld, const struct attention_head *head, int first,
                    int rows)
{
    for (int row = 0; row < rows; row++)
        dropout_row(probabilities + (size_t)row * ld, head->length, head->dropout, head->site,
                    head->example, head->dropout_row + (uint32_t)(first + row));
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

/* Head number pair % heads of sequence pair / heads, without its context and gradients. */
static struct attention_head head_at(struct rows qkv, const struct attention_shape *shape, int pair,
                                     const struct dropout *dropout, uint32_t site,
                                     const int32_t *examples)
{
    const int sequence = pair / shape->heads, index = pair % shape->heads;
    return (struct attention_head){
        .qkv = rows_from(qkv, shape->starts[sequence]),
        .column = index * shape->head_size,
        .length = shape->starts[sequence + 1] - shape->starts[sequence],
        .head_size = shape->head_size,
        .width = shape->heads * shape->head_size,
        .dropout = dropout,
        .site = site,
        .example = (uint32_t)examples[sequence],
        .dropout_row = (uint32_t)index << 16,
        .scale = (real)(1 / sqrt((double)shape->head_size)),
        .profile = shape->profile,
    };
}

void attention_forward(struct rows context, struct rows qkv, real *scratch,
                       const struct attention_shape *shape, const struct dropout *dropout,
                       uint32_t site, const int32_t *examples)
{
    const size_t block = attention_scratch(shape->max_length, shape->head_size);
#pragma omp parallel for schedule(dynamic)
    for (int pair = 0; pair < shape->sequences * shape->heads; pair++) {
        struct attention_head head = head_at(qkv, shape, pair, dropout, site, examples);
        real *own = scratch + (size_t)omp_get_thread_num() * block;
        head.context = rows_from(context, shape->starts[pair / shape->heads]);
        if (qkv.halves)
            attention_bf16_forward(&head, own);
        else
            attention_real_forward(&head, own);
    }
}

void attention_backward(struct rows dqkv, struct rows dcontext, struct rows qkv, real *scratch,
                        const struct attention_shape *shape, const struct dropout *dropout,
                        uint32_t site, const int32_t *examples)
{
    const size_t block = attention_scratch(shape->max_length, shape->head_size);
#pragma omp parallel for schedule(dynamic)
    for (int pair = 0; pair < shape->sequences * shape->heads; pair++) {
        struct attention_head head = head_at(qkv, shape, pair, dropout, site, examples);
        real *own = scratch + (size_t)omp_get_thread_num() * block;
        head.context = rows_from(dcontext, shape->starts[pair / shape->heads]);
        head.dqkv = rows_from(dqkv, shape->starts[pair / shape->heads]);
        if (qkv.halves)
            attention_bf16_backward(&head, own);
        else
            attention_real_backward(&head, own);
    }
}
