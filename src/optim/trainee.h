/* A model in training: what a step changes and a checkpoint keeps. */
#ifndef CLOZE_OPTIM_TRAINEE_H
#define CLOZE_OPTIM_TRAINEE_H

#include "model/model.h"
#include "optim/adam.h"

struct trainee {
    struct model *model;
    struct parameter_block gradients; /* zero between the steps */
    struct adam adam;                 /* with its moments */
    struct arena moments;             /* the memory of the moments */

    /* Of optim/outer.h: blocks, in memory of their own; NULL: there is no outer step. */
    real *anchor, *outer_momentum;
    struct arena outer;
};

/* Creates a model with all parameters 0, its gradients and its optimizer, whose settings (all of
 * *adam but the moments) are copied. The caller frees the trainee with trainee_free, also on
 * failure, which means that memory is short. */
bool trainee_create(struct trainee *trainee, const struct model_config *config,
                    const struct adam *adam, struct error *error);

/* Adds what outer steps need, with a momentum of 0. False when memory is short. */
bool trainee_create_outer(struct trainee *trainee, struct error *error);

/* Updates a range of the parameters, usually all of them (optim/adam.h). */
void trainee_update(struct trainee *trainee, struct element_range range,
                    const struct adam_update *update);

/* Sets all gradients to 0; runs in parallel. */
void trainee_clear_gradients(struct trainee *trainee);

void trainee_free(struct trainee *trainee); /* one that is all zero is accepted */

#endif
