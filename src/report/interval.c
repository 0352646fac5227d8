#include "report/interval.h"

#include <math.h>

struct interval accuracy_interval(double correct, int64_t answers)
{
    if (!answers)
        return (struct interval){0, 1};
    double count = (double)answers, share = correct / count;
    double square = INTERVAL_QUANTILE * INTERVAL_QUANTILE;
    double center = (share + square / (2 * count)) / (1 + square / count);
    double margin = INTERVAL_QUANTILE / (1 + square / count) *
                    sqrt(share * (1 - share) / count + square / (4 * count * count));
    /* 0 and 1 are exact where rounding would miss them. */
    return (struct interval){correct > 0 ? fmax(center - margin, 0) : 0,
                             correct < count ? fmin(center + margin, 1) : 1};
}
