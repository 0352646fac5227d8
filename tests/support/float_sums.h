/* How far sums of floats may be from the exact ones. */
#ifndef CLOZE_TESTS_SUPPORT_FLOAT_SUMS_H
#define CLOZE_TESTS_SUPPORT_FLOAT_SUMS_H

#include "base/error.h"

/* The most that a number plus `terms` others, each a product of two floats or a float, is wrong by
 * when it is computed in floats: in any order, products rounded or fused. With u = 2^-24, a float's
 * relative rounding error, and nothing too small for a float,
 *   |error| <= gamma(terms + 1) * size,   gamma(n) = n * u / (1 - n * u)
 * (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1), which is at most
 * (terms + 2) * u * size up to 4094 terms; more are a broken invariant.
 *
 * size  the sum of the absolute values of all that is added, or more */
static inline double float_sum_bound(double size, int terms)
{
    CHECK(terms <= 4094);
    return size * (terms + 2) * 0x1p-24;
}

#endif
