#include "optim/update_guard.h"

#include <math.h>
#include <stdbool.h>

double update_guard_z_score(const struct norm_statistics *statistics, double norm)
{
    double deviation = sqrt(statistics->variance);
    return deviation > 0 ? (norm - statistics->mean) / deviation : 0;
}

/* The weighted mean and variance with one value more, of weight a (West 1979):
 *   mean' = mean + a d,   variance' = (1 - a) (variance + a d^2),   d = value - mean */
static void take_in(struct norm_statistics *statistics, int64_t window, double value)
{
    if (statistics->count < window || statistics->count == 0)
        statistics->count++;
    else if (window > 0 && statistics->count > window)
        statistics->count = window; /* it has become smaller */
    double weight = 1 / (double)statistics->count;
    double difference = value - statistics->mean;
    statistics->mean += weight * difference;
    statistics->variance = (1 - weight) * (statistics->variance + weight * difference * difference);
}

enum update_verdict update_guard_judge(struct norm_statistics *statistics,
                                       struct spike_limits limits, double loss, double norm)
{
    if (!isfinite(loss) || !isfinite(norm))
        return UPDATE_NOT_FINITE;
    bool spike = limits.z_score > 0 && statistics->count >= limits.window &&
                 update_guard_z_score(statistics, norm) > limits.z_score;
    double max = statistics->mean + limits.z_score * sqrt(statistics->variance);
    take_in(statistics, limits.window, spike ? max : norm);
    return spike ? UPDATE_SPIKE : UPDATE_SOUND;
}
