/* The two heads of pre-training, on the encoder's output of the loaded micro-batch:
 *
 *     MLM, on the M masked positions only, with the word embeddings E:
 *         z = LN(act(W_t x + b_t)),      logits = z E^T + b
 *     NSP, on the first token of each sequence:
 *         pooled = tanh(W_p x + b_p),    logits = W_s pooled + b_s
 *
 * The loss of a step is a mean over all its predictions plus a mean over all its pairs; a
 * micro-batch adds its share to the sums and scales its gradients with the step's numbers, so the
 * result is that of the whole batch whatever the split. What the heads leave in the workspace lasts
 * until the encoder works again, in the same memory. Nothing here allocates or can fail. */
#ifndef CLOZE_MODEL_HEADS_H
#define CLOZE_MODEL_HEADS_H

#include "model/model.h"
#include "model/workspace.h"
#include "nn/cross_entropy.h"

/* z of all masked positions, in workspace->transform_output [M, H]. */
void mlm_head_transform(const struct model *model, struct workspace *workspace);

/* logits [rows, V], real, out: predictions [first, first + rows) of the micro-batch, after
 * mlm_head_transform. In bf16 rows are padded(V) apart, or more. */
void mlm_head_logits(const struct model *model, const struct workspace *workspace, int first,
                     int rows, struct rows logits);

/* Adds the micro-batch's losses to the sums. */
void mlm_head_forward(const struct model *model, struct workspace *workspace,
                      struct cross_entropy *sums);

/* The same with gradients, all accumulated: workspace->read_gradient [R, H] at the masked rows, the
 * head's parameters and the word embeddings. `scale` is 1 / predictions of the step. */
void mlm_head_backward(const struct model *model, struct weights *gradients,
                       struct workspace *workspace, real scale, struct cross_entropy *sums);

/* workspace->pooled [B, H] and relation_logits [B, 2]. */
void nsp_head_logits(const struct model *model, struct workspace *workspace);

void nsp_head_forward(const struct model *model, struct workspace *workspace,
                      struct cross_entropy *sums);

/* As mlm_head_backward; `scale` is 1 / labelled pairs of the step. */
void nsp_head_backward(const struct model *model, struct weights *gradients,
                       struct workspace *workspace, real scale, struct cross_entropy *sums);

#endif
