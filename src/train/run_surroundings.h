/* The surroundings of a run, which its numbers depend on besides its checkpoint: threads, kernels
 * and data. */
#ifndef CLOZE_TRAIN_RUN_SURROUNDINGS_H
#define CLOZE_TRAIN_RUN_SURROUNDINGS_H

#include "train/run.h"

/* Logs how the surroundings differ from those that run->state records of the earlier process, and
 * records those of this one. Training data that differ from the run's are an error, and so are the
 * held-out examples of a task. */
bool run_check_surroundings(struct run *run, struct error *error);

/* Returns the hashes of the data that a checkpoint records; 0 for NULL, and if an older version has
 * not recorded them. */
struct data_hashes run_recorded_data(const char *checkpoint);

#endif
