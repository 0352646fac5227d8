/* A tokenizer and its encoder for tests. Every failure here fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_TOKENIZER_FIXTURE_H
#define CLOZE_TESTS_SUPPORT_TOKENIZER_FIXTURE_H

#include "text/text_encoder.h"
#include "text/tokenizer.h"

struct tokenizer_fixture {
    struct tokenizer *tokenizer;
    struct text_encoder *encoder;
};

/* Takes over the vocabulary, which must not be NULL. */
struct tokenizer_fixture tokenizer_fixture_open(struct vocabulary *vocabulary, bool lowercase);
void tokenizer_fixture_close(struct tokenizer_fixture fixture);

/* Returns the number of ids, which belong to the encoder until its next call. */
size_t tokenizer_fixture_encode(struct tokenizer_fixture fixture, const char *text, size_t size,
                                const int32_t **ids);

#endif
