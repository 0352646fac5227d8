/* metrics.jsonl: the measurements of a run, one JSON object on each line, in the order of the
 * steps.
 *
 *     {"step": 100, "eval": false, "loss": 9.81, "mlm_loss": 9.12, "nsp_loss": 0.69,
 *      "mlm_accuracy": 0.04, "nsp_accuracy": 0.5, "perplexity": 9136.2, "predictions": 4812,
 *      "pairs": 256, "learning_rate": 1e-05, "grad_norm": 2.5, "tokens": 3276800,
 *      "tokens_per_second": 8120.0, "seconds": 403.5, "save_stall_seconds": 0.0,
 *      "save_stall_steps": 0.0, "skipped_steps": 0}
 *     {"step": 100, "eval": true, "loss": 9.7, "mlm_loss": 9.01, "nsp_loss": 0.69,
 *      "mlm_accuracy": 0.05, "nsp_accuracy": 0.51, "perplexity": 8185.0, "predictions": 40210,
 *      "pairs": 2048, "learning_rate": null, ...}
 *
 * Fine-tuning has the keys of its metrics in place of those of pre-training:
 *
 *     {"step": 100, "eval": true, "loss": 0.41, "accuracy": 0.82, "f1": 0.83, "matthews": 0.64,
 *      "pearson": null, "spearman": null, "predictions": 872, "learning_rate": null, ...}
 *
 * Every record has every key. A value that does not apply is null; so are the nsp_* keys and
 * "pairs" without next-sentence prediction or if there were no pairs. Real numbers are rounded to
 * float and printed with the digits that it takes to read the same float back (6 to 9, without
 * trailing zeros), always with a point or an exponent. Infinity and NaN are null. */
#ifndef CLOZE_REPORT_METRICS_H
#define CLOZE_REPORT_METRICS_H

#include "base/error.h"
#include "report/tensorboard.h"

#include <stdint.h>

/* One update: losses and accuracies of its batch before the update. */
struct train_metrics {
    int64_t step;
    double loss, mlm_loss, nsp_loss;
    double mlm_accuracy, nsp_accuracy; /* 0 .. 1 */
    double perplexity;                 /* exp(mlm_loss) */
    double accuracy;                   /* of fine-tuning; NAN: it has none */
    int64_t predictions, pairs;
    double learning_rate;
    double grad_norm;          /* the gradient's norm before clipping */
    int64_t tokens;            /* tokens trained on since step 1, without padding */
    double tokens_per_second;  /* since the previous record */
    double seconds;            /* seconds of training since step 1, without those between runs */
    double save_stall_seconds; /* time that training waited for saves since the previous record */
    double save_stall_steps;   /* the same time as a number of steps */
    int64_t skipped_steps;     /* steps since step 1 whose update was skipped */
};

/* An evaluation on held-out text, after the update of `step`. */
struct eval_metrics {
    int64_t step;
    double loss, mlm_loss, nsp_loss;
    double perplexity; /* exp(mlm_loss) */
    double mlm_accuracy, nsp_accuracy;
    double accuracy, f1, matthews, pearson, spearman; /* of fine-tuning; NAN: not defined */
    int64_t predictions, pairs;
    double seconds; /* as in train_metrics */
};

/* The keys that the records of a run have. */
enum metrics_layout {
    METRICS_MLM,     /* those of pre-training; without next-sentence prediction */
    METRICS_MLM_NSP, /* those of pre-training */
    METRICS_TASK,    /* those of fine-tuning */
};

/* A writer of metrics, used by one thread. */
struct metrics_writer;

/* Opens the file at `path` for appending, creating it if absent. Records of steps after
 * `last_step`, at which a run is resumed (-1: all records), and a last line torn by a crash are
 * removed first, by rewriting the file atomically. Any other line that is not a record is
 * ERROR_INPUT with file and line. NULL on failure. */
struct metrics_writer *metrics_open(const char *path, int64_t last_step, enum metrics_layout layout,
                                    struct error *error);

/* Also writes each record's event with the quantities that TensorBoard shows. The events must
 * outlive the writer. */
void metrics_send_events(struct metrics_writer *writer, struct event_writer *events);

/* Append one record, which is passed to the system in one piece before they return, and its event.
 * A failure loses only that record. */
bool metrics_write_train(struct metrics_writer *writer, const struct train_metrics *record,
                         struct error *error);
bool metrics_write_eval(struct metrics_writer *writer, const struct eval_metrics *record,
                        struct error *error);

/* NULL is accepted. */
void metrics_close(struct metrics_writer *writer);

#endif
