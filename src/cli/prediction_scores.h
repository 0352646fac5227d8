/* Labels of texts beside what a model predicts, and the metrics of its task. */
#ifndef CLOZE_CLI_PREDICTION_SCORES_H
#define CLOZE_CLI_PREDICTION_SCORES_H

#include "base/json.h"
#include "model/config.h"
#include "report/spans.h"

#include <stdint.h>
#include <stdio.h>

struct prediction_scores;

/* The configuration must outlive the scores. `spans` are those of its labels; NULL: they do not
 * name spans, or the model labels no tokens. */
struct prediction_scores *prediction_scores_create(const struct model_config *config,
                                                   const struct span_labels *spans,
                                                   struct error *error);
void prediction_scores_free(struct prediction_scores *scores); /* NULL is accepted */

/* Add a number of regression, a class, or the classes of a text of words; a predicted class of -1
 * is a wrong one. Fail only when memory is short. */
bool prediction_scores_add_number(struct prediction_scores *scores, float labelled, float predicted,
                                  struct error *error);
bool prediction_scores_add_classes(struct prediction_scores *scores, const int32_t *labelled,
                                   const int32_t *predicted, size_t count, struct error *error);

/* Returns the number of texts that were added. */
size_t prediction_scores_texts(const struct prediction_scores *scores);

/* Returns {"texts": ..., METRIC: value, "METRIC_interval": [low, high], ...}; null stands for what
 * is not defined. NULL on failure. */
json_t *prediction_scores_json(const struct prediction_scores *scores, struct error *error);

/* Writes a line for each metric. */
bool prediction_scores_print(const struct prediction_scores *scores, FILE *out,
                             struct error *error);

#endif
