#include "nn/attention.h"

#include "math/gemm.h"
#include "math/vectorized.h"
#include "nn/softmax.h"

#include <math.h>
#include <omp.h>
#include <string.h>

/* Queries worked on at a time: working memory grows with the length of a sequence, not with its
 * square, and stays in a core's second-level cache (3 x 128 x 512 floats are 768 KiB). */
enum { QUERY_BLOCK = 128 };

/* What the backward pass keeps of a block of queries: P, A and dA, each [QUERY_BLOCK, length]. */
enum { SCRATCH_MATRICES = 3 };

static int block_rows(int first, int length)
{
    return length - first < QUERY_BLOCK ? length - first : QUERY_BLOCK;
}

size_t attention_scratch(int max_length, int head_size)
{
    (void)
        head_size; /* for kernels that hold copies of K and V; products read these where they are */
    return SCRATCH_MATRICES * (size_t)block_rows(0, max_length) * (size_t)max_length;
}

/* One head of one sequence. */
struct head {
    size_t first_row; /* of the sequence */
    size_t column;    /* of the head, in Q, K, V and the context */
    int length, head_size, width;
    const real *query, *key, *value; /* [length, head_size], rows 3 * width apart */
    const struct dropout *dropout;
    uint32_t site, example, dropout_row; /* the dropout row of query 0 */
    real scale;                          /* 1 / sqrt(D) */
    struct profile *profile;
};

static struct head head_at(const real *qkv, const struct attention_shape *shape, int pair,
                           const struct dropout *dropout, uint32_t site, const int32_t *examples)
{
    const int sequence = pair / shape->heads, index = pair % shape->heads;
    const int width = shape->heads * shape->head_size;
    const size_t first_row = (size_t)shape->starts[sequence];
    const size_t column = (size_t)index * (size_t)shape->head_size;
    const real *query = qkv + first_row * 3 * (size_t)width + column;
    return (struct head){
        .first_row = first_row,
        .column = column,
        .length = shape->starts[sequence + 1] - shape->starts[sequence],
        .head_size = shape->head_size,
        .width = width,
        .query = query,
        .key = query + width,
        .value = query + (size_t)2 * (size_t)width,
        .dropout = dropout,
        .site = site,
        .example = (uint32_t)examples[sequence],
        .dropout_row = (uint32_t)index << 16,
        .scale = (real)(1 / sqrt((double)shape->head_size)),
        .profile = shape->profile,
    };
}

/* Rows of Q, K, V or their gradients, from row `first` of the sequence. */
static struct matrix rows_of(const struct head *head, const real *values, int first)
{
    return (struct matrix){values + (size_t)first * 3 * (size_t)head->width, 3 * head->width,
                           NO_TRANSPOSE};
}

/* P [rows, length] out, of the queries from `first`. */
static void probabilities_of(real *probabilities, const struct head *head, int first, int rows)
{
    struct matrix keys = rows_of(head, head->key, 0);
    keys.transpose = TRANSPOSE;
    profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
    gemm(probabilities, head->length, rows_of(head, head->query, first), keys, rows, head->length,
         head->head_size, head->scale, 0);
    profile_enter(head->profile, PHASE_ATTENTION_SOFTMAX);
    for (int row = 0; row < rows; row++) {
        real *p = probabilities + (size_t)row * (size_t)head->length;
        softmax_row(p, p, head->length, 1);
    }
}

/* P in, A out, in place. */
static void drop_probabilities(real *probabilities, const struct head *head, int first, int rows)
{
    for (int row = 0; row < rows; row++)
        dropout_row(probabilities + (size_t)row * (size_t)head->length, head->length, head->dropout,
                    head->site, head->example, head->dropout_row + (uint32_t)(first + row));
}

