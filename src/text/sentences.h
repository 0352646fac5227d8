/* Sentence boundaries in running text, by ICU's rules for any language (Unicode Standard Annex 29,
 * root locale). */
#ifndef CLOZE_TEXT_SENTENCES_H
#define CLOZE_TEXT_SENTENCES_H

#include "base/error.h"

#include <stddef.h>

/* One thread's splitter. */
struct sentence_splitter;

/* NULL when ICU cannot start. */
struct sentence_splitter *sentence_splitter_create(struct error *error);
void sentence_splitter_free(struct sentence_splitter *splitter); /* NULL is accepted */

/* Splits one paragraph.
 *
 * ends   [count] out: where each sentence ends, in bytes, ascending; the last one is `size`. The
 * white space behind a sentence belongs to it. They belong to the splitter, until its next call.
 * count  out: 0 for an empty text, otherwise at least 1
 *
 * No sentence is made of white space alone unless the whole text is: it is joined to the sentence
 * before, at the beginning of the text to the one behind. Ill-formed UTF-8 counts as U+FFFD. More
 * than 2^31 - 1 bytes are an error. */
bool sentence_splitter_split(struct sentence_splitter *splitter, const char *text, size_t size,
                             const size_t **ends, size_t *count, struct error *error);

#endif
