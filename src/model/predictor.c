#include "model/predictor.h"

#include "base/memory.h"
#include "data/labelled_encoder.h"
#include "model/head.h"
#include "model/text_runner.h"
#include "nn/softmax.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* The texts that a thread encodes at a time. */
enum { SHARE_TEXTS = 16 };

/* What a thread has encoded. */
struct share {
    struct labelled_encoder *encoder;
    int32_t *ids;
    size_t id_count, id_capacity;
    int32_t *word_tokens; /* of all words: index in the text's tokens, or NO_PREDICTION */
    size_t word_count, word_capacity;
    struct predictor_counts counts;
    struct error error;
    bool failed;
};

struct encoded {
    const struct predictor_text *text;
    int thread;
    size_t first_id, first_word; /* in the share of the thread */
    int length, first_segment;
};

struct predictor {
    const struct model *model;
    struct text_runner runner;
    struct share *shares; /* [threads] */
    int threads;
    struct encoded *encoded; /* those that are predicted now */
    size_t encoded_capacity;
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
    predictor->threads = threads;
    predictor->shares = allocate((size_t)threads, sizeof *predictor->shares, error);
    bool done =
        predictor->shares && text_runner_create(&predictor->runner, model, tokens, threads, error);
    for (int i = 0; done && i < threads; i++) {
        predictor->shares[i].encoder = labelled_encoder_create(tokenizer, max_length, error);
        done = predictor->shares[i].encoder;
    }
    if (done)
        return predictor;
    predictor_free(predictor);
    return NULL;
}

void predictor_free(struct predictor *predictor)
{
    if (!predictor)
        return;
    for (int i = 0; predictor->shares && i < predictor->threads; i++) {
        labelled_encoder_free(predictor->shares[i].encoder);
        free(predictor->shares[i].ids);
        free(predictor->shares[i].word_tokens);
    }
    free(predictor->shares);
    free(predictor->encoded);
    text_runner_free(&predictor->runner);
    free(predictor);
}

/* ---- encoding ---- */

static void count_text(struct predictor_counts *counts, const struct labelled_sequence *sequence)
{
    counts->texts++;
    counts->cut += sequence->cut;
    counts->without_token += sequence->tokens == 0;
    counts->tokens += (uint64_t)sequence->tokens;
    counts->unknown += (uint64_t)sequence->unknown;
}

static void append_ids(int32_t *ids, size_t at, const int32_t *from, size_t count)
{
    if (count) /* otherwise there may be no array yet */
        memcpy(ids + at, from, count * sizeof *ids);
}

static bool encode(struct share *share, struct encoded *encoded)
{
    const struct predictor_text *text = encoded->text;
    struct labelled_sequence sequence;
    struct error *error = &share->error;
    const bool done =
        text->words
            ? labelled_encode_words(share->encoder, text->words, &sequence, error)
            : labelled_encode_texts(share->encoder, text->text, text->text_pair, &sequence, error);
    if (!done ||
        !grow(&share->ids, &share->id_capacity, share->id_count + (size_t)sequence.length,
              sizeof *share->ids, error) ||
        !grow(&share->word_tokens, &share->word_capacity, share->word_count + sequence.word_count,
              sizeof *share->word_tokens, error))
        return false;
    append_ids(share->ids, share->id_count, sequence.ids, (size_t)sequence.length);
    append_ids(share->word_tokens, share->word_count, sequence.word_tokens, sequence.word_count);
    encoded->thread = omp_get_thread_num();
    encoded->first_id = share->id_count;
    encoded->first_word = share->word_count;
    encoded->length = sequence.length;
    encoded->first_segment = sequence.first_segment;
    share->id_count += (size_t)sequence.length;
    share->word_count += sequence.word_count;
    count_text(&share->counts, &sequence);
    return true;
}

static bool encode_all(struct predictor *predictor, size_t count, struct error *error)
{
    for (int i = 0; i < predictor->threads; i++)
        predictor->shares[i].id_count = predictor->shares[i].word_count = 0;
#pragma omp parallel for schedule(dynamic, SHARE_TEXTS)
    for (size_t i = 0; i < count; i++) {
        struct share *share = &predictor->shares[omp_get_thread_num()];
        if (!share->failed)
            share->failed = !encode(share, &predictor->encoded[i]);
    }
    for (int i = 0; i < predictor->threads; i++)
        if (predictor->shares[i].failed) {
            *error = predictor->shares[i].error;
            return false;
        }
    return true;
}

