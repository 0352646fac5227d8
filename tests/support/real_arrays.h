/* Arrays of reals for tests: random contents, comparison with a reference, and whether a result
 * depends on threads. */
#ifndef CLOZE_TESTS_REAL_ARRAYS_H
#define CLOZE_TESTS_REAL_ARRAYS_H

#include "math/real.h"

#include <stddef.h>
#include <stdint.h>

/* Uniform in [-scale, scale); another item, other numbers. The caller frees it. */
real *random_reals(size_t count, uint32_t item, double scale);

/* All zero. The caller frees it. */
real *zero_reals(size_t count);

/* Memory in which what nobody writes shows: NaN as real, double or bf16. The caller frees it. */
void *unwritten(size_t bytes);

/* A copy. The caller frees it. */
real *copy_reals(const real *values, size_t count);

/* |actual - expected| <= tolerance * max(1, |expected|) for every element; names the first that is
 * not. */
void assert_reals_near(const real *actual, const double *expected, size_t count, double tolerance);

/* The same bits; names the first that differs. */
void assert_reals_identical(const real *actual, const real *expected, size_t count);

/* None is a NaN or infinite. */
void assert_reals_finite(const real *values, size_t count);

/* Calls `work`, which sets result [count] anew, from serial code with one thread and with several;
 * the result must have the same bits each time. */
void assert_thread_counts_do_not_matter(void (*work)(void *context), void *context,
                                        const real *result, size_t count);

/* The same, and inside a parallel region as well. */
void assert_threads_do_not_matter(void (*work)(void *context), void *context, const real *result,
                                  size_t count);

#endif
