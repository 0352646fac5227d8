/* Text to ids by a tokenizer (text/tokenizer.h). */
#ifndef CLOZE_TEXT_TEXT_ENCODER_H
#define CLOZE_TEXT_TEXT_ENCODER_H

#include "text/tokenizer.h"

/* An encoder with the working memory of one thread. */
struct text_encoder;

struct text_encoder *text_encoder_create(const struct tokenizer *tokenizer, struct error *error);
void text_encoder_free(struct text_encoder *encoder);

/* The ids of a text, without [CLS] and [SEP]. Invalid UTF-8 counts as U+FFFD, one per maximal
 * ill-formed subpart, which normalization drops. *ids belongs to the encoder and lasts until its
 * next call. */
bool text_encoder_encode(struct text_encoder *encoder, const char *text, size_t size,
                         const int32_t **ids, size_t *count, struct error *error);

/* What became [UNK] in all calls so far. */
struct text_encoder_loss {
    uint64_t characters; /* of the text, as utf8_count_printing counts them */
    uint64_t long_words; /* words that are over WORD_MAX_CHARACTERS */
};

struct text_encoder_loss text_encoder_get_loss(const struct text_encoder *encoder);

#endif
