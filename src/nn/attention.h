/* Multi-head scaled dot-product self-attention (Vaswani et al. 2017) on packed sequences:
 *   per sequence and head:  S = Q K^T / sqrt(D),  P = softmax(S),  A = dropout(P),  C = A V
 * A sequence's queries may be fewer than its keys: those of the tokens whose context is wanted.
 * Only real tokens are stored, so there is no padding to exclude. The probabilities of one head and
 * a block of queries live in a thread's working memory; the backward pass computes them again. */
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
    int max_length;        /* of the longest sequence */
    int heads;             /* A */
    int head_size;         /* D; H = A * D */

    /* Both NULL: every row is a query too. Each sequence has at least one. */
    const int32_t *query_starts;    /* [B + 1] first query of each sequence, then their number R */
    const int32_t *query_positions; /* [R] in its sequence: what dropout calls it */

    struct profile *profile; /* NULL: none */
};

/* All real or all bf16; the latter needs a head_size that is a multiple of BF16_DEPTH. Heads are
 * side by side in a row. */
struct attention_operands {
    struct rows query;      /* [R, H] */
    struct rows key, value; /* [T, H] */
};

/* Working memory of one thread, in reals, for sequences up to max_length (in proportion to it),
 * with operands in bf16, if there are kernels for it, or in reals. */
size_t attention_scratch(int max_length, int head_size, bool halves);

/* context [R, H]   out, stored as the operands are
 * scratch [threads, attention_scratch]
 *                  one block a thread: omp_get_max_threads() of them from serial code, one inside a
 *                  parallel region
 * examples [B]     what dropout calls the sequence
 * (sequence, head) pairs run in parallel; the result does not depend on the number of threads. Rows
 * of other sequences are left alone. Cannot fail. */
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
