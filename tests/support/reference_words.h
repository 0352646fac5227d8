/* Finds the words of a text as text/normalizer.h describes, slowly: each step runs on the whole
 * text, with utf8proc. Does not depend on cmocka: fuzz targets use it too. */
#ifndef CLOZE_TESTS_SUPPORT_REFERENCE_WORDS_H
#define CLOZE_TESTS_SUPPORT_REFERENCE_WORDS_H

#include "base/buffer.h"
#include "text/normalizer.h"

/* Replaces the contents of `out` by the words, each followed by "|"; "<[MASK]>" is a special token,
 * and "<long>" a word that is too long. The time grows with the square of the size. */
void reference_words(struct tokenizer_options options, const char *text, size_t size,
                     struct buffer *out);

/* Prints the words of the word reader in the same way. */
void print_words(const struct normalizer *normalizer, const char *text, size_t size,
                 struct buffer *out);

#endif
