/* The loss of a model's heads on a whole batch, and its gradient for training:
 *
 *     loss = sum over the heads of the mean loss of the head's predictions
 *
 * Each micro-batch adds its losses to the sums and scales its gradients by the step's counts, so
 * the result is that of the whole batch however it is divided. Nothing here allocates or can
 * fail. */
#ifndef CLOZE_MODEL_OBJECTIVE_H
#define CLOZE_MODEL_OBJECTIVE_H

#include "model/encoder.h"
#include "model/head.h"

/* The losses of each head, in the order of the model's list. */
struct objective_sums {
    struct loss_sums heads[MAX_HEADS];
};

/* Returns the loss of all that the sums have counted. A head that has counted nothing has none. */
double objective_loss(const struct objective_sums *sums);

void objective_sums_add(struct objective_sums *total, const struct objective_sums *sums);

/* The share that a batch has in a step: the step's sequences may be divided among processes. */
struct objective_share {
    real scales[MAX_HEADS]; /* of each head's gradients: 1 / number of the head's predictions in the
                               step; 0: the head has none */
    int first_example;      /* index in the step of the batch's first sequence, a key of dropout's
                               random numbers */
    const struct gradient_listener *listener; /* of the batch's last micro-batch; NULL: nobody */
};

/* predictions = how many each head of the model has in a batch; 0 where there is no head. */
void objective_count_predictions(const struct model_config *config, const struct batch *batch,
                                 int64_t predictions[MAX_HEADS]);

/* Returns the share of a batch whose first sequence has the given index in a step in which each
 * head has so many predictions. */
struct objective_share objective_share_of(const int64_t predictions[MAX_HEADS], int first_example);

/* Returns the share of a batch that is a whole step. */
struct objective_share objective_whole_step(const struct model_config *config,
                                            const struct batch *batch);

/* Runs the loaded micro-batch and adds to the sums. */
void objective_forward(const struct model *model, struct workspace *workspace,
                       const struct encoder_dropout *dropout, struct objective_sums *sums);

/* Runs the batch in micro-batches of at most limits.sequences sequences, without dropout; adds to
 * the sums. */
void objective_evaluate(const struct model *model, struct workspace *workspace,
                        const struct batch *batch, struct objective_sums *sums);

/* As objective_evaluate, but with dropout and a backward pass, which adds the gradient of the
 * batch's share of the step's loss to `gradients`. */
void objective_gradients(const struct model *model, struct weights *gradients,
                         struct workspace *workspace, const struct batch *batch,
                         const struct objective_share *share, const struct encoder_dropout *dropout,
                         struct objective_sums *sums);

#endif
