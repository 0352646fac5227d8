/* Texts that all threads encode at the same time (data/labelled_encoder.h), for the predictor and
 * the embedder. */
#ifndef CLOZE_MODEL_ENCODED_TEXTS_H
#define CLOZE_MODEL_ENCODED_TEXTS_H

#include "data/cells.h"
#include "text/tokenizer.h"

/* A text, or a pair, or a text of words. */
struct plain_text {
    struct cell text;
    struct cell text_pair;     /* its text is NULL if there is none */
    const struct cells *words; /* NULL: the text is not given as words */
};

/* What a text has become; it belongs to the texts until they are encoded again. */
struct encoded_text {
    const int32_t *ids; /* [length] with [CLS] and [SEP] */
    int length, first_segment;
    const int32_t *word_tokens; /* [words] index of each word's first piece, or NO_PREDICTION */
};

/* Of all texts so far. */
struct text_counts {
    uint64_t texts, cut, without_token;
    uint64_t tokens, unknown; /* before cutting, without special tokens; [UNK] among them */
};

struct encoded_texts;

/* Texts are cut to max_length tokens, at least 3. The tokenizer stays the caller's. OpenMP may have
 * at most `threads` threads whenever texts are encoded. NULL on failure. */
struct encoded_texts *encoded_texts_create(const struct tokenizer *tokenizer, int max_length,
                                           int threads, struct error *error);
void encoded_texts_free(struct encoded_texts *texts); /* NULL is accepted */

/* Encodes texts 0 .. count - 1 in place of those before; `text_at`, which all threads call, returns
 * each of them. Fails only when memory is short. */
bool encoded_texts_run(struct encoded_texts *texts,
                       struct plain_text (*text_at)(const void *context, size_t index),
                       const void *context, size_t count, struct error *error);

/* Returns text `index` < count. */
struct encoded_text encoded_texts_get(const struct encoded_texts *texts, size_t index);

struct text_counts encoded_texts_counts(const struct encoded_texts *texts);

#endif
