/* One optimizer step on one batch: gradients, clipping, Adam. What `train` does and `bench` times.
 */
#ifndef CLOZE_TRAIN_STEP_H
#define CLOZE_TRAIN_STEP_H

#include "data/batch.h"
#include "model/pretraining.h"
#include "optim/adam.h"
#include "train/update_guard.h"

/* What a step works on; all of it belongs to the caller. */
struct step_parts {
    struct model *model;               /* values: updated */
    struct parameter_block *gradients; /* zero before a step and after it */
    const struct adam *adam;           /* moments: updated */
    struct norm_statistics *norms;     /* of the gradients: updated */
    struct workspace *workspace;       /* with training; its profile, if any, counts the time */
};

struct step_settings {
    uint64_t seed; /* of dropout */
    int64_t step;  /* from 1 */
    double learning_rate;
    double max_grad_norm;       /* 0: no clipping */
    struct spike_limits spikes; /* all zero: no gradient is one */
};

struct step_result {
    struct pretraining_sums sums;
    double norm;                 /* of the gradient, before clipping */
    double z_score;              /* of the norm among those before it */
    enum update_verdict verdict; /* if it is not sound, values and moments are as before */
};

/* Allocates nothing and cannot fail. */
struct step_result step_take(const struct step_parts *parts, const struct batch *batch,
                             const struct step_settings *settings);

#endif
