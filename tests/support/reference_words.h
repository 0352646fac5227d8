/* The words of a text as text/normalizer.h says, found the slow way: one step after the other on
 * the whole text, with utf8proc. Does not depend on cmocka: fuzz targets use it too. */
#ifndef CLOZE_TESTS_SUPPORT_REFERENCE_WORDS_H
#define CLOZE_TESTS_SUPPORT_REFERENCE_WORDS_H

#include "base/buffer.h"
#include "text/normalizer.h"

/* In place of what `out` held: the words, each followed by "|"; "<[MASK]>" stands for a special
 * token, "<long>" for a word that is too long. Time grows with the square of the size. */
void reference_words(struct tokenizer_options options, const char *text, size_t size,
                     struct buffer *out);

/* The same from the word reader. */
void print_words(const struct normalizer *normalizer, const char *text, size_t size,
                 struct buffer *out);

#endif
