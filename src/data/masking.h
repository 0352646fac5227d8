/* Which tokens the model must predict, and what it sees in their place (Devlin et al. 2018, section
 * 3.1): a fraction mask_prob of the sequence's tokens is selected, never a special token; of those
 * 80 % are shown as [MASK], 10 % as a random token that is not special, 10 % as they are. */
#ifndef CLOZE_DATA_MASKING_H
#define CLOZE_DATA_MASKING_H

#include "base/random.h"
#include "text/vocabulary.h"

struct masking_options {
    double mask_prob; /* in (0, 1] */
    bool whole_word;  /* a word's pieces are selected together */
};

/* Immutable, so any number of threads may use it: the vocabulary's special ids and continuation
 * pieces, looked up once. */
struct masking;

/* NULL and an error when memory is short or when all tokens of the vocabulary are special. */
struct masking *masking_create(const struct vocabulary *vocabulary, struct masking_options options,
                               struct error *error);
void masking_free(struct masking *masking); /* NULL is accepted */

/* Masks one sequence in place.
 *
 * ids     [length]  in, out; every id is in the vocabulary
 * tokens  [length]  out: the selected places, ascending; the rest is overwritten
 * labels  [length]  out: what stood there; the rest is overwritten
 *
 * Returns how many were selected. The aim is mask_prob times length (special tokens included, as
 * Google's program counts), rounded up or down at random so that the expected rate is exact; at
 * least 1, and at most what can be selected. Whole words are drawn in random order and those passed
 * over that would exceed the aim, so there may be fewer; when no word fits, the first drawn is
 * selected whole. */
int masking_apply(const struct masking *masking, struct random *random, int32_t *ids, int length,
                  int32_t *tokens, int32_t *labels);

#endif
