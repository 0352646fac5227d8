/* The single characters of a vocabulary. Zero-initialize; free with alphabet_free. */
#ifndef CLOZE_TEXT_ALPHABET_H
#define CLOZE_TEXT_ALPHABET_H

#include "text/word_counts.h"

struct alphabet_character {
    uint32_t code_point;
    bool continues;     /* occurs behind a word's first character */
    uint64_t frequency; /* in all words */
};

struct alphabet {
    struct alphabet_character *characters; /* [count] by falling frequency, then by code point */
    size_t count;
};

/* Takes the characters of the words that belong in a vocabulary with `room` tokens beside the
 * special ones; the rule is in text/vocabulary_trainer.h. */
bool alphabet_find(struct alphabet *alphabet, const struct word_counts *counts, size_t room,
                   struct error *error);
void alphabet_free(struct alphabet *alphabet);

#endif
