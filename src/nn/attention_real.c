#include "nn/attention_head.h"

#include "math/gemm.h"
#include "nn/softmax.h"

/* What the backward pass keeps of a block of queries: P, A and dA, each [queries, length]. */
enum { SCRATCH_MATRICES = 3 };

size_t attention_real_scratch(int max_length, int head_size)
{
    (void)head_size; /* the products read Q, K and V where they are */
    return SCRATCH_MATRICES * (size_t)attention_block_rows(0, max_length) * (size_t)max_length;
}

/* Where the head's part of Q (0), K (1) or V (2) begins at a row, in qkv or its gradient. */
static real *part_at(const struct attention_head *head, struct rows qkv, int part, int row)
{
    return qkv.reals + (size_t)row * (size_t)qkv.width + (size_t)part * (size_t)head->width +
           head->column;
}

static struct matrix part_matrix(const struct attention_head *head, int part, int row)
{
    return (struct matrix){part_at(head, head->qkv, part, row), head->qkv.width, NO_TRANSPOSE};
}

static struct matrix transposed(struct matrix matrix)
{
    matrix.transpose = TRANSPOSE;
    return matrix;
}

static real *context_at(const struct attention_head *head, int row)
{
    return head->context.reals + (size_t)row * (size_t)head->width + head->column;
}

/* P [rows, length] out, of the queries from `first`. */
static void probabilities_of(real *probabilities, const struct attention_head *head, int first,
                             int rows)
{
    profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
    gemm(probabilities, head->length, part_matrix(head, 0, first),
         transposed(part_matrix(head, 1, 0)), rows, head->length, head->head_size, head->scale, 0);
    profile_enter(head->profile, PHASE_ATTENTION_SOFTMAX);
    for (int row = 0; row < rows; row++) {
        real *p = probabilities + (size_t)row * (size_t)head->length;
        softmax_row(p, p, head->length, 1);
    }
}

void attention_real_forward(const struct attention_head *head, real *scratch)
{
    const int length = head->length;
    for (int first = 0; first < length; first += ATTENTION_QUERIES) {
        const int rows = attention_block_rows(first, length);
        probabilities_of(scratch, head, first, rows);
        attention_drop(scratch, (size_t)length, head, first, rows);
        profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
        gemm(context_at(head, first), head->width, (struct matrix){scratch, length, NO_TRANSPOSE},
             part_matrix(head, 2, 0), rows, head->head_size, length, 1, 0);
    }
}

/* dQ of the queries from `first`, and what they add to dK and dV. */
static void block_backward(const struct attention_head *head, int first, real *scratch)
{
    const int length = head->length, ld = head->dqkv.width, size = head->head_size;
    const int rows = attention_block_rows(first, length);
    const size_t elements = (size_t)rows * (size_t)length;
    const real add = first > 0 ? 1 : 0;
    real *probabilities = scratch, *attention = probabilities, *scores = scratch + 2 * elements;
    const struct matrix dcontext = {context_at(head, first), head->width, NO_TRANSPOSE};

    probabilities_of(probabilities, head, first, rows);
    if (head->dropout->threshold > 0) {
        attention = scratch + elements;
        memcpy(attention, probabilities, elements * sizeof(real));
        attention_drop(attention, (size_t)length, head, first, rows);
    }
    profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
    gemm(part_at(head, head->dqkv, 2, 0), ld, (struct matrix){attention, length, TRANSPOSE},
         dcontext, length, size, rows, 1, add);
    gemm(scores, length, dcontext, transposed(part_matrix(head, 2, 0)), rows, length, size, 1, 0);
    profile_enter(head->profile, PHASE_ATTENTION_SOFTMAX);
    for (int row = 0; row < rows; row++) {
        const size_t at = (size_t)row * (size_t)length;
        attention_score_gradient(scores + at, attention + at, probabilities + at, length);
    }
    profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
    gemm(part_at(head, head->dqkv, 0, first), ld, (struct matrix){scores, length, NO_TRANSPOSE},
         part_matrix(head, 1, 0), rows, size, length, head->scale, 0);
    gemm(part_at(head, head->dqkv, 1, 0), ld, (struct matrix){scores, length, TRANSPOSE},
         part_matrix(head, 0, first), length, size, rows, head->scale, add);
}

void attention_real_backward(const struct attention_head *head, real *scratch)
{
    for (int first = 0; first < head->length; first += ATTENTION_QUERIES)
        block_backward(head, first, scratch);
}
