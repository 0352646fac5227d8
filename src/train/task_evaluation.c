#include "train/task_evaluation.h"

#include "base/file.h"
#include "base/file_writer.h"
#include "base/format.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/min.h"
#include "nn/softmax.h"
#include "train/task_batches.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- predicting ---- */

void task_predictions_free(struct task_predictions *predictions)
{
    free(predictions->labelled);
    free(predictions->predicted);
    free(predictions->values);
    free(predictions->scores);
    *predictions = (struct task_predictions){0};
}

static bool create(struct task_predictions *predictions, size_t count, struct error *error)
{
    *predictions = (struct task_predictions){.count = count};
    predictions->labelled = allocate(count, sizeof *predictions->labelled, error);
    if (predictions->labelled)
        predictions->predicted = allocate(count, sizeof *predictions->predicted, error);
    if (predictions->predicted)
        predictions->values = allocate(count, sizeof *predictions->values, error);
    if (predictions->values)
        predictions->scores = allocate(count, sizeof *predictions->scores, error);
    return predictions->scores;
}

/* Takes the class with the largest logit, the first one of equals, and its probability. Overwrites
 * the logits. */
static void take_class(struct task_predictions *predictions, size_t item, real *logits, int width)
{
    int best = 0;
    softmax_row(logits, logits, width, 1);
    for (int i = 1; i < width; i++)
        if (logits[i] > logits[best])
            best = i;
    predictions->predicted[item] = best;
    predictions->scores[item] = (float)logits[best];
}

/* The logits of a row; a classifier's are in reals. */
static real *logits_of(struct rows logits, int row)
{
    CHECK(logits.reals);
    return logits.reals + (size_t)row * (size_t)logits.width;
}

/* Takes the predictions of an example whose logits begin at row `row`, and returns the row after
 * them. `item` is that of the example, or of its first word. */
static int take_example(struct task_predictions *predictions, const struct labelled_set *set,
                        const struct labelled_example *example, size_t item, struct rows logits,
                        int row)
{
    if (set->kind == TASK_REGRESSION) {
        predictions->values[item] = example->value;
        predictions->scores[item] = (float)*logits_of(logits, row);
        return row + 1;
    }
    if (set->kind == TASK_CLASSIFICATION) {
        predictions->labelled[item] = example->label;
        take_class(predictions, item, logits_of(logits, row), logits.width);
        return row + 1;
    }
    for (int32_t i = 0; i < example->words; i++) {
        const size_t word = example->first_word + (size_t)i;
        predictions->labelled[item + (size_t)i] = set->word_labels[word];
        predictions->predicted[item + (size_t)i] = -1;
        if (set->word_tokens[word] != NO_PREDICTION)
            take_class(predictions, item + (size_t)i, logits_of(logits, row++), logits.width);
    }
    return row;
}

/* Runs `count` examples from `first` on, which fit into the workspace; *item is that of the first
 * one and becomes that after the last one. */
static void predict_batch(const struct model *model, struct workspace *workspace,
                          const struct labelled_set *set, const struct batch *batch, size_t first,
                          size_t *item, struct task_predictions *predictions)
{
    const struct encoder_dropout none = encoder_dropout_none();
    micro_batch_load(&workspace->micro_batch, workspace->limits, batch, 0, batch->sequences, 0);
    objective_forward(model, workspace, &none, &predictions->sums);
    const struct head_pass pass = head_pass_at(model, NULL, workspace, HEAD_CLASSIFIER);
    const struct rows logits = model->config.heads->heads[HEAD_CLASSIFIER]->logits(&pass);
    int row = 0;
    for (int i = 0; i < batch->sequences; i++) {
        const struct labelled_example *example = &set->examples[first + (size_t)i];
        row = take_example(predictions, set, example, *item, logits, row);
        *item += set->kind == TASK_TOKENS ? (size_t)example->words : 1;
    }
}

static bool predict_all(const struct model *model, struct workspace *workspace,
                        const struct labelled_set *set, struct batch *batch, size_t *indices,
                        struct task_predictions *predictions, struct log *log, struct error *error)
{
    const size_t size = (size_t)workspace->limits.sequences;
    size_t item = 0;
    for (size_t first = 0; first < set->count; first += size) {
        const size_t count = min_size(size, set->count - first);
        for (size_t i = 0; i < count; i++)
            indices[i] = first + i;
        if (!labelled_set_batch(set, indices, count, batch, error))
            return false;
        predict_batch(model, workspace, set, batch, first, &item, predictions);
        log_live(log, "evaluating: %zu of %zu examples", first + count, set->count);
    }
    return true;
}

