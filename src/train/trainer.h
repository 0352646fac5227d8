/* The training loop: batches, gradients, clipping, Adam, metrics, evaluation, checkpoints. */
#ifndef CLOZE_TRAIN_TRAINER_H
#define CLOZE_TRAIN_TRAINER_H

#include "base/log.h"
#include "train/run_config.h"

/* Trains as the configuration says, from the beginning or, with `resume`, from the latest
 * checkpoint, writing into config->output (see README.md). After SIGINT, SIGTERM or SIGHUP it saves
 * and fails with ERROR_INTERRUPTED; the message ends with `resume_command`, which continues the
 * run. */
bool train(const struct run_config *config, bool resume, const char *resume_command,
           struct log *log, struct error *error);

#endif
