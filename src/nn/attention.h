/* Multi-head scaled dot-product self-attention (Vaswani et al. 2017) on packed sequences:
 *   per sequence and head:  S = Q K^T / sqrt(D),  P = softmax(S),  A = dropout(P),  C = A V
 * A sequence may have fewer queries than keys, if not every token needs a context. Packed sequences
 * have no padding, so nothing is masked. The probabilities of one head and a block of queries live
 * in a thread's working memory; the backward pass recomputes them. */
#ifndef CLOZE_NN_ATTENTION_H
#define CLOZE_NN_ATTENTION_H

#include "nn/dropout.h"
#include "nn/profile.h"
#include "nn/rows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct attention_shape {
    int sequences;         /* B */
    const int32_t *starts; /* [B + 1] first row of each sequence, then the number of rows T */
    int max_length;        /* length of the longest sequence */
    int heads;             /* A */
    int head_size;         /* D; H = A * D */

    /* Both are NULL if every row is also a query. Each sequence has at least one query. */
    const int32_t *query_starts;    /* [B + 1] first query of each sequence, then their number R */
    const int32_t *query_positions; /* [R] position of the query in its sequence, for dropout */

    struct profile *profile; /* NULL: none */
};

/* The operands are all real or all bf16; bf16 needs a head_size that is a multiple of BF16_DEPTH. A
 * row holds all heads, one after the other. */
struct attention_operands {
    struct rows query;      /* [R, H] */
    struct rows key, value; /* [T, H] */
};

/* Returns the working memory of one thread, in reals, for sequences up to max_length; it grows in
 * proportion to the length. */
size_t attention_scratch(int max_length, int head_size, bool in_bf16);

/* context [R, H]   out, in the type of the operands
 * scratch [threads, attention_scratch]
 *                  one block a thread: omp_get_max_threads() of them from serial code, one inside a
 *                  parallel region
 * examples [B]     number of the example that a sequence is, for dropout
 * (sequence, head) pairs run in parallel; the result does not depend on the number of threads. Rows
 * of other sequences are not changed. Cannot fail. */
void attention_forward(struct rows context, const struct attention_operands *x, real *scratch,
                       const struct attention_shape *shape, const struct dropout *dropout,
                       uint32_t site, const int32_t *examples);

/* dx        out
 * dcontext  [R, H]
 * With dA = dC V^T and elementwise products:
 *   dV = A^T dC,  dS = A * dA - P * rowsum(A * dA),  dQ = dS K / sqrt(D),  dK = dS^T Q / sqrt(D)
 * (dS = P * (dP - rowsum(P * dP)), where P * dP = A * dA: dropout scales P and dA alike.) */
void attention_backward(const struct attention_operands *dx, struct rows dcontext,
                        const struct attention_operands *x, real *scratch,
                        const struct attention_shape *shape, const struct dropout *dropout,
                        uint32_t site, const int32_t *examples);

#endif
