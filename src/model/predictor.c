#include "model/predictor.h"

#include "base/memory.h"
#include "data/labelled_encoder.h"
#include "model/head.h"
#include "nn/softmax.h"

#include <stdlib.h>
#include <string.h>

/* A text that is predicted now, and its tokens. */
struct task_text {
    const struct predictor_text *text;
    struct encoded_text encoded;
};

struct predictor {
    const struct model *model;
    struct text_runner runner;
    struct encoded_texts *encoded;
    struct task_text *texts;
    size_t capacity;
};

struct predictor *predictor_create(const struct model *model, const struct tokenizer *tokenizer,
                                   int max_length, int threads, struct error *error)
{
    const bool tokens = model->config.heads == &token_classification_heads;
    struct predictor *predictor = allocate(1, sizeof *predictor, error);
    CHECK(model->config.heads->labelled);
    if (!predictor)
        return NULL;
    predictor->model = model;
    predictor->encoded = encoded_texts_create(tokenizer, max_length, threads, error);
    if (predictor->encoded && text_runner_create(&predictor->runner, model, tokens, threads, error))
        return predictor;
    predictor_free(predictor);
    return NULL;
}

void predictor_free(struct predictor *predictor)
{
    if (!predictor)
        return;
    encoded_texts_free(predictor->encoded);
    free(predictor->texts);
    text_runner_free(&predictor->runner);
    free(predictor);
}

static int length_of(void *context, size_t text)
{
    const struct predictor *predictor = context;
    return predictor->texts[text].encoded.length;
}

static void append(void *context, size_t index, struct batch *batch)
{
    const struct predictor *predictor = context;
    const struct encoded_text *encoded = &predictor->texts[index].encoded;
    const struct cells *words = predictor->texts[index].text->plain.words;
    int predicted = 0;
    memcpy(batch->input_ids + batch->tokens, encoded->ids,
           (size_t)encoded->length * sizeof *encoded->ids);
    for (size_t i = 0; words && i < words->count; i++) {
        if (encoded->word_tokens[i] == NO_PREDICTION)
            continue;
        batch->predicted_tokens[batch->predicted + predicted] = encoded->word_tokens[i];
        batch->predicted_labels[batch->predicted + predicted++] = NO_LABEL;
    }
    batch_append(batch, encoded->length, encoded->first_segment, predicted, NO_LABEL);
}

/* Stores what a row of logits, which is overwritten, says. */
static void take_row(const struct predictor *predictor, float *values, real *logits)
{
    const int labels = predictor->model->config.labels.count;
    if (predictor->model->config.heads != &sequence_regression_heads)
        softmax_row(logits, logits, labels, 1);
    for (int i = 0; i < labels; i++)
        values[i] = (float)logits[i];
}

/* Stores what the rows of logits say that begin at `row`; returns the row after those of the
 * text. */
static real *take_text(const struct predictor *predictor, const struct task_text *text, real *row)
{
    const struct cells *words = text->text->plain.words;
    const size_t labels = (size_t)predictor->model->config.labels.count;
    if (!words) {
        take_row(predictor, text->text->values, row);
        return row + labels;
    }
    for (size_t i = 0; i < words->count; i++) {
        float *values = text->text->values + i * labels;
        if (text->encoded.word_tokens[i] == NO_PREDICTION) {
            memset(values, 0, labels * sizeof *values);
            continue;
        }
        take_row(predictor, values, row);
        row += labels;
    }
    return row;
}

static void finish(void *context, const struct text_worker *worker, size_t first, size_t count)
{
    struct predictor *predictor = context;
    const struct head_pass pass =
        head_pass_at(predictor->model, NULL, worker->workspace, HEAD_CLASSIFIER);
    real *row = predictor->model->config.heads->heads[HEAD_CLASSIFIER]->logits(&pass).reals;
    CHECK(row);
    for (size_t i = first; i < first + count; i++)
        row = take_text(predictor, &predictor->texts[i], row);
}

static int by_length(const void *a, const void *b)
{
    const struct encoded_text *x = &((const struct task_text *)a)->encoded;
    const struct encoded_text *y = &((const struct task_text *)b)->encoded;
    return (x->length < y->length) - (x->length > y->length);
}

static struct plain_text text_at(const void *context, size_t index)
{
    const struct predictor_text *texts = context;
    return texts[index].plain;
}

bool predictor_run(struct predictor *predictor, const struct predictor_text *texts, size_t count,
                   const struct text_listener *listener, struct error *error)
{
    const struct text_source source = {.context = predictor,
                                       .length = length_of,
                                       .append = append,
                                       .finish = finish,
                                       .listener = listener};
    const bool tokens = predictor->model->config.heads == &token_classification_heads;
    if (!grow(&predictor->texts, &predictor->capacity, count, sizeof *predictor->texts, error) ||
        !encoded_texts_run(predictor->encoded, text_at, texts, count, error))
        return false;
    for (size_t i = 0; i < count; i++) {
        CHECK(tokens == (texts[i].plain.words != NULL));
        predictor->texts[i] =
            (struct task_text){&texts[i], encoded_texts_get(predictor->encoded, i)};
    }
    if (count)
        qsort(predictor->texts, count, sizeof *predictor->texts, by_length);
    text_runner_run(&predictor->runner, &source, count, false);
    return true;
}

struct text_counts predictor_counts(const struct predictor *predictor)
{
    return encoded_texts_counts(predictor->encoded);
}

int32_t predictor_best(const float *values, int labels)
{
    int32_t best = 0;
    for (int32_t i = 1; i < labels; i++)
        if (values[i] > values[best])
            best = i;
    return values[best] > 0 ? best : -1;
}
