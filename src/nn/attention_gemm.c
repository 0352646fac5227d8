#include "nn/attention_head.h"

#include "math/gemm.h"
#include "nn/softmax.h"

/* The backward pass needs three matrices for a block of queries: P, A and dA, each [queries,
 * length]. */
enum { SCRATCH_MATRICES = 3 };

size_t attention_gemm_scratch(int max_length)
{
    return SCRATCH_MATRICES * (size_t)attention_block_rows(0, max_length) * (size_t)max_length;
}

static struct matrix matrix_from(struct rows rows, int first)
{
    return (struct matrix){rows_from(rows, first).reals, rows.width, NO_TRANSPOSE};
}

static struct matrix transposed(struct rows rows)
{
    return (struct matrix){rows.reals, rows.width, TRANSPOSE};
}

/* Computes P [rows, length] of the queries from `first` on. */
static void probabilities_of(real *probabilities, const struct attention_head *head, int first,
                             int rows)
{
    profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
    gemm(probabilities, head->length, matrix_from(head->x.query, first), transposed(head->x.key),
         rows, head->length, head->head_size, head->scale, 0);
    profile_enter(head->profile, PHASE_ATTENTION_SOFTMAX);
    for (int row = 0; row < rows; row++) {
        real *p = probabilities + (size_t)row * (size_t)head->length;
        softmax_row(p, p, head->length, 1);
    }
}

void attention_gemm_forward(const struct attention_head *head, real *scratch)
{
    const int length = head->length;
    for (int first = 0; first < head->queries; first += ATTENTION_QUERIES) {
        const int rows = attention_block_rows(first, head->queries);
        probabilities_of(scratch, head, first, rows);
        attention_drop(scratch, (size_t)length, head, first, rows);
        profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
        gemm(rows_from(head->context, first).reals, head->context.width,
             (struct matrix){scratch, length, NO_TRANSPOSE}, matrix_from(head->x.value, 0), rows,
             head->head_size, length, 1, 0);
    }
}

/* Computes dQ of a block of queries and adds its contributions to dK and dV. */
static void block_backward(const struct attention_head *head, int first, real *scratch)
{
    const int length = head->length, size = head->head_size;
    const int rows = attention_block_rows(first, head->queries);
    const size_t elements = (size_t)rows * (size_t)length;
    const real add = first > 0 ? 1 : 0;
    real *probabilities = scratch, *attention = probabilities, *scores = scratch + 2 * elements;
    const struct attention_operands *x = &head->x, *dx = &head->dx;
    const struct matrix dcontext = matrix_from(head->context, first);

    probabilities_of(probabilities, head, first, rows);
    if (head->dropout->threshold > 0) {
        attention = scratch + elements;
        memcpy(attention, probabilities, elements * sizeof(real));
        attention_drop(attention, (size_t)length, head, first, rows);
    }
    profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
    gemm(dx->value.reals, dx->value.width, (struct matrix){attention, length, TRANSPOSE}, dcontext,
         length, size, rows, 1, add);
    gemm(scores, length, dcontext, transposed(x->value), rows, length, size, 1, 0);
    profile_enter(head->profile, PHASE_ATTENTION_SOFTMAX);
    for (int row = 0; row < rows; row++) {
        const size_t at = (size_t)row * (size_t)length;
        attention_score_gradient(scores + at, attention + at, probabilities + at, length);
    }
    profile_enter(head->profile, PHASE_ATTENTION_PRODUCTS);
    gemm(rows_from(dx->query, first).reals, dx->query.width,
         (struct matrix){scores, length, NO_TRANSPOSE}, matrix_from(x->key, 0), rows, size, length,
         head->scale, 0);
    gemm(dx->key.reals, dx->key.width, (struct matrix){scores, length, TRANSPOSE},
         matrix_from(x->query, first), length, size, rows, head->scale, add);
}

void attention_gemm_backward(const struct attention_head *head, real *scratch)
{
    for (int first = 0; first < head->queries; first += ATTENTION_QUERIES)
        block_backward(head, first, scratch);
}
