/* Encodes text as ids with a tokenizer (text/tokenizer.h). */
#ifndef CLOZE_TEXT_TEXT_ENCODER_H
#define CLOZE_TEXT_TEXT_ENCODER_H

#include "text/tokenizer.h"

/* The working memory of one thread. */
struct text_encoder;

/* Returns NULL when memory is short. The tokenizer must outlive the encoder. */
struct text_encoder *text_encoder_create(const struct tokenizer *tokenizer, struct error *error);
void text_encoder_free(struct text_encoder *encoder);

/* Returns the ids of a text, without [CLS] and [SEP]. Invalid UTF-8 counts as U+FFFD, one for each
 * maximal ill-formed subpart, which normalization drops. *ids belongs to the encoder until its next
 * call. */
bool text_encoder_encode(struct text_encoder *encoder, const char *text, size_t size,
                         const int32_t **ids, size_t *count, struct error *error);

/* The text that became [UNK] in all calls so far. */
struct text_encoder_loss {
    uint64_t characters; /* number of characters, as utf8_count_printing counts them */
    uint64_t long_words; /* number of words of more than WORD_MAX_CHARACTERS characters */
};

struct text_encoder_loss text_encoder_get_loss(const struct text_encoder *encoder);

#endif
