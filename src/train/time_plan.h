/* How many steps fit into the hours of a run. */
#ifndef CLOZE_TRAIN_TIME_PLAN_H
#define CLOZE_TRAIN_TIME_PLAN_H

#include "train/run.h"

/* The share of a run's time that is left for steps and evaluations: checkpoints take the rest. */
#define SHARE_WITHOUT_CHECKPOINTS 0.97

/* Returns the seconds of an evaluation of so many tokens, where steps have tokens_per_second: a
 * forward pass alone is a third of a step's work. */
static inline double time_of_evaluation(double tokens, double tokens_per_second)
{
    return tokens / (3 * tokens_per_second);
}

/* Times the steps of a new run for some seconds, on its own batches, and sets run->steps, the
 * steps of its only phase and state.planned_steps, which a checkpoint keeps. Parameters and
 * moments are afterwards what they were: the run is the same, bit for bit, as one with so many
 * train.steps. Of a group all ranks call it and get the number of rank 0, in whole periods of
 * train.sync_every; the exchange is NULL without one. */
bool time_plan_make(struct run *run, struct exchange *exchange, struct error *error);

#endif
