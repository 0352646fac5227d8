/* One head of one sequence, the unit of work of attention.c. */
#ifndef CLOZE_NN_ATTENTION_HEAD_H
#define CLOZE_NN_ATTENTION_HEAD_H

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

/* Returns the working memory of a thread, in reals, for sequences up to max_length. */
size_t attention_head_scratch(const struct gemm_kernels *kernels, int max_length, int head_size);

/* Compute the head's context, or the gradients with respect to its operands (nn/attention.h). The
 * kernels are those of the operands' type; `scratch` is the thread's own. */
void attention_head_forward(const struct attention_head *head, const struct gemm_kernels *kernels,
                            real *scratch);
void attention_head_backward(const struct attention_head *head, const struct gemm_kernels *kernels,
                             real *scratch);

#endif
