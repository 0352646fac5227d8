/* Finds sentence boundaries in a text by ICU's rules for any language (Unicode Standard Annex 29,
 * root locale). */
#ifndef CLOZE_TEXT_SENTENCES_H
#define CLOZE_TEXT_SENTENCES_H

#include "base/error.h"

#include <stddef.h>

/* A splitter is used by one thread. */
struct sentence_splitter;

/* Returns NULL when memory is short or ICU fails. */
struct sentence_splitter *sentence_splitter_create(struct error *error);
void sentence_splitter_free(struct sentence_splitter *splitter); /* NULL is accepted */

/* Splits one paragraph.
 *
 * ends   [count] out: the end of each sentence in bytes, ascending; the last one is `size`.
 * count  out: 0 for an empty text, otherwise at least 1
 *
 * The splitter owns `ends`, which is valid until its next call. The white space after a sentence
 * belongs to it.
 *
 * White space is not a sentence, unless it is the whole text: it is joined to the previous
 * sentence, or at the beginning of the text to the next one. Ill-formed UTF-8 counts as U+FFFD. A
 * text of more than 2^31 - 1 bytes is an error. */
bool sentence_splitter_split(struct sentence_splitter *splitter, const char *text, size_t size,
                             const size_t **ends, size_t *count, struct error *error);

#endif
