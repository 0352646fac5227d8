/* Softmax cross-entropy: loss = log sum exp(logits) - logits[label]. */
#ifndef CLOZE_NN_CROSS_ENTROPY_H
#define CLOZE_NN_CROSS_ENTROPY_H

#include "nn/rows.h"

#include <stdint.h>

/* Sums over rows, taken in their order. */
struct cross_entropy {
    double loss;         /* sum over rows with a label */
    double loss_squares; /* sum of the squares of the same */
    int64_t count;       /* rows with a label */
    int64_t correct;     /* rows whose largest logit (the first of equals) is the label's */
};

/* logits  [rows, logits.width], real, of whose columns the first `classes` count
 * labels  [rows], a negative label is not counted
 * row_loss [rows]          out: working memory, each row's loss
 * *sums is added to. Rows run in parallel; the result does not depend on the number of threads. A
 * NaN among a row's logits makes its loss NaN. Cannot fail. */
void cross_entropy_forward(struct cross_entropy *sums, real *row_loss, struct rows logits,
                           const int32_t *labels, int rows, int classes);

/* The same, and the gradient over the logits; zero in rows without a label and in columns behind
 * the classes:
 *   dlogits = (softmax(logits) - onehot(label)) * scale
 * dlogits [rows, dlogits.width]  out: logits itself, or bf16 of the same width
 * logits are destroyed. */
void cross_entropy_backward(struct cross_entropy *sums, real *row_loss, struct rows dlogits,
                            struct rows logits, const int32_t *labels, int rows, int classes,
                            real scale);

/* probabilities [rows, classes] out, may be logits itself. */
void softmax(real *probabilities, const real *logits, int rows, int classes);

#endif
