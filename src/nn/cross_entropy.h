/* Softmax cross-entropy: loss = log sum exp(logits) - logits[label]. */
#ifndef CLOZE_NN_CROSS_ENTROPY_H
#define CLOZE_NN_CROSS_ENTROPY_H

#include "nn/loss_sums.h"
#include "nn/rows.h"

#include <stdint.h>

/* logits   [rows, logits.width]  real; only the first `classes` columns are used
 * labels   [rows]                a row with a negative label is not counted
 * row_loss [rows]                out, working memory: the loss of each row
 * Adds to *sums, where a row is correct if the first of its largest logits is the label's. Rows run
 * in parallel; the result does not depend on the number of threads. A NaN among a row's logits
 * makes its loss NaN. Cannot fail. */
void cross_entropy_forward(struct loss_sums *sums, real *row_loss, struct rows logits,
                           const int32_t *labels, int rows, int classes);

/* As cross_entropy_forward, and computes the gradient with respect to the logits; it is zero in
 * rows without a label and in columns after the classes:
 *   dlogits = (softmax(logits) - onehot(label)) * scale
 * dlogits [rows, dlogits.width]  out: logits itself, or bf16 of the same width
 * The logits are overwritten. */
void cross_entropy_backward(struct loss_sums *sums, real *row_loss, struct rows dlogits,
                            struct rows logits, const int32_t *labels, int rows, int classes,
                            real scale);

/* probabilities [rows, classes] out, may be logits itself. */
void softmax(real *probabilities, const real *logits, int rows, int classes);

#endif
