/* A whole batch through encoder and heads: losses, and gradients for training.
 *
 *     loss = mean MLM cross-entropy over the batch's predictions + mean NSP cross-entropy over its
 * labelled pairs
 */
#ifndef CLOZE_MODEL_PRETRAINING_H
#define CLOZE_MODEL_PRETRAINING_H

#include "model/encoder.h"
#include "model/heads.h"

struct pretraining_sums {
    struct cross_entropy mlm, nsp;
};

/* Means over what was counted, 0 where nothing was; the loss is the sum of the two. */
double pretraining_mlm_loss(const struct pretraining_sums *sums);
double pretraining_nsp_loss(const struct pretraining_sums *sums);
double pretraining_loss(const struct pretraining_sums *sums);

/* The limits of a workspace for micro-batches of `sequences` sequences of seq_len tokens with at
 * most `masked` predictions in a sequence. */
struct workspace_limits pretraining_limits(int sequences, int seq_len, int masked, int threads);

/* Runs the batch in micro-batches of at most limits.sequences sequences, without dropout; adds to
 * the sums. */
void pretraining_evaluate(const struct model *model, struct workspace *workspace,
                          const struct batch *batch, struct pretraining_sums *sums);

/* The same, and keeps the logits: predictions [M, V] in reading order, relations [B, 2]. */
void pretraining_logits(const struct model *model, struct workspace *workspace,
                        const struct batch *batch, real *predictions, real *relations,
                        struct pretraining_sums *sums);

/* As pretraining_evaluate with dropout and a backward pass: adds the gradient of the batch's loss
 * to `gradients`.
 */
void pretraining_gradients(const struct model *model, struct weights *gradients,
                           struct workspace *workspace, const struct batch *batch,
                           const struct encoder_dropout *dropout, struct pretraining_sums *sums);

#endif
