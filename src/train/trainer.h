/* The training loop: batches, gradients, clipping, Adam, metrics, evaluation, checkpoints. */
#ifndef CLOZE_TRAIN_TRAINER_H
#define CLOZE_TRAIN_TRAINER_H

#include "base/log.h"
#include "report/metrics.h"
#include "report/task_metrics.h"
#include "train/run_config.h"

struct process_group;
struct run_evaluation;

/* What fine-tuning has come to: the model of which step, and its metric (run_config_metric) on the
 * held-out examples. */
struct run_result {
    int64_t step;
    struct task_score score;
};

/* What is known after a step, for who watches the training. */
struct train_report {
    const struct run_config *config;
    int64_t steps;                           /* the last step of the run */
    const struct train_metrics *metrics;     /* of this step */
    const struct run_evaluation *evaluation; /* after this step; NULL: there was none */
    double seconds_left;
};

struct train_options {
    bool resume;                 /* from the latest checkpoint, not from the beginning */
    struct process_group *group; /* of the ranks that train together, all of which call this; NULL:
                                  * one process */
    bool catch_signals;          /* train/interrupt.h: the first signal saves and ends the run */
    const char *resume_command;  /* what continues the run, for the message of one that was stopped;
                                 * NULL: the message does not say */

    /* Steps between evaluations; 0: the run's own. train.hours is planned with the run's own
     * all the same. */
    int64_t eval_every;

    /* Called after each step by the thread that trains; false saves and ends the run. NULL: nobody
     * watches. */
    bool (*watch)(void *context, const struct train_report *report);
    void *context;
    bool *stopped; /* gets whether the run was stopped, also at its last step; NULL: nobody asks */
};

/* Trains as the configuration says, writing into config->output (see README.md). A run that is
 * stopped before its end fails with ERROR_INTERRUPTED after it has been saved. *result gets the
 * result of fine-tuning; pre-training has none and takes NULL. In a group rank 0 alone writes,
 * and gets the message of an error. After an error of a single rank all processes end, and train
 * does not return. */
bool train(const struct run_config *config, const struct train_options *options,
           struct run_result *result, struct log *log, struct error *error);

#endif
