/* A head: what computes predictions and their losses from the encoder's output, and the gradient of
 * those losses. A token head predicts at the batch's predicted tokens, a sequence head at the first
 * token of each sequence; both find their encoder output among the head tokens
 * (model/micro_batch.h).
 *
 * A head owns its tensors, their pointers and its memory. Everything else, from initialization to
 * checkpoints, reads them from the table of parameters and the list of a model's heads. */
#ifndef CLOZE_MODEL_HEAD_H
#define CLOZE_MODEL_HEAD_H

#include "model/heads.h"
#include "model/model.h"
#include "model/workspace.h"
#include "nn/dropout.h"
#include "nn/loss_sums.h"

/* The arguments that the functions of a head share. The pass is on the loaded micro-batch, whose
 * encoder output is there; what the head leaves in its memory is overwritten when the encoder runs
 * again. */
struct head_pass {
    const struct model *model;
    const void *weights;                   /* the head's own */
    const struct micro_batch *micro_batch; /* the loaded one */
    struct workspace *workspace;
    void *memory;                  /* the head's own */
    const struct dropout *dropout; /* of what a classifier reads; NULL: none */

    /* Backward only: of the whole model, and the head's own. */
    struct weights *gradients;
    void *dweights;
};

struct head {
    const char *name;   /* in messages: "MLM head" */
    const char *key;    /* in files: "mlm_head" */
    const char *prefix; /* of the names of its tensors: "cls.predictions." */
    enum parameter_group group;
    bool pooled; /* the model has a pooler, which the head reads (model/pooler.h) */

    const struct tensor_rule *tensors; /* their pointers are in the structure of the weights */
    int tensor_count;
    size_t weights_size; /* of that structure */
    size_t memory_size;  /* of the structure that plan fills in */

    /* Takes the head's memory for the limits of the workspace, with what its backward pass needs if
     * the workspace is for training. `memory` is NULL while the arena only measures. */
    void (*plan)(void *memory, const struct workspace *workspace, const struct model_config *config,
                 struct arena *arena);

    /* Returns how many predictions of the batch have a loss: the mean is over that many. */
    int (*predictions)(const struct batch *batch);

    /* Computes the logits of the micro-batch, a row for each sequence or predicted token, and
     * returns them in memory of the workspace. NULL: the head has functions of its own. */
    struct rows (*logits)(const struct head_pass *pass);

    /* Adds the micro-batch's losses to the sums. */
    void (*forward)(const struct head_pass *pass, struct loss_sums *sums);

    /* forward and its backward pass.
     *
     * workspace->dencoder_output [R, H]  accumulated (+=) at the tokens that the head reads
     * gradients, dweights                accumulated (+=): of what the head multiplies by
     * scale                              of the gradients: 1 / predictions of the step */
    void (*backward)(const struct head_pass *pass, real scale, struct loss_sums *sums);
};

/* Returns the pass of head `index` of the model's list, without dropout. Without a backward pass
 * `gradients` is NULL. */
struct head_pass head_pass_at(const struct model *model, struct weights *gradients,
                              struct workspace *workspace, int index);

#endif
