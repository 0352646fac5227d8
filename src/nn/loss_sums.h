/* Sums over the predictions that a loss is the mean of, taken in their order. */
#ifndef CLOZE_NN_LOSS_SUMS_H
#define CLOZE_NN_LOSS_SUMS_H

#include <stdint.h>

struct loss_sums {
    double loss;         /* sum over predictions with a label */
    double loss_squares; /* sum of the squares of the same */
    int64_t count;       /* predictions with a label */
    int64_t correct;     /* of a choice among classes: predictions whose choice was the label */
};

/* Returns the mean loss; 0 if nothing was counted. */
static inline double loss_sums_mean(const struct loss_sums *sums)
{
    return sums->count ? sums->loss / (double)sums->count : 0;
}

/* Returns the share of correct predictions, from 0 to 1; 0 if nothing was counted. */
static inline double loss_sums_accuracy(const struct loss_sums *sums)
{
    return sums->count ? (double)sums->correct / (double)sums->count : 0;
}

static inline void loss_sums_add(struct loss_sums *total, const struct loss_sums *sums)
{
    total->loss += sums->loss;
    total->loss_squares += sums->loss_squares;
    total->count += sums->count;
    total->correct += sums->correct;
}

#endif
