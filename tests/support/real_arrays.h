/* Arrays of reals for tests: random contents, comparisons with a reference, and checks that a
 * result does not depend on threads. */
#ifndef CLOZE_TESTS_REAL_ARRAYS_H
#define CLOZE_TESTS_REAL_ARRAYS_H

#include "math/real.h"

#include <stddef.h>
#include <stdint.h>

/* Returns numbers that are uniform in [-scale, scale); each item gives other numbers. The caller
 * frees them. */
real *random_reals(size_t count, uint32_t item, double scale);

/* Returns zeros. The caller frees them. */
real *zero_reals(size_t count);

/* Returns memory that is NaN as real, double and bf16, so that elements that are not written are
 * noticed. The caller frees it. */
void *unwritten(size_t bytes);

/* Returns a copy. The caller frees it. */
real *copy_reals(const real *values, size_t count);

/* Asserts that |actual - expected| <= tolerance * max(1, |expected|) for every element; the failure
 * names the first other one. */
void assert_reals_near(const real *actual, const double *expected, size_t count, double tolerance);

/* Asserts that all bits are equal; the failure names the first element that differs. */
void assert_reals_identical(const real *actual, const real *expected, size_t count);

/* Asserts that no element is NaN or infinite. */
void assert_reals_finite(const real *values, size_t count);

/* Calls `work`, which sets result [count], from serial code with one thread and with several, and
 * asserts that the result has the same bits each time. */
void assert_thread_counts_do_not_matter(void (*work)(void *context), void *context,
                                        const real *result, size_t count);

/* As assert_thread_counts_do_not_matter, and calls `work` inside a parallel region as well. */
void assert_threads_do_not_matter(void (*work)(void *context), void *context, const real *result,
                                  size_t count);

#endif
