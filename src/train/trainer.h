/* The training loop: batches, gradients, clipping, Adam, metrics, evaluation, checkpoints. */
#ifndef CLOZE_TRAIN_TRAINER_H
#define CLOZE_TRAIN_TRAINER_H

#include "base/log.h"
#include "report/task_metrics.h"
#include "train/run_config.h"

/* What fine-tuning has come to: the model of which step, and its metric (run_config_metric) on the
 * held-out examples. */
struct run_result {
    int64_t step;
    struct task_score score;
};

/* Trains as the configuration says, from the beginning or, with `resume`, from the latest
 * checkpoint, writing into config->output (see README.md). After SIGINT, SIGTERM or SIGHUP it saves
 * and fails with ERROR_INTERRUPTED; the message ends with `resume_command`, which continues the
 * run. *result gets the result of fine-tuning; pre-training has none and takes NULL. */
bool train(const struct run_config *config, bool resume, const char *resume_command,
           struct run_result *result, struct log *log, struct error *error);

#endif
