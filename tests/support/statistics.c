#include "support/statistics.h"

#include <math.h>
#include <stdio.h>

bool agrees_with_mean(double mean, double expected, double deviation, uint64_t count)
{
    double tolerance = 5 * deviation / sqrt((double)count);
    if (fabs(mean - expected) <= tolerance)
        return true;
    fprintf(stderr, "mean of %llu: %.6f; expected %.6f +- %.6f\n", (unsigned long long)count, mean,
            expected, tolerance);
    return false;
}

bool agrees_with_rate(uint64_t hits, uint64_t trials, double probability)
{
    double deviation = sqrt(probability * (1 - probability));
    return agrees_with_mean((double)hits / (double)trials, probability, deviation, trials);
}
