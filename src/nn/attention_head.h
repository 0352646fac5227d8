/* One head of one sequence: what attention.c divides the work into, computed by kernels of
 * math/panels.h (attention_panels.c) or by sgemm (attention_gemm.c), and the arithmetic that both
 * share. */
#ifndef CLOZE_NN_ATTENTION_HEAD_H
#define CLOZE_NN_ATTENTION_HEAD_H

#include "math/panels.h"
#include "nn/attention.h"

struct attention_head {
    struct attention_operands x;    /* the sequence's rows, from the head's first column on */
    struct rows context;            /* likewise; of its gradient in the backward pass */
    struct attention_operands dx;   /* likewise; backward only */
    int queries, length, head_size; /* length: of the sequence, the number of keys */
    const int32_t *positions;       /* [queries]; NULL: 0, 1, ... */
    const struct dropout *dropout;
    uint32_t site, example, dropout_row; /* the dropout row of position 0 */
    real scale;                          /* 1 / sqrt(D) */
    struct profile *profile;
};

/* Queries worked on at a time: working memory grows with the length of a sequence, not with its
 * square. */
enum { ATTENTION_QUERIES = 128 };

/* How many of them the block has that begins at query `first`. */
static inline int attention_block_rows(int first, int queries)
{
    return queries - first < ATTENTION_QUERIES ? queries - first : ATTENTION_QUERIES;
}

/* P in, A = dropout(P) out, in place: `rows` queries from `first` on, rows ld apart. */
void attention_drop(real *probabilities, size_t ld, const struct attention_head *head, int first,
                    int rows);

/* scores [length]: dA in, dS out, of one query. */
void attention_score_gradient(real *scores, const real *attention, const real *probabilities,
                              int length);

/* On reals, by sgemm. Scratch: a thread's own, that many reals. */
size_t attention_gemm_scratch(int max_length);
void attention_gemm_forward(const struct attention_head *head, real *scratch);
void attention_gemm_backward(const struct attention_head *head, real *scratch);

/* On the kernels' elements, by them. */
size_t attention_panels_scratch(const struct panels *kernels, int max_length, int head_size);
void attention_panels_forward(const struct attention_head *head, const struct panels *kernels,
                              real *scratch);
void attention_panels_backward(const struct attention_head *head, const struct panels *kernels,
                               real *scratch);

#endif
