#include "model/embedder.h"

#include "base/memory.h"
#include "text/text_encoder.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* The texts that a thread encodes at a time. */
enum { SHARE_TEXTS = 64 };

/* What a thread has encoded. */
struct share {
    struct text_encoder *encoder;
    int32_t *ids;
    size_t count, capacity;
    struct embedder_counts counts;
    struct error error;
    bool failed;
};

struct place {
    int thread;
    size_t first; /* among the ids of the thread's share */
    int count;
};

struct embedder {
    const struct model *model;
    const struct tokenizer *tokenizer;
    size_t max_ids; /* without [CLS] and [SEP] */
    struct text_vectors *vectors;
    struct share *shares; /* [threads] */
    int threads;
    struct place *places; /* of the texts */
    struct text_vector *texts;
    size_t place_capacity, text_capacity;
};

struct embedder *embedder_create(const struct model *model, const struct tokenizer *tokenizer,
                                 int max_length, enum pooling pooling, bool normalize, int threads,
                                 struct error *error)
{
    struct embedder *embedder = allocate(1, sizeof *embedder, error);
    if (!embedder)
        return NULL;
    embedder->model = model;
    embedder->tokenizer = tokenizer;
    embedder->max_ids = (size_t)max_length - 2;
    embedder->threads = threads;
    embedder->shares = allocate((size_t)threads, sizeof *embedder->shares, error);
    bool done = embedder->shares;
    for (int i = 0; done && i < threads; i++) {
        embedder->shares[i].encoder = text_encoder_create(tokenizer, error);
        done = embedder->shares[i].encoder;
    }
    if (done)
        embedder->vectors = text_vectors_create(model, tokenizer_vocabulary(tokenizer), pooling,
                                                normalize, threads, error);
    if (embedder->vectors)
        return embedder;
    embedder_free(embedder);
    return NULL;
}

void embedder_free(struct embedder *embedder)
{
    if (!embedder)
        return;
    text_vectors_free(embedder->vectors);
    for (int i = 0; embedder->shares && i < embedder->threads; i++) {
        text_encoder_free(embedder->shares[i].encoder);
        free(embedder->shares[i].ids);
    }
    free(embedder->shares);
    free(embedder->places);
    free(embedder->texts);
    free(embedder);
}

/* ---- encoding ---- */

static void count_text(const struct embedder *embedder, struct share *share, const int32_t *ids,
                       size_t count, bool cut)
{
    const int32_t unknown =
        vocabulary_special(tokenizer_vocabulary(embedder->tokenizer), SPECIAL_UNK);
    share->counts.texts++;
    share->counts.cut += cut;
    share->counts.tokens += count;
    for (size_t i = 0; i < count; i++)
        share->counts.unknown += ids[i] == unknown;
}

static bool encode(const struct embedder *embedder, struct share *share, struct cell text,
                   struct place *place)
{
    const int32_t *ids;
    size_t count;
    if (!text_encoder_encode(share->encoder, text.text, text.size, &ids, &count, &share->error))
        return false;
    const bool cut = count > embedder->max_ids;
    if (cut)
        count = embedder->max_ids;
    if (!grow(&share->ids, &share->capacity, share->count + count, sizeof *share->ids,
              &share->error))
        return false;
    *place = (struct place){omp_get_thread_num(), share->count, (int)count};
    if (count)
        memcpy(share->ids + share->count, ids, count * sizeof *ids);
    share->count += count;
    count_text(embedder, share, ids, count, cut);
    return true;
}

static bool encode_all(struct embedder *embedder, const struct cell *texts, size_t count,
                       struct error *error)
{
    for (int i = 0; i < embedder->threads; i++)
        embedder->shares[i].count = 0;
#pragma omp parallel for schedule(dynamic, SHARE_TEXTS)
    for (size_t i = 0; i < count; i++) {
        struct share *share = &embedder->shares[omp_get_thread_num()];
        if (!share->failed)
            share->failed = !encode(embedder, share, texts[i], &embedder->places[i]);
    }
    for (int i = 0; i < embedder->threads; i++)
        if (embedder->shares[i].failed) {
            *error = embedder->shares[i].error;
            return false;
        }
    return true;
}

/* ---- computing ---- */

bool embedder_run(struct embedder *embedder, const struct cell *texts, size_t count, float *values,
                  struct error *error)
{
    const size_t width = (size_t)embedder->model->config.hidden_size;
    if (!grow(&embedder->places, &embedder->place_capacity, count, sizeof *embedder->places,
              error) ||
        !grow(&embedder->texts, &embedder->text_capacity, count, sizeof *embedder->texts, error) ||
        !encode_all(embedder, texts, count, error))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct place *place = &embedder->places[i];
        embedder->texts[i] = (struct text_vector){
            .ids = place->count ? embedder->shares[place->thread].ids + place->first : NULL,
            .count = place->count,
            .values = values + i * width,
        };
    }
    if (count)
        text_vectors_compute(embedder->vectors, embedder->texts, count);
    return true;
}

struct embedder_counts embedder_counts(const struct embedder *embedder)
{
    struct embedder_counts sum = {0};
    for (int i = 0; i < embedder->threads; i++) {
        const struct embedder_counts *counts = &embedder->shares[i].counts;
        sum.texts += counts->texts;
        sum.cut += counts->cut;
        sum.tokens += counts->tokens;
        sum.unknown += counts->unknown;
    }
    return sum;
}
