/* One head of one sequence, the unit of work of attention.c. It is computed by kernels of
 * math/panels.h (attention_panels.c) or by sgemm (attention_gemm.c); both share the arithmetic
 * declared here. */
#ifndef CLOZE_NN_ATTENTION_HEAD_H
#define CLOZE_NN_ATTENTION_HEAD_H

#include "base/min.h"
#include "math/panels.h"
#include "nn/attention.h"

struct attention_head {
    struct attention_operands x;    /* the sequence's rows, from the head's first column on */
    struct rows context;            /* likewise; its gradient in the backward pass */
    struct attention_operands dx;   /* likewise; only in the backward pass */
    int queries, length, head_size; /* `length` is the number of keys */
    const int32_t *positions;       /* [queries]; NULL stands for 0, 1, ... */
    const struct dropout *dropout;
    uint32_t site, example, dropout_row; /* the dropout row of position 0 */
    real scale;                          /* 1 / sqrt(D) */
    struct profile *profile;
};

/* The queries of a block. With blocks of fixed size the working memory grows with the length of a
 * sequence, not with its square. */
enum { ATTENTION_QUERIES = 128 };

/* Returns the number of queries of the block that begins at query `first`. */
static inline int attention_block_rows(int first, int queries)
{
    return min_int(queries - first, ATTENTION_QUERIES);
}

/* Replaces P by A = dropout(P) for `rows` queries from `first` on; rows are ld apart. */
void attention_drop(real *probabilities, size_t ld, const struct attention_head *head, int first,
                    int rows);

/* scores [length] holds dA of one query and becomes dS. */
void attention_score_gradient(real *scores, const real *attention, const real *probabilities,
                              int length);

/* Attention on reals, by sgemm. `scratch` is the thread's own; it has as many reals as the first
 * function returns. */
size_t attention_gemm_scratch(int max_length);
void attention_gemm_forward(const struct attention_head *head, real *scratch);
void attention_gemm_backward(const struct attention_head *head, real *scratch);

/* Attention on the kernels' type of elements. */
size_t attention_panels_scratch(const struct panel_kernels *kernels, int max_length, int head_size);
void attention_panels_forward(const struct attention_head *head,
                              const struct panel_kernels *kernels, real *scratch);
void attention_panels_backward(const struct attention_head *head,
                               const struct panel_kernels *kernels, real *scratch);

#endif
