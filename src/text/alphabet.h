/* The single characters of a vocabulary. Zero-initialize struct alphabet; free it with
 * alphabet_free. */
#ifndef CLOZE_TEXT_ALPHABET_H
#define CLOZE_TEXT_ALPHABET_H

#include "text/vocabulary.h"
#include "text/word_counts.h"

struct alphabet_character {
    uint32_t code_point;
    bool continues;     /* occurs after the first character of a word */
    uint64_t frequency; /* number of occurrences in all words */
};

struct alphabet {
    struct alphabet_character *characters; /* [all] by falling frequency, then by code point */
    size_t all;                            /* number of different characters */
    size_t count;                          /* number of the first ones, which are in the alphabet */
    size_t max;                            /* max count if merges leave room; at least `count` */
    uint64_t total;                        /* number of characters of the words */
};

/* The characters to choose from, and the limits. */
struct alphabet_choice {
    const struct word_counts *counts;
    const struct alphabet_character *dropped; /* [UTF8_CODE_POINTS] by code point: the characters of
                                                 words that the counts have dropped, or NULL */
    const struct vocabulary *known; /* a vocabulary whose characters are left out, or NULL */
    size_t room;                    /* max tokens, besides the special or known ones */
    size_t max; /* max characters; 0: by the rule in text/vocabulary_trainer.h */
};

/* Chooses the characters of a vocabulary by the rule in text/vocabulary_trainer.h. Returns false
 * when memory is short. */
bool alphabet_find(struct alphabet *alphabet, const struct alphabet_choice *choice,
                   struct error *error);
void alphabet_free(struct alphabet *alphabet);

/* Returns the share of all characters of the words that are not in the alphabet, 0 to 1. */
double alphabet_left_out_share(const struct alphabet *alphabet);

/* Counts the characters of a word that occurs `count` times in characters [UTF8_CODE_POINTS], by
 * code point. */
void alphabet_count(struct alphabet_character *characters, const char *word, size_t size,
                    uint64_t count);

#endif
