/* The evaluations of a run while it trains, and which of them is the best so far. */
#ifndef CLOZE_TRAIN_HELD_OUT_EVALUATION_H
#define CLOZE_TRAIN_HELD_OUT_EVALUATION_H

#include "model/workspace.h"
#include "train/progress.h"
#include "train/record_writer.h"
#include "train/run.h"

/* Evaluates the model of the run on its held-out examples after state.step, on all ranks at once:
 * logs and records the result, warns of what is unusual about it, and sets progress->evaluation
 * and, in run->state, best_step, best_score and evaluations_since_best. The workspace is that of
 * the current phase. Fails as the evaluation of the run's kind does; a record that cannot be
 * written is no failure. */
bool evaluate_held_out(struct run *run, struct workspace *workspace, struct progress *progress,
                       struct record_writer *records, struct error *error);

#endif
