/* The unigram baseline, which a masked language model has to beat: it predicts the tokens of a text
 * from their frequencies in another text. */
#ifndef CLOZE_DATA_UNIGRAM_H
#define CLOZE_DATA_UNIGRAM_H

#include "data/dataset.h"
#include "text/vocabulary.h"

struct unigram {
    double loss;     /* mean of -log((count + 1) / (tokens + ordinary tokens of the vocabulary)) */
    double accuracy; /* accuracy of always predicting the most frequent token, 0 to 1 */
};

/* Returns how often each token of the vocabulary occurs, [size of the vocabulary], which the caller
 * frees; 0 for those that masking does not select. Reads the dataset once. NULL when memory is
 * short. */
uint64_t *unigram_count(const struct dataset *dataset, const struct vocabulary *vocabulary,
                        struct error *error);

/* Predicts the tokens counted in `predicted` from the counts `seen`, both of unigram_count. Returns
 * false and an error when there are none to predict. */
bool unigram_compare(const uint64_t *seen, const uint64_t *predicted,
                     const struct vocabulary *vocabulary, struct unigram *unigram,
                     struct error *error);

/* Counts the tokens of `known` and predicts those of `text`. Tokens that masking does not select
 * are left out of both. Reads each dataset once. Returns false and an error when memory is short
 * or when `text` has only special tokens. */
bool unigram_measure(const struct dataset *known, const struct dataset *text,
                     const struct vocabulary *vocabulary, struct unigram *unigram,
                     struct error *error);

#endif
