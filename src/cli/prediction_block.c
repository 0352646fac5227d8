#include "cli/prediction_block.h"

#include "base/memory.h"
#include "cli/model_operand.h"
#include "data/labelled_value.h"
#include "model/heads.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct prediction_block *prediction_block_create(const struct model_config *config,
                                                 struct error *error)
{
    struct prediction_block *block = allocate(1, sizeof *block, error);
    if (!block)
        return NULL;
    block->config = config;
    block->texts = allocate(BLOCK_ROWS, sizeof *block->texts, error);
    if (block->texts)
        return block;
    prediction_block_free(block);
    return NULL;
}

void prediction_block_free(struct prediction_block *block)
{
    if (!block)
        return;
    for (size_t i = 0; i < BLOCK_ROWS; i++)
        cells_free(&block->rows[i].cells);
    free(block->texts);
    free(block->labels);
    free(block->values);
    free(block->best);
    free(block);
}

static bool is_regression(const struct prediction_block *block)
{
    return block->config->heads == &sequence_regression_heads;
}

static bool labels_tokens(const struct prediction_block *block)
{
    return block->config->heads == &token_classification_heads;
}

/* ---- reading ---- */

static bool fail_label(const struct prediction_block *block, uint64_t line, const char *label,
                       struct error *error)
{
    struct cells known = {0};
    struct buffer names = {0};
    const struct labels *labels = &block->config->labels;
    bool done = true;
    for (int i = 0; done && i < labels->count; i++)
        done = cells_add(&known, labels->names[i], strlen(labels->names[i]), error);
    if (done && cells_describe(&known, &names, error))
        fail_input(error, "%s:%" PRIu64 ": the label \"%.100s\" is none of the model's: %.400s",
                   block->name, line, label, names.data);
    cells_free(&known);
    buffer_free(&names);
    return false;
}

/* The text ends with a zero byte. */
static bool add_class(struct prediction_block *block, uint64_t line, const char *text,
                      struct error *error)
{
    const int label = labels_find(&block->config->labels, text);
    if (label < 0)
        return fail_label(block, line, text, error);
    if (!grow(&block->labels, &block->label_capacity, block->label_count + 1, sizeof *block->labels,
              error))
        return false;
    block->labels[block->label_count++] = label;
    return true;
}

static bool take_label(struct prediction_block *block, struct prediction_row *row,
                       struct cell label, struct error *error)
{
    struct cells copy = {0}; /* with a zero byte at its end */
    if (is_regression(block))
        return labelled_value_read(label, &row->number, error) ||
               fail_context(error, "%s:%" PRIu64, block->name, row->line);
    const bool done = cells_add(&copy, label.text, label.size, error) &&
                      add_class(block, row->line, cells_get(&copy, 0).text, error);
    cells_free(&copy);
    return done;
}

static bool take_texts(struct prediction_block *block, struct prediction_row *row,
                       const struct labelled_row *from, struct error *error)
{
    row->has_pair = from->text_pair.text;
    if (row->has_pair && !model_config_check_pairs(block->config, error))
        return fail_context(error, "%s", block->name);
    row->has_label = from->label.text;
    row->results = 1;
    return cells_add(&row->cells, from->text.text, from->text.size, error) &&
           (!row->has_pair ||
            cells_add(&row->cells, from->text_pair.text, from->text_pair.size, error)) &&
           (!row->has_label || take_label(block, row, from->label, error));
}

static bool take_words(struct prediction_block *block, struct prediction_row *row,
                       const struct labelled_row *from, const struct labelled_rows *rows,
                       struct error *error)
{
    bool done = true;
    row->has_pair = false;
    row->has_label = from->word_labels;
    row->results = from->words->count;
    for (size_t i = 0; done && i < from->words->count; i++) {
        const struct cell word = cells_get(from->words, i);
        done = cells_add(&row->cells, word.text, word.size, error) &&
               (!from->word_labels || add_class(block, labelled_rows_word_line(rows, i),
                                                cells_get(from->word_labels, i).text, error));
    }
    return done;
}

