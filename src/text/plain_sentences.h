/* Sentence boundaries in text that is mostly ASCII, without ICU: several times as fast, with the
 * same result, or none. */
#ifndef CLOZE_TEXT_PLAIN_SENTENCES_H
#define CLOZE_TEXT_PLAIN_SENTENCES_H

#include <stdbool.h>
#include <stddef.h>

enum plain_sentence {
    PLAIN_SENTENCE, /* *end is where the sentence that begins at `start` ends */
    PLAIN_UNSURE,   /* this takes ICU, with all of the text */
};

/* Finds the end of the sentence that begins at `start` < size by the rules SB3 to SB998 of Unicode
 * Standard Annex 29. Unsure of a line break, of a character that might end a sentence and is not
 * ASCII, and wherever the rules ask for the class of one that is not ASCII. */
enum plain_sentence plain_sentence_end(const char *text, size_t size, size_t start, size_t *end);

#endif
