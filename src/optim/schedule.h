/* The learning rate schedule. */
#ifndef CLOZE_OPTIM_SCHEDULE_H
#define CLOZE_OPTIM_SCHEDULE_H

#include <stdint.h>

/* The shape of the decay after the warm-up. */
enum schedule { SCHEDULE_LINEAR, SCHEDULE_COSINE, SCHEDULE_CONSTANT };

struct learning_rate_schedule {
    enum schedule kind;
    double peak;
    double minimum;       /* rate of the last step; SCHEDULE_CONSTANT ignores it */
    int64_t warmup_steps; /* >= 0 */
    int64_t steps;        /* the last step, >= 1 */
};

/* Returns the learning rate of update k = `step`. Updates are counted from 1, so that the first one
 * has a rate above 0 (the original BERT counts from 0, and its first update changes nothing). With
 * w = warmup_steps, n = steps and x = (k - w) / (n - w):
 *
 *   k <= w        peak * k / w
 *   w < k <= n    linear    minimum + (peak - minimum) * (1 - x)
 *                 cosine    minimum + (peak - minimum) * (1 + cos(pi x)) / 2
 *                 constant  peak
 *   k > n         as at n
 *
 * The peak is the rate of step w, the minimum that of step n. With w = 0 the decay starts before
 * step 1, at an imaginary step 0, so a run of one step learns something only with w = 1 or a
 * minimum above 0; with w >= n the warm-up lasts to the end. `step` must be at least 1.
 * Thread-safe. */
double schedule_learning_rate(const struct learning_rate_schedule *schedule, int64_t step);

#endif
