/* Sentences of a text with a word left out, which are easy to read: for a message, and to see what
 * a model fills in while it learns. */
#ifndef CLOZE_TRAIN_EXAMPLE_SENTENCES_H
#define CLOZE_TRAIN_EXAMPLE_SENTENCES_H

#include "data/dataset.h"
#include "text/tokenizer.h"

enum { EXAMPLE_TOKENS = 12, EXAMPLE_BYTES = 56 };

/* A sentence of 4 to EXAMPLE_TOKENS tokens, none of them special and at least three of them words,
 * in which the whole word nearest to the middle is [MASK]. */
struct example_sentence {
    int32_t ids[EXAMPLE_TOKENS]; /* [count], without [CLS] and [SEP] */
    int count;
    int blank;    /* index of [MASK] */
    int32_t word; /* the id that [MASK] replaces */
    char *text;   /* decoded, at most EXAMPLE_BYTES, without quotation marks; owned */
};

/* The next sentence to be tried. All zero: the first one of the text. */
struct example_place {
    uint64_t document;
    uint32_t sentence;
};

/* Finds a fit sentence among the next 2,000 of the dataset, and moves the place after it. Returns
 * false if there is none; one that cannot be decoded because memory is short is passed over. The
 * caller frees the text. */
bool example_sentence_find(const struct dataset *dataset, const struct tokenizer *tokenizer,
                           struct example_place *place, struct example_sentence *example);

#endif
