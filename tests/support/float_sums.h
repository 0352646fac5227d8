/* A bound on the rounding error of sums of floats. */
#ifndef CLOZE_TESTS_SUPPORT_FLOAT_SUMS_H
#define CLOZE_TESTS_SUPPORT_FLOAT_SUMS_H

#include "base/error.h"

/* Returns the max error of a number plus `terms` others, each a float or a product of two floats,
 * when the sum is computed in floats, in any order, with rounded or fused products. With u = 2^-24,
 * a float's relative rounding error, and without underflow,
 *   |error| <= gamma(terms + 1) * size,   gamma(n) = n * u / (1 - n * u)
 * (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1), which is at most
 * (terms + 2) * u * size up to 4094 terms; more are a broken invariant.
 *
 * size  the sum of the absolute values of the terms, or more */
static inline double float_sum_bound(double size, int terms)
{
    CHECK(terms <= 4094);
    return size * (terms + 2) * 0x1p-24;
}

#endif
