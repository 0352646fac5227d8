/* The records that a run writes of its steps and evaluations:
 *
 *     metrics.jsonl   report/metrics.h
 *     events/         the same for TensorBoard
 *     fills.jsonl     of pre-training: report/fill_ins.h
 *
 * Records are for people: one that cannot be written is lost, and training goes on. The first such
 * failure is a warning, and so is the number of lost records once one is written again.
 *
 * Rank 0 writes the records of a group. A writer of all zeros is not open: its functions do
 * nothing. A writer is used by one thread. */
#ifndef CLOZE_TRAIN_RECORD_WRITER_H
#define CLOZE_TRAIN_RECORD_WRITER_H

#include "base/append_file.h"
#include "report/metrics.h"
#include "train/run.h"

struct record_writer {
    struct log *log; /* of the run */
    struct metrics_writer *metrics;
    struct event_writer *events;
    struct append_file fills;
    int64_t lost; /* records since one was last written */
};

/* Opens the files in the run directory, that of events for the steps after state.step. Records of
 * such steps, which a run that is resumed repeats, are removed from the other two first
 * (report/record_file.h, also for errors). The log of the run must outlive the writer, which must
 * be closed even on failure. */
bool record_writer_open(struct record_writer *writer, const struct run *run, struct error *error);

/* Writes the record of a step, and its event. */
void record_writer_step(struct record_writer *writer, const struct train_metrics *record);

/* Writes the record of an evaluation after a step, its event and its fill-ins. `seconds` is the
 * time of training since step 1. */
void record_writer_evaluation(struct record_writer *writer, int64_t step, double seconds,
                              const struct run_evaluation *evaluation);

/* Zeros are accepted. */
void record_writer_close(struct record_writer *writer);

#endif
