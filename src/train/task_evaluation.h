/* The evaluation of a fine-tuned model: its predictions for the held-out examples, and metrics. */
#ifndef CLOZE_TRAIN_TASK_EVALUATION_H
#define CLOZE_TRAIN_TASK_EVALUATION_H

#include "model/objective.h"
#include "report/task_metrics.h"
#include "train/task_data.h"

/* Predictions for all items of a set in their order: its examples, or with labels of tokens the
 * words of all examples. */
struct task_predictions {
    size_t count;
    int32_t *labelled, *predicted; /* [count] classes; -1: a word without a prediction */
    float *values, *scores;        /* [count] see task_predict */
    struct objective_sums sums;
};

/* Predicts all examples of the set. `values` are the numbers of regression, and `scores` what the
 * model predicts for them; otherwise `scores` are the probabilities of the predicted classes. The
 * workspace must hold the set's longest example. A live line shows the progress. On failure, which
 * means that memory is short, there is nothing to free. */
bool task_predict(const struct model *model, struct workspace *workspace,
                  const struct labelled_set *set, struct task_predictions *predictions,
                  struct log *log, struct error *error);
void task_predictions_free(struct task_predictions *predictions);

/* The scores of all metrics that the kind of task has; others are not defined. */
struct task_scores {
    struct task_score by_metric[METRIC_SPEARMAN + 1];
};

/* Computes the scores; of those whose interval takes long (report/task_metrics.h) only `shown` has
 * one. */
bool task_scores_compute(const struct task_data *data, const struct task_predictions *predictions,
                         enum task_metric shown, struct task_scores *scores, struct error *error);

/* Writes the predictions for the held-out examples to `path`, as lines of columns with tabs between
 * them after a line with their names: file and line of the example, the word (labels of tokens),
 * the label and the prediction, and the prediction's probability (but for regression). A word
 * without a prediction has none. Numbers of regression are printed by format_float. */
bool task_predictions_write(const struct task_data *data,
                            const struct task_predictions *predictions, const char *path,
                            struct error *error);

#endif
