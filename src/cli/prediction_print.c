#include "cli/prediction_print.h"

#include "base/format.h"
#include "base/json.h"
#include "base/memory.h"
#include "model/heads.h"

#include <stdlib.h>

static bool labels_tokens(const struct prediction_block *block)
{
    return block->config->heads == &token_classification_heads;
}

static const char *label_name(const struct prediction_block *block, int32_t class)
{
    return block->config->labels.names[class];
}

/* ---- text ---- */

static bool print_words(struct buffer *out, const struct prediction_block *block,
                        const struct prediction_row *row, struct error *error)
{
    bool done = true;
    for (size_t i = 0; done && i < row->results; i++) {
        done = cell_print_field(cells_get(&row->cells, i), out, error) &&
               (row->best[i] < 0
                    ? buffer_print(out, error, "\t\t\n")
                    : buffer_print(out, error, "\t%s\t%.6f\n", label_name(block, row->best[i]),
                                   prediction_row_score(block, row, i)));
    }
    return done && buffer_append(out, "\n", 1, error);
}

bool prediction_print_text(struct buffer *out, const struct prediction_block *block,
                           const struct prediction_row *row, struct error *error)
{
    if (labels_tokens(block))
        return print_words(out, block, row, error);
    if (block->config->heads == &sequence_regression_heads)
        return buffer_print(out, error, "%s\n", format_float(row->values[0]).text);
    return buffer_print(out, error, "%s\t%.6f\n", label_name(block, row->best[0]),
                        prediction_row_score(block, row, 0));
}

/* ---- JSON ---- */

/* The words [first, end) with a space between them; NULL when memory is short. */
static json_t *text_json(const struct prediction_row *row, size_t first, size_t end)
{
    struct error ignored = {0};
    struct buffer text = {0};
    bool done = true;
    for (size_t i = first; done && i < end; i++) {
        const struct cell word = cells_get(&row->cells, i);
        done = (i == first || buffer_append(&text, " ", 1, &ignored)) &&
               buffer_append(&text, word.text, word.size, &ignored);
    }
    json_t *json = done ? json_text(text.data ? text.data : "", text.size) : NULL;
    buffer_free(&text);
    return json;
}

/* The mean probability of the classes of words [first, end). */
static double mean_score(const struct prediction_block *block, const struct prediction_row *row,
                         size_t first, size_t end)
{
    double sum = 0;
    for (size_t i = first; i < end; i++)
        sum += prediction_row_score(block, row, i);
    return sum / (double)(end - first);
}

static json_t *span_json(const struct prediction_block *block, const struct prediction_row *row,
                         const struct word_span *span)
{
    return json_pack("{s:s, s:f, s:I, s:I, s:o}", "label", span->type, "score",
                     mean_score(block, row, span->first, span->end), "start",
                     (json_int_t)span->first, "end", (json_int_t)span->end, "text",
                     text_json(row, span->first, span->end));
}

static json_t *spans_json(const struct prediction_block *block, const struct prediction_row *row,
                          const struct span_labels *labels)
{
    struct error ignored = {0};
    struct word_span *spans = allocate(row->results, sizeof *spans, &ignored);
    const size_t count = spans ? spans_find(labels, row->best, row->results, spans) : 0;
    json_t *list = spans ? json_array() : NULL;
    int failed = 0;
    for (size_t i = 0; i < count; i++)
        failed |= json_array_append_new(list, span_json(block, row, &spans[i]));
    free(spans);
    if (!failed)
        return json_pack("{s:o}", "spans", list);
    json_decref(list);
    return NULL;
}

static json_t *word_json(const struct prediction_block *block, const struct prediction_row *row,
                         size_t word)
{
    json_t *text = text_json(row, word, word + 1);
    if (row->best[word] < 0)
        return json_pack("{s:o, s:n, s:n}", "text", text, "label", "score");
    return json_pack("{s:o, s:s, s:f}", "text", text, "label", label_name(block, row->best[word]),
                     "score", prediction_row_score(block, row, word));
}

/* Labels that do not name spans: each word by itself. */
static json_t *words_json(const struct prediction_block *block, const struct prediction_row *row)
{
    json_t *list = json_array();
    int failed = 0;
    for (size_t i = 0; i < row->results; i++)
        failed |= json_array_append_new(list, word_json(block, row, i));
    if (!failed)
        return json_pack("{s:o}", "words", list);
    json_decref(list);
    return NULL;
}

static json_t *row_json(const struct prediction_block *block, const struct prediction_row *row,
                        const struct span_labels *spans)
{
    if (labels_tokens(block))
        return spans ? spans_json(block, row, spans) : words_json(block, row);
    /* The number as it is printed as text: a float of 0.6 is 0.600000024 as a double. */
    const double score = block->config->heads == &sequence_regression_heads
                             ? strtod(format_float(row->values[0]).text, NULL)
                             : prediction_row_score(block, row, 0);
    return json_pack("{s:s, s:f}", "label", label_name(block, row->best[0]), "score", score);
}

bool prediction_print_json(struct buffer *out, const struct prediction_block *block,
                           const struct prediction_row *row, const struct span_labels *spans,
                           struct error *error)
{
    json_t *json = row_json(block, row, spans);
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    const bool done = text ? buffer_print(out, error, "%s\n", text)
                           : fail_work(error, "out of memory for the predictions");
    free(text);
    json_decref(json);
    return done;
}
