/* The metrics of a task, with 95 % intervals:
 *
 *   accuracy   the share of right classes. Wilson's score interval.
 *   f1         F1 = 2 TP / (labelled + predicted) of a class. Of two classes that of id 1, the
 *              positive one; of more the mean over the classes that are labelled or predicted
 *              (macro). Of spans: over all spans of all texts (micro).
 *   matthews   Matthews' correlation of classes (Gorodkin 2004 for more than two):
 *              (c n - sum p_k t_k) / sqrt((n^2 - sum p_k^2) (n^2 - sum t_k^2)), where c are right
 *              and p_k of n are predicted, t_k labelled as class k.
 *   pearson    Pearson's correlation of numbers. Fisher's interval:
 *              tanh(atanh r -+ 1.96 / sqrt(n - 3)).
 *   spearman   Pearson's correlation of ranks, where equal numbers share their mean rank. Fisher's
 *              interval with sqrt(1.06 / (n - 3)) (Fieller, Hartley & Pearson 1957).
 *
 * The intervals of f1 and matthews are percentiles 2.5 and 97.5 of 1,000 bootstrap resamples
 * (Efron 1979) of the examples, or for spans of the texts; they are the same in every run.
 * Resamples in which the metric is not defined are left out. They take a thousand times as long as
 * the value and are computed only if they are wanted.
 *
 * A metric that is not defined has no value: without examples; f1 if the positive class or a span
 * is neither labelled nor predicted; matthews, pearson and spearman if all labels or all
 * predictions are the same. An interval needs four examples (pearson, spearman) or a resample in
 * which the metric is defined. */
#ifndef CLOZE_REPORT_TASK_METRICS_H
#define CLOZE_REPORT_TASK_METRICS_H

#include "base/json.h"
#include "report/interval.h"
#include "report/spans.h"

enum task_metric { METRIC_ACCURACY, METRIC_F1, METRIC_MATTHEWS, METRIC_PEARSON, METRIC_SPEARMAN };

/* "accuracy", "f1", "matthews", "pearson", "spearman", NULL */
extern const char *const task_metric_names[];

struct task_score {
    bool defined;
    double value;
    bool has_interval;
    struct interval interval;
};

/* Computes accuracy, f1 or matthews of classes, the intervals of the last two if they are wanted.
 * Fails only when memory is short.
 *
 * labelled   [count] classes, 0 .. classes - 1
 * predicted  [count] classes; -1, no prediction, is a wrong one */
bool task_score_classes(enum task_metric metric, const int32_t *labelled, const int32_t *predicted,
                        size_t count, int classes, bool interval, struct task_score *score,
                        struct error *error);

/* Computes pearson or spearman of numbers, [count] each. The labels are finite; a prediction that
 * is not, as of a model whose training diverged, leaves the metric undefined. Fails only when
 * memory is short. */
bool task_score_numbers(enum task_metric metric, const float *labelled, const float *predicted,
                        size_t count, struct task_score *score, struct error *error);

/* Computes f1 of the spans of texts, with an interval if it is wanted.
 *
 * texts  [count] the counts of each text (report/spans.h) */
struct task_score task_score_spans(const struct span_counts *texts, size_t count, bool interval);

struct task_score_text {
    char text[64];
};

/* Formats a score: "0.8712 (0.8470 to 0.8921)", "1.0000" without an interval, "undefined". */
struct task_score_text task_score_format(const struct task_score *score);

/* Return the value as a number and the interval as a list of two, each null if there is none. NULL
 * when memory is short. */
json_t *task_score_json(const struct task_score *score);
json_t *task_score_interval_json(const struct task_score *score);

#endif
