/* One head of one sequence: what attention.c divides the work into, computed in reals
 * (attention_real.c) or in bf16 (attention_bf16.c), and the arithmetic that both share. */
#ifndef CLOZE_NN_ATTENTION_HEAD_H
#define CLOZE_NN_ATTENTION_HEAD_H

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
 * square, and stays in a core's second-level cache (3 x 128 x 512 floats are 768 KiB). */
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

size_t attention_real_scratch(int max_length, int head_size);
void attention_real_forward(const struct attention_head *head, real *scratch);
void attention_real_backward(const struct attention_head *head, real *scratch);

size_t attention_bf16_scratch(int max_length, int head_size);
void attention_bf16_forward(const struct attention_head *head, real *scratch);
void attention_bf16_backward(const struct attention_head *head, real *scratch);

#endif
