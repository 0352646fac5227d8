/* The learning rate of every update. */
#ifndef CLOZE_OPTIM_SCHEDULE_H
#define CLOZE_OPTIM_SCHEDULE_H

#include <stdint.h>

/* The shape of the decay that follows the warm-up. */
enum schedule { SCHEDULE_LINEAR, SCHEDULE_COSINE, SCHEDULE_CONSTANT };

struct learning_rate_schedule {
    enum schedule kind;
    double peak;
    double minimum;       /* reached at the last step; ignored by SCHEDULE_CONSTANT */
    int64_t warmup_steps; /* >= 0 */
    int64_t steps;        /* >= 1: the last step */
};

/* The learning rate of update k, counted from 1, so that even the first update learns something
 * (the original BERT counts from 0 and loses its first update). With w = warmup_steps, n = steps
 * and x = (k - w) / (n - w):
 *
 *   k <= w        peak * k / w
 *   w < k <= n    linear    minimum + (peak - minimum) * (1 - x)
 *                 cosine    minimum + (peak - minimum) * (1 + cos(pi x)) / 2
 *                 constant  peak
 *   k > n         as at n
 *
 * The peak is the rate of step w, the minimum that of step n. With w = 0 the decay starts from an
 * imagined step 0, so a run of one step needs w = 1 or a minimum to learn anything; with w >= n the
 * warm-up never ends. k < 1 is a bug. Thread-safe. */
double schedule_learning_rate(const struct learning_rate_schedule *schedule, int64_t step);

#endif
