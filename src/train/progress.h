/* What a run says to the person who watches it. */
#ifndef CLOZE_TRAIN_PROGRESS_H
#define CLOZE_TRAIN_PROGRESS_H

#include "data/batch.h"
#include "model/pretraining.h"
#include "train/metrics.h"
#include "train/run.h"

/* What is to be trained, on what, with what: before the first step. */
void progress_banner(const struct run *run);

/* How checkpoints have held training up. */
struct save_stalls {
    int64_t count;
    double seconds, longest;
};

/* Accumulates between two lines. */
struct progress {
    struct pretraining_sums sums; /* since the last line */
    struct batch_rates rates;     /* since the beginning */
    double begun;                 /* machine_seconds() */
    int64_t begun_step;
    struct save_stalls stalls; /* since the beginning */
    double aside;              /* seconds of them, and of evaluations */
};

/* A line of the log: means since the last line, the rates of step `metrics`, the time left. `final`
 * lines stay; others only draw over the live one. */
void progress_line(const struct run *run, const struct progress *progress,
                   const struct train_metrics *metrics, bool final);

/* What was achieved, the rates of masks and pairs, what saving has cost, and what to type next. */
void progress_summary(const struct run *run, const struct progress *progress, double waited);

#endif
