/* metrics.jsonl: what a run measured, one JSON object a line, in the order of the steps.
 *
 *     {"step": 100, "loss": 9.81, "mlm_loss": 9.12, "nsp_loss": 0.69, "mlm_accuracy": 0.04,
 *      "nsp_accuracy": 0.5, "learning_rate": 1e-05, "grad_norm": 2.5, "tokens": 3276800,
 *      "tokens_per_second": 8120, "seconds": 403.5, "save_stall_seconds": 0,
 *      "save_stall_steps": 0, "skipped_steps": 0}
 *     {"step": 100, "eval": true, "loss": 9.7, "mlm_loss": 9.01, "perplexity": 8185,
 *      "mlm_accuracy": 0.05, "nsp_loss": 0.69, "nsp_accuracy": 0.51, "predictions": 40210,
 *      "pairs": 2048, "seconds": 410.1}
 *
 * Without next-sentence prediction the nsp_* keys and "pairs" are absent. Real numbers are rounded
 * to float and printed with as many digits, 6 to 9 less trailing zeros, as it takes to read the
 * same float back; what is infinite or not a number is null. */
#ifndef CLOZE_TRAIN_METRICS_H
#define CLOZE_TRAIN_METRICS_H

#include "base/error.h"

#include <stdint.h>

/* One update: losses and accuracies of its batch before the update. */
struct train_metrics {
    int64_t step;
    double loss, mlm_loss, nsp_loss;
    double mlm_accuracy, nsp_accuracy; /* 0 .. 1 */
    double learning_rate;
    double grad_norm;          /* before clipping */
    int64_t tokens;            /* trained on since step 1, padding not counted */
    double tokens_per_second;  /* since the record before */
    double seconds;            /* spent training since step 1, the time between runs not counted */
    double save_stall_seconds; /* for which checkpoints held training up since the record before */
    double save_stall_steps;   /* the same as a number of steps of that time */
    int64_t skipped_steps;     /* since step 1: their update was not made */
};

/* The held-out text, after the update `step`. */
struct eval_metrics {
    int64_t step;
    double loss, mlm_loss, nsp_loss;
    double perplexity; /* exp(mlm_loss) */
    double mlm_accuracy, nsp_accuracy;
    int64_t predictions, pairs;
    double seconds; /* as in train_metrics */
};

/* Used by one thread. */
struct metrics_writer;

/* Opens the file at `path` for appending, creating it if absent. Records of steps after `last_step`
 * (a run resumes before them; -1: all of them) and a last line torn by a crash are removed first:
 * the file is rewritten atomically. Any other line that is not a record is ERROR_INPUT with file
 * and line. NULL on failure. */
struct metrics_writer *metrics_open(const char *path, int64_t last_step, bool nsp,
                                    struct error *error);

/* Each appends one record, handed to the system in one piece before they return. A failure costs
 * that record alone. */
bool metrics_write_train(struct metrics_writer *writer, const struct train_metrics *record,
                         struct error *error);
bool metrics_write_eval(struct metrics_writer *writer, const struct eval_metrics *record,
                        struct error *error);

/* NULL is accepted. */
void metrics_close(struct metrics_writer *writer);

#endif
