/* One optimizer step on one batch: gradients, clipping and Adam. Every kind of training and the
 * benchmark take it. */
#ifndef CLOZE_TRAIN_STEP_H
#define CLOZE_TRAIN_STEP_H

#include "data/batch.h"
#include "model/objective.h"
#include "optim/trainee.h"
#include "optim/update_guard.h"
#include "train/exchange.h"

/* Tokens of a step for each thread. With fewer a thread's share of a matrix product is so small
 * that the loops around the products and the waiting between them take most of the time. */
enum { THREAD_STEP_TOKENS = 128 };

struct step_settings {
    uint64_t seed;   /* the seed of dropout */
    int64_t step;    /* counted from 1 */
    int64_t skipped; /* steps before it that were no updates, which Adam does not count */
    double learning_rate;
    double max_grad_norm;       /* 0: no clipping */
    struct spike_limits spikes; /* all zero: no gradient is a spike */
    struct exchange *exchange;  /* all ranks take the step together; NULL: one process */
    int first_example;          /* index in the step of the batch's first sequence */
};

struct step_result {
    struct objective_sums sums; /* of all ranks, as tokens, norm and z_score are */
    int64_t tokens;
    double norm;                 /* the gradient's norm before clipping */
    double z_score;              /* z-score of the norm among the norms before it */
    enum update_verdict verdict; /* if it is not sound, values and moments have not changed */
};

/* Updates the trainee's parameters and moments, and the statistics of the gradients' norms. The
 * workspace must be one for training; its profile, if it has one, counts the time. With an exchange
 * all ranks call it for the same step, with their shares of the batch. Allocates
 * nothing and cannot fail. */
struct step_result step_take(struct trainee *trainee, struct workspace *workspace,
                             struct norm_statistics *norms, const struct batch *batch,
                             const struct step_settings *settings);

#endif
