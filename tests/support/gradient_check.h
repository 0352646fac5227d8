/* Compares a gradient with central differences, (f(x + h) - f(x - h)) / 2h. If `real` is double,
 * the error of a right gradient is near 1e-9; checks require 1e-6. */
#ifndef CLOZE_TESTS_GRADIENT_CHECK_H
#define CLOZE_TESTS_GRADIENT_CHECK_H

#include "math/real.h"

#include <stddef.h>
#include <stdint.h>

/* The function f, which depends on the values that the check moves. */
typedef double gradient_function(void *context);

/* Moves values [count] one at a time, and puts them back. Returns the largest error of `gradient`
 * [count], as a share of the largest difference quotient; infinite when that is zero and the
 * gradient is not. */
double gradient_error(const real *gradient, real *values, size_t count, gradient_function *function,
                      void *context);

/* As gradient_error, for more values than can be moved one by one: moves all of them along random
 * directions of unit length. Returns the largest error of the directional derivatives, as a share
 * of the gradient's norm. */
double gradient_error_along(const real *gradient, real *values, size_t count, int directions,
                            uint64_t seed, gradient_function *function, void *context);

#endif