/* ---- predicting ---- */

static int length_of(void *context, size_t text)
{
    const struct predictor *predictor = context;
    return predictor->encoded[text].length;
}

/* Returns the place of each word's prediction: [words]. */
static const int32_t *word_tokens_of(const struct predictor *predictor,
                                     const struct encoded *encoded)
{
    return predictor->shares[encoded->thread].word_tokens + encoded->first_word;
}

static void append(void *context, size_t index, struct batch *batch)
{
    const struct predictor *predictor = context;
    const struct encoded *encoded = &predictor->encoded[index];
    const struct cells *words = encoded->text->words;
    int predicted = 0;
    append_ids(batch->input_ids, (size_t)batch->tokens,
               predictor->shares[encoded->thread].ids + encoded->first_id, (size_t)encoded->length);
    for (size_t i = 0; words && i < words->count; i++) {
        const int32_t token = word_tokens_of(predictor, encoded)[i];
        if (token == NO_PREDICTION)
            continue;
        batch->predicted_tokens[batch->predicted + predicted] = token;
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
static real *take_text(const struct predictor *predictor, const struct encoded *encoded, real *row)
{
    const struct cells *words = encoded->text->words;
    const size_t labels = (size_t)predictor->model->config.labels.count;
    if (!words) {
        take_row(predictor, encoded->text->values, row);
        return row + labels;
    }
    for (size_t i = 0; i < words->count; i++) {
        float *values = encoded->text->values + i * labels;
        if (word_tokens_of(predictor, encoded)[i] == NO_PREDICTION) {
            memset(values, 0, labels * sizeof *values);
            continue;
        }
        take_row(predictor, values, row);
        row += labels;
    }
    return row;
}

static void finish(void *context, size_t first, size_t count)
{
    struct predictor *predictor = context;
    const struct head_pass pass =
        head_pass_at(predictor->model, NULL, predictor->runner.workspace, HEAD_CLASSIFIER);
    real *row = predictor->model->config.heads->heads[HEAD_CLASSIFIER]->logits(&pass).reals;
    CHECK(row);
    for (size_t i = first; i < first + count; i++)
        row = take_text(predictor, &predictor->encoded[i], row);
}

static int by_length(const void *a, const void *b)
{
    const struct encoded *x = a, *y = b;
    return (x->length < y->length) - (x->length > y->length);
}

bool predictor_run(struct predictor *predictor, const struct predictor_text *texts, size_t count,
                   struct error *error)
{
    const struct text_source source = {
        .context = predictor, .length = length_of, .append = append, .finish = finish};
    const bool tokens = predictor->model->config.heads == &token_classification_heads;
    if (!grow(&predictor->encoded, &predictor->encoded_capacity, count, sizeof *predictor->encoded,
              error))
        return false;
    for (size_t i = 0; i < count; i++) {
        CHECK(tokens == (texts[i].words != NULL));
        predictor->encoded[i] = (struct encoded){.text = &texts[i]};
    }
    if (!encode_all(predictor, count, error))
        return false;
    if (count)
        qsort(predictor->encoded, count, sizeof *predictor->encoded, by_length);
    text_runner_run(&predictor->runner, &source, count, false);
    return true;
}

struct predictor_counts predictor_counts(const struct predictor *predictor)
{
    struct predictor_counts sum = {0};
    for (int i = 0; i < predictor->threads; i++) {
        const struct predictor_counts *counts = &predictor->shares[i].counts;
        sum.texts += counts->texts;
        sum.cut += counts->cut;
        sum.without_token += counts->without_token;
        sum.tokens += counts->tokens;
        sum.unknown += counts->unknown;
    }
    return sum;
}

int32_t predictor_best(const float *values, int labels)
{
    int32_t best = 0;
    for (int32_t i = 1; i < labels; i++)
        if (values[i] > values[best])
            best = i;
    return values[best] > 0 ? best : -1;
}
