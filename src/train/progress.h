/* The messages of a run for the person who watches it. Every line fits into LOG_WIDTH columns,
 * except for a path at its end. */
#ifndef CLOZE_TRAIN_PROGRESS_H
#define CLOZE_TRAIN_PROGRESS_H

#include "data/batch.h"
#include "model/objective.h"
#include "report/metrics.h"
#include "report/table.h"
#include "train/run.h"
#include "train/signs.h"

/* Logs, before the first step, what is trained, on which text and with which settings. */
void progress_banner(const struct run *run);

/* The saves in the background, and the time for which training has waited for them. */
struct save_stalls {
    int64_t count, failed; /* failed is known at the end */
    double seconds;
};

/* An evaluation and the best one before it; the step is -1 where there is none. */
struct progress_evaluation {
    struct run_evaluation numbers;
    int64_t step, best_step;
    double best_score;
};

/* The numbers that are accumulated between two rows of the table, or since the beginning. */
struct progress {
    struct objective_sums sums; /* since the last row */
    struct batch_rates rates;   /* since the beginning */
    double begun;               /* machine_seconds() */
    int64_t begun_step;
    double earlier_seconds;    /* of training before this process began */
    struct save_stalls stalls; /* since the beginning */
    double saved;              /* machine_seconds() when the last save began */
    double shown;              /* the same of the last live line */
    struct table table;
    struct signs signs;
    struct progress_evaluation evaluation; /* the last evaluation */
};

/* Logs a row of the table: means since the last row, the rates of the step of `metrics`, and the
 * time left. A `final` row stays; others replace the live line, at most ten times a second, and
 * have the time to the next checkpoint: at their end where the terminal is wide enough, otherwise
 * in place of learning rate and gradient. A narrow terminal gets fewer columns, but always the
 * time left. */
void progress_row(const struct run *run, struct progress *progress,
                  const struct train_metrics *metrics, bool final);

/* Returns the seconds of training since step 1, without those between runs. */
double progress_seconds(const struct progress *progress);

/* Returns the seconds until the last step, at the pace since the run began or was resumed; steps of
 * longer sequences take longer. */
double progress_time_left(const struct run *run, const struct progress *progress, int64_t step);

#endif
