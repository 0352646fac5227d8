/* Which updates are made: a loss or a gradient that is not finite, or a gradient norm far above
 * what it has been, must not reach the parameters.
 *
 * The norm's mean and variance run along: over all norms as long as there are at most `window` of
 * them, then with the weight 1 / window for the newest (an exponential moving average). They belong
 * to the training state: a resumed run judges as one that was never stopped. */
#ifndef CLOZE_OPTIM_UPDATE_GUARD_H
#define CLOZE_OPTIM_UPDATE_GUARD_H

#include <stdint.h>

/* Zero before step 1. */
struct norm_statistics {
    int64_t count;
    double mean, variance;
};

struct spike_limits {
    double z_score; /* standard deviations above the mean; 0: no norm is a spike */
    int64_t window; /* steps; no norm is a spike before there are as many */
};

enum update_verdict { UPDATE_SOUND, UPDATE_NOT_FINITE, UPDATE_SPIKE };

/* How many standard deviations the norm lies above the mean; 0 while there is no variance. */
double update_guard_z_score(const struct norm_statistics *statistics, double norm);

/* Judges a step by its loss and its gradient's norm, and takes the norm into the statistics: one
 * that is not finite is left out, a spike counts as no more than the limit. So a norm that has
 * risen for good is accepted before long. */
enum update_verdict update_guard_judge(struct norm_statistics *statistics,
                                       struct spike_limits limits, double loss, double norm);

#endif
