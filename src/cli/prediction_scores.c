#include "cli/prediction_scores.h"

#include "base/memory.h"
#include "model/heads.h"
#include "train/run_config.h"

#include <stdlib.h>
#include <string.h>

struct prediction_scores {
    const struct model_config *config;
    const struct span_labels *spans;
    int32_t *labelled, *predicted; /* [count] classes */
    float *numbers, *outputs;      /* [count] of regression */
    size_t count, labelled_capacity, predicted_capacity, number_capacity, output_capacity;
    struct span_counts *texts; /* [text_count] if there are spans */
    size_t text_count, text_capacity;
};

struct prediction_scores *prediction_scores_create(const struct model_config *config,
                                                   const struct span_labels *spans,
                                                   struct error *error)
{
    struct prediction_scores *scores = allocate(1, sizeof *scores, error);
    if (!scores)
        return NULL;
    scores->config = config;
    scores->spans = spans;
    return scores;
}

void prediction_scores_free(struct prediction_scores *scores)
{
    if (!scores)
        return;
    free(scores->labelled);
    free(scores->predicted);
    free(scores->numbers);
    free(scores->outputs);
    free(scores->texts);
    free(scores);
}

bool prediction_scores_add_number(struct prediction_scores *scores, float labelled, float predicted,
                                  struct error *error)
{
    const size_t count = scores->count + 1;
    if (!grow(&scores->numbers, &scores->number_capacity, count, sizeof *scores->numbers, error) ||
        !grow(&scores->outputs, &scores->output_capacity, count, sizeof *scores->outputs, error))
        return false;
    scores->numbers[scores->count] = labelled;
    scores->outputs[scores->count++] = predicted;
    scores->text_count++;
    return true;
}

bool prediction_scores_add_classes(struct prediction_scores *scores, const int32_t *labelled,
                                   const int32_t *predicted, size_t count, struct error *error)
{
    const size_t sum = scores->count + count;
    if (!grow(&scores->labelled, &scores->labelled_capacity, sum, sizeof *scores->labelled,
              error) ||
        !grow(&scores->predicted, &scores->predicted_capacity, sum, sizeof *scores->predicted,
              error) ||
        (scores->spans && !grow(&scores->texts, &scores->text_capacity, scores->text_count + 1,
                                sizeof *scores->texts, error)))
        return false;
    if (count) {
        memcpy(scores->labelled + scores->count, labelled, count * sizeof *labelled);
        memcpy(scores->predicted + scores->count, predicted, count * sizeof *predicted);
    }
    if (scores->spans)
        scores->texts[scores->text_count] =
            span_counts_of(scores->spans, labelled, predicted, count);
    scores->count = sum;
    scores->text_count++;
    return true;
}

size_t prediction_scores_texts(const struct prediction_scores *scores)
{
    return scores->text_count;
}

/* ---- metrics ---- */

static const struct task_metric_list *metrics_of(const struct prediction_scores *scores)
{
    return task_metrics_of(scores->config->heads->task);
}

/* F1 of words is that of their spans, which labels may not name. */
static bool is_shown(const struct prediction_scores *scores, enum task_metric metric)
{
    return scores->config->heads != &token_classification_heads || metric != METRIC_F1 ||
           scores->spans;
}

static bool compute(const struct prediction_scores *scores, enum task_metric metric,
                    struct task_score *score, struct error *error)
{
    const enum task_kind kind = scores->config->heads->task;
    if (kind == TASK_REGRESSION)
        return task_score_numbers(metric, scores->numbers, scores->outputs, scores->count, score,
                                  error);
    if (kind == TASK_TOKENS && metric == METRIC_F1) {
        *score = task_score_spans(scores->texts, scores->text_count, true);
        return true;
    }
    return task_score_classes(metric, scores->labelled, scores->predicted, scores->count,
                              scores->config->labels.count, true, score, error);
}

static bool add_json(json_t *object, const char *name, const struct task_score *score)
{
    char interval[64];
    snprintf(interval, sizeof interval, "%s_interval", name);
    return json_object_set_new(object, name, task_score_json(score)) == 0 &&
           json_object_set_new(object, interval, task_score_interval_json(score)) == 0;
}

json_t *prediction_scores_json(const struct prediction_scores *scores, struct error *error)
{
    json_t *object = json_pack("{s:I}", "texts", (json_int_t)scores->text_count);
    for (int i = 0; i < metrics_of(scores)->count; i++) {
        const enum task_metric metric = metrics_of(scores)->items[i];
        struct task_score score = {0};
        if (!is_shown(scores, metric))
            continue;
        if (!compute(scores, metric, &score, error)) {
            json_decref(object);
            return NULL;
        }
        if (!object || !add_json(object, task_metric_names[metric], &score)) {
            json_decref(object);
            fail_work(error, "out of memory for the metrics");
            return NULL;
        }
    }
    return object;
}

bool prediction_scores_print(const struct prediction_scores *scores, FILE *out, struct error *error)
{
    for (int i = 0; i < metrics_of(scores)->count; i++) {
        const enum task_metric metric = metrics_of(scores)->items[i];
        struct task_score score = {0};
        if (!is_shown(scores, metric))
            continue;
        if (!compute(scores, metric, &score, error))
            return false;
        fprintf(out, "%-10s %s\n", task_metric_names[metric], task_score_format(&score).text);
    }
    return true;
}
