#include "model/encoded_texts.h"

#include "base/memory.h"
#include "data/labelled_encoder.h"

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
    int32_t *word_tokens; /* of all words */
    size_t word_count, word_capacity;
    struct text_counts counts;
    struct error error;
    bool failed;
};

/* Where a text is. */
struct place {
    int thread;
    size_t first_id, first_word; /* in the share of the thread */
    int length, first_segment;
};

struct encoded_texts {
    struct share *shares; /* [threads] */
    int threads;
    struct place *places; /* [count] */
    size_t count, capacity;
};

struct encoded_texts *encoded_texts_create(const struct tokenizer *tokenizer, int max_length,
                                           int threads, struct error *error)
{
    struct encoded_texts *texts = allocate(1, sizeof *texts, error);
    if (!texts)
        return NULL;
    texts->threads = threads;
    texts->shares = allocate((size_t)threads, sizeof *texts->shares, error);
    bool done = texts->shares;
    for (int i = 0; done && i < threads; i++) {
        texts->shares[i].encoder = labelled_encoder_create(tokenizer, max_length, error);
        done = texts->shares[i].encoder;
    }
    if (done)
        return texts;
    encoded_texts_free(texts);
    return NULL;
}

void encoded_texts_free(struct encoded_texts *texts)
{
    if (!texts)
        return;
    for (int i = 0; texts->shares && i < texts->threads; i++) {
        labelled_encoder_free(texts->shares[i].encoder);
        free(texts->shares[i].ids);
        free(texts->shares[i].word_tokens);
    }
    free(texts->shares);
    free(texts->places);
    free(texts);
}

static void count_text(struct text_counts *counts, const struct labelled_sequence *sequence)
{
    counts->texts++;
    counts->cut += sequence->cut;
    counts->without_token += sequence->tokens == 0;
    counts->tokens += (uint64_t)sequence->tokens;
    counts->unknown += (uint64_t)sequence->unknown;
}

/* Appends to the array, which has room. */
static void append(int32_t *array, size_t *size, const int32_t *from, size_t count)
{
    if (count) /* otherwise there may be no array yet */
        memcpy(array + *size, from, count * sizeof *array);
    *size += count;
}

static bool encode(struct share *share, struct plain_text text, struct place *place)
{
    struct labelled_sequence sequence;
    struct error *error = &share->error;
    const bool done =
        text.words
            ? labelled_encode_words(share->encoder, text.words, &sequence, error)
            : labelled_encode_texts(share->encoder, text.text, text.text_pair, &sequence, error);
    if (!done ||
        !grow(&share->ids, &share->id_capacity, share->id_count + (size_t)sequence.length,
              sizeof *share->ids, error) ||
        !grow(&share->word_tokens, &share->word_capacity, share->word_count + sequence.word_count,
              sizeof *share->word_tokens, error))
        return false;
    *place = (struct place){.thread = omp_get_thread_num(),
                            .first_id = share->id_count,
                            .first_word = share->word_count,
                            .length = sequence.length,
                            .first_segment = sequence.first_segment};
    append(share->ids, &share->id_count, sequence.ids, (size_t)sequence.length);
    append(share->word_tokens, &share->word_count, sequence.word_tokens, sequence.word_count);
    count_text(&share->counts, &sequence);
    return true;
}

bool encoded_texts_run(struct encoded_texts *texts,
                       struct plain_text (*text_at)(const void *context, size_t index),
                       const void *context, size_t count, struct error *error)
{
    CHECK(omp_get_max_threads() <= texts->threads);
    if (!grow(&texts->places, &texts->capacity, count, sizeof *texts->places, error))
        return false;
    texts->count = count;
    for (int i = 0; i < texts->threads; i++) {
        texts->shares[i].id_count = texts->shares[i].word_count = 0;
        texts->shares[i].failed = false;
    }
#pragma omp parallel for schedule(dynamic, SHARE_TEXTS)
    for (size_t i = 0; i < count; i++) {
        struct share *share = &texts->shares[omp_get_thread_num()];
        if (!share->failed)
            share->failed = !encode(share, text_at(context, i), &texts->places[i]);
    }
    for (int i = 0; i < texts->threads; i++)
        if (texts->shares[i].failed) {
            *error = texts->shares[i].error;
            return false;
        }
    return true;
}

struct encoded_text encoded_texts_get(const struct encoded_texts *texts, size_t index)
{
    CHECK(index < texts->count);
    const struct place *place = &texts->places[index];
    const struct share *share = &texts->shares[place->thread];
    return (struct encoded_text){
        .ids = share->ids + place->first_id,
        .length = place->length,
        .first_segment = place->first_segment,
        .word_tokens = share->word_count ? share->word_tokens + place->first_word : NULL,
    };
}

struct text_counts encoded_texts_counts(const struct encoded_texts *texts)
{
    struct text_counts sum = {0};
    for (int i = 0; i < texts->threads; i++) {
        const struct text_counts *counts = &texts->shares[i].counts;
        sum.texts += counts->texts;
        sum.cut += counts->cut;
        sum.without_token += counts->without_token;
        sum.tokens += counts->tokens;
        sum.unknown += counts->unknown;
    }
    return sum;
}