bool task_predict(const struct model *model, struct workspace *workspace,
                  const struct labelled_set *set, struct task_predictions *predictions,
                  struct log *log, struct error *error)
{
    const size_t size = (size_t)workspace->limits.sequences;
    struct batch batch = {0};
    size_t *indices = allocate(size, sizeof *indices, error);
    bool done =
        indices &&
        create(predictions, set->kind == TASK_TOKENS ? set->word_count : set->count, error) &&
        task_batch_reserve(&batch, set, min_size(size, set->count), error) &&
        predict_all(model, workspace, set, &batch, indices, predictions, log, error);
    if (indices && !done)
        task_predictions_free(predictions);
    batch_free(&batch);
    free(indices);
    return done;
}

/* ---- scores ---- */

static bool score_spans(const struct task_data *data, const struct task_predictions *predictions,
                        bool interval, struct task_score *score, struct error *error)
{
    const struct labelled_set *set = &data->valid;
    struct span_counts *texts = allocate(set->count, sizeof *texts, error);
    size_t item = 0;
    if (!texts)
        return false;
    for (size_t i = 0; i < set->count; i++) {
        const size_t words = (size_t)set->examples[i].words;
        texts[i] = span_counts_of(data->spans, predictions->labelled + item,
                                  predictions->predicted + item, words);
        item += words;
    }
    *score = task_score_spans(texts, set->count, interval);
    free(texts);
    return true;
}

/* F1 of words is that of their spans, and not defined without these. */
static bool compute_score(const struct task_data *data, const struct task_predictions *predictions,
                          enum task_metric metric, bool interval, struct task_score *score,
                          struct error *error)
{
    const enum task_kind kind = data->valid.kind;
    if (kind == TASK_REGRESSION)
        return task_score_numbers(metric, predictions->values, predictions->scores,
                                  predictions->count, score, error);
    if (kind == TASK_TOKENS && metric == METRIC_F1)
        return !data->spans || score_spans(data, predictions, interval, score, error);
    return task_score_classes(metric, predictions->labelled, predictions->predicted,
                              predictions->count, data->labels.count, interval, score, error);
}

bool task_scores_compute(const struct task_data *data, const struct task_predictions *predictions,
                         enum task_metric shown, struct task_scores *scores, struct error *error)
{
    const struct task_metric_list *metrics = task_metrics_of(data->valid.kind);
    bool done = true;
    *scores = (struct task_scores){0};
    for (int i = 0; i < metrics->count && done; i++) {
        const enum task_metric metric = metrics->items[i];
        done = compute_score(data, predictions, metric, metric == shown, &scores->by_metric[metric],
                             error);
    }
    return done;
}

/* ---- predictions.tsv ---- */

/* Appends what follows the place of an item. */
static bool print_item(const struct task_data *data, const struct task_predictions *predictions,
                       size_t item, struct buffer *out, struct error *error)
{
    char *const *names = data->labels.names;
    const int32_t predicted = predictions->predicted[item];
    if (data->valid.kind == TASK_REGRESSION)
        return buffer_print(out, error, "\t%s\t%s\n", format_float(predictions->values[item]).text,
                            format_float(predictions->scores[item]).text);
    if (predicted < 0)
        return buffer_print(out, error, "\t%s\t\t\n", names[predictions->labelled[item]]);
    return buffer_print(out, error, "\t%s\t%s\t%.6f\n", names[predictions->labelled[item]],
                        names[predicted], (double)predictions->scores[item]);
}

static bool print_example(const struct task_data *data, const struct task_predictions *predictions,
                          const struct labelled_example *example, size_t *item, struct buffer *out,
                          struct error *error)
{
    const bool tokens = data->valid.kind == TASK_TOKENS;
    const int32_t items = tokens ? example->words : 1;
    bool done = true;
    for (int32_t i = 0; i < items && done; i++, (*item)++)
        done = buffer_print(out, error, "%s\t%" PRIu64,
                            path_name(data->valid_files.paths[example->file]), example->line) &&
               (!tokens || (buffer_append(out, "\t", 1, error) &&
                            cell_print_field(cells_get(&data->valid.words, *item), out, error))) &&
               print_item(data, predictions, *item, out, error);
    return done;
}

static const char *head_of(enum task_kind kind)
{
    static const char *const heads[] = {
        [TASK_CLASSIFICATION] = "file\tline\tlabel\tpredicted\tprobability\n",
        [TASK_REGRESSION] = "file\tline\tlabel\tpredicted\n",
        [TASK_TOKENS] = "file\tline\tword\tlabel\tpredicted\tprobability\n"};
    return heads[kind];
}

bool task_predictions_write(const struct task_data *data,
                            const struct task_predictions *predictions, const char *path,
                            struct error *error)
{
    struct buffer text = {0};
    size_t item = 0;
    bool done = buffer_print(&text, error, "%s", head_of(data->valid.kind));
    for (size_t i = 0; i < data->valid.count && done; i++)
        done = print_example(data, predictions, &data->valid.examples[i], &item, &text, error);
    done = done && file_write(path, text.data, text.size, error);
    buffer_free(&text);
    return done;
}