static void head_forward(real *context, const struct head *head, real *scratch)
{
    const int length = head->length, width = head->width;
    real *out = context + head->first_row * (size_t)width + head->column;
    for (int first = 0; first < length; first += QUERY_BLOCK) {
        const int rows = block_rows(first, length);
        probabilities_of(scratch, head, first, rows);
        drop_probabilities(scratch, head, first, rows);
        profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
        gemm(out + (size_t)first * (size_t)width, width,
             (struct matrix){scratch, length, NO_TRANSPOSE}, rows_of(head, head->value, 0), rows,
             head->head_size, length, 1, 0);
    }
}

void attention_forward(real *context, const real *qkv, real *scratch,
                       const struct attention_shape *shape, const struct dropout *dropout,
                       uint32_t site, const int32_t *examples)
{
    const size_t block = attention_scratch(shape->max_length, shape->head_size);
#pragma omp parallel for schedule(dynamic)
    for (int pair = 0; pair < shape->sequences * shape->heads; pair++) {
        struct head head = head_at(qkv, shape, pair, dropout, site, examples);
        head_forward(context, &head, scratch + (size_t)omp_get_thread_num() * block);
    }
}

/* scores [length]: dA in, dS out. */
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

/* dQ of the queries from `first`, and what they add to dK and dV. dcontext and the three gradients
 * point at the head's first row. */
static void block_backward(real *dquery, real *dkey, real *dvalue, const real *dcontext,
                           const struct head *head, int first, real *scratch)
{
    const int length = head->length, ld = 3 * head->width;
    const int rows = block_rows(first, length);
    const size_t elements = (size_t)rows * (size_t)length;
    const real add = first > 0 ? 1 : 0;
    real *probabilities = scratch, *attention = probabilities, *scores = scratch + 2 * elements;
    const struct matrix doutput = {dcontext + (size_t)first * (size_t)head->width, head->width,
                                   NO_TRANSPOSE};
    struct matrix values = rows_of(head, head->value, 0);
    values.transpose = TRANSPOSE;

    probabilities_of(probabilities, head, first, rows);
    if (head->dropout->threshold > 0) {
        attention = scratch + elements;
        memcpy(attention, probabilities, elements * sizeof(real));
        drop_probabilities(attention, head, first, rows);
    }
    profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
    gemm(dvalue, ld, (struct matrix){attention, length, TRANSPOSE}, doutput, length,
         head->head_size, rows, 1, add);
    gemm(scores, length, doutput, values, rows, length, head->head_size, 1, 0);
    profile_enter(head->profile, PHASE_ATTENTION_SOFTMAX);
    for (int row = 0; row < rows; row++) {
        size_t at = (size_t)row * (size_t)length;
        score_gradient(scores + at, attention + at, probabilities + at, length);
    }
    profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
    gemm(dquery + (size_t)first * (size_t)ld, ld, (struct matrix){scores, length, NO_TRANSPOSE},
         rows_of(head, head->key, 0), rows, head->head_size, length, head->scale, 0);
    gemm(dkey, ld, (struct matrix){scores, length, TRANSPOSE}, rows_of(head, head->query, first),
         length, head->head_size, rows, head->scale, add);
}

static void head_backward(real *dqkv, const real *dcontext, const struct head *head, real *scratch)
{
    const size_t width = (size_t)head->width;
    real *dquery = dqkv + head->first_row * 3 * width + head->column;
    const real *dout = dcontext + head->first_row * width + head->column;
    for (int first = 0; first < head->length; first += QUERY_BLOCK)
        block_backward(dquery, dquery + width, dquery + 2 * width, dout, head, first, scratch);
}

void attention_backward(real *dqkv, const real *dcontext, const real *qkv, real *scratch,
                        const struct attention_shape *shape, const struct dropout *dropout,
                        uint32_t site, const int32_t *examples)
{
    const size_t block = attention_scratch(shape->max_length, shape->head_size);
#pragma omp parallel for schedule(dynamic)
    for (int pair = 0; pair < shape->sequences * shape->heads; pair++) {
        struct head head = head_at(qkv, shape, pair, dropout, site, examples);
        head_backward(dqkv, dcontext, &head, scratch + (size_t)omp_get_thread_num() * block);
    }
}