static bool take_row(struct prediction_block *block, const struct labelled_row *from,
                     const struct labelled_rows *rows, struct error *error)
{
    struct prediction_row *row = &block->rows[block->row_count];
    cells_clear(&row->cells);
    row->line = from->line;
    if (!(labels_tokens(block) ? take_words(block, row, from, rows, error)
                               : take_texts(block, row, from, error)))
        return false;
    block->result_count += row->results;
    block->row_count++;
    return true;
}

/* The labels no longer move. */
static void point_at_labels(struct prediction_block *block)
{
    const int32_t *labels = block->labels;
    for (size_t i = 0; i < block->row_count; i++) {
        struct prediction_row *row = &block->rows[i];
        row->labels = row->has_label && !is_regression(block) ? labels : NULL;
        labels += row->labels ? row->results : 0;
    }
}

bool prediction_block_read(struct prediction_block *block, struct labelled_rows *rows,
                           const char *name, bool *end, struct error *error)
{
    size_t bytes = 0;
    block->name = name;
    block->row_count = block->label_count = block->result_count = 0;
    while (!*end && block->row_count < BLOCK_ROWS && bytes < BLOCK_BYTES) {
        struct labelled_row row;
        if (!labelled_rows_next(rows, &row, end, error))
            return false;
        if (*end)
            break;
        if (!take_row(block, &row, rows, error))
            return false;
        bytes += block->rows[block->row_count - 1].cells.bytes.size;
    }
    if (block->label_count)
        point_at_labels(block);
    return true;
}

/* ---- predicting ---- */

static void prepare_text(const struct prediction_block *block, const struct prediction_row *row,
                         struct predictor_text *text, float *values)
{
    *text = (struct predictor_text){.values = values};
    if (labels_tokens(block)) {
        text->plain.words = &row->cells;
        return;
    }
    text->plain.text = cells_get(&row->cells, 0);
    if (row->has_pair)
        text->plain.text_pair = cells_get(&row->cells, 1);
}

/* Sets the classes of a row's results. */
static bool choose(const struct prediction_block *block, const struct prediction_row *row,
                   int32_t *best, struct error *error)
{
    const int labels = block->config->labels.count;
    for (size_t i = 0; i < row->results; i++) {
        const float *values = row->values + i * (size_t)labels;
        if (!isfinite(values[0]))
            return fail_not_finite(block->name, row->line, error);
        best[i] = is_regression(block) ? 0 : predictor_best(values, labels);
    }
    return true;
}

bool prediction_block_run(struct prediction_block *block, struct predictor *predictor,
                          const struct text_listener *listener, struct error *error)
{
    const size_t labels = (size_t)block->config->labels.count;
    if (!grow(&block->values, &block->value_capacity, block->result_count * labels,
              sizeof *block->values, error) ||
        !grow(&block->best, &block->best_capacity, block->result_count, sizeof *block->best, error))
        return false;
    size_t result = 0;
    for (size_t i = 0; i < block->row_count; i++) {
        struct prediction_row *row = &block->rows[i];
        row->values = block->values + result * labels;
        row->best = block->best + result;
        prepare_text(block, row, &block->texts[i], block->values + result * labels);
        result += row->results;
    }
    if (!predictor_run(predictor, block->texts, block->row_count, listener, error))
        return false;
    result = 0;
    for (size_t i = 0; i < block->row_count; result += block->rows[i++].results)
        if (!choose(block, &block->rows[i], block->best + result, error))
            return false;
    return true;
}

double prediction_row_score(const struct prediction_block *block, const struct prediction_row *row,
                            size_t result)
{
    const size_t labels = (size_t)block->config->labels.count;
    return (double)row->values[result * labels + (size_t)row->best[result]];
}
