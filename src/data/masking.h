/* Selects the tokens that the model must predict and replaces them (Devlin et al. 2018,
 * section 3.1): a fraction mask_prob of the sequence's tokens is selected, but never a special
 * token; of these 80 % are shown as [MASK], 10 % as a random token that is not special, and 10 %
 * unchanged. */
#ifndef CLOZE_DATA_MASKING_H
#define CLOZE_DATA_MASKING_H

#include "base/random.h"
#include "text/vocabulary.h"

struct masking_options {
    double mask_prob; /* fraction of the tokens that is selected, in (0, 1] */
    bool whole_word;  /* whether all pieces of a word are selected together */
};

/* The vocabulary's special ids and continuation pieces, looked up once. Immutable: any number of
 * threads may use it. */
struct masking;

/* Returns NULL and an error when memory is short or all tokens of the vocabulary are special. */
struct masking *masking_create(const struct vocabulary *vocabulary, struct masking_options options,
                               struct error *error);
void masking_free(struct masking *masking); /* NULL is accepted */

/* Masks one sequence in place.
 *
 * ids     [length]  in, out; every id must be in the vocabulary
 * tokens  [length]  out: the indices of the selected tokens, ascending; the rest is overwritten
 * labels  [length]  out: their original ids; the rest is overwritten
 *
 * Returns the number of selected tokens. The goal is mask_prob * length (with the special tokens,
 * as in Google's program), rounded up or down at random so that the expected rate is exact; at
 * least 1 and at most the number of tokens that can be selected. Whole words are drawn in random
 * order, and a word that would exceed the goal is skipped, so the number may be smaller; when no
 * word fits, the first one drawn is selected whole. */
int masking_apply(const struct masking *masking, struct random *random, int32_t *ids, int length,
                  int32_t *tokens, int32_t *labels);

#endif
