/* The messages at the end of a run. */
#ifndef CLOZE_TRAIN_SUMMARY_H
#define CLOZE_TRAIN_SUMMARY_H

#include "train/progress.h"

/* Logs what the training did, how long it took in all and at what rate in this process, how good
 * the model is compared with guessing and whether it is still improving, where it is, and a command
 * to type next. `waited` is the seconds spent waiting for data. */
void summary_log(const struct run *run, const struct progress *progress, double waited);

/* Logs whether the last evaluation was better than the best one before it; nothing if it was the
 * first one. */
void summary_trend(const struct progress_evaluation *evaluation, struct log *log);

#endif
