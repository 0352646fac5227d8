/* Arrays of bf16 for tests. */
#ifndef CLOZE_TESTS_SUPPORT_BF16_ARRAYS_H
#define CLOZE_TESTS_SUPPORT_BF16_ARRAYS_H

#include "math/bf16.h"

#include <stddef.h>
#include <stdint.h>

/* The max relative error of rounding to bf16, except of numbers below the smallest normal one. */
#define BF16_ROUNDING 0x1p-8

/* Skips the test, with the reason, if gemm_bf16() is NULL. */
void require_bf16(void);

/* Returns numbers that are uniform in [-scale, scale] and rounded; each item gives other numbers.
 * The caller frees them. */
bf16 *random_bf16(size_t count, uint32_t item, double scale);

/* Returns NaNs, so that elements that are not written are noticed. The caller frees them. */
bf16 *nan_bf16(size_t count);

/* Return copies in the other type. The caller frees them. */
bf16 *rounded_copy(const real *values, size_t count);
real *widened_copy(const bf16 *values, size_t count);

/* Asserts that all bits are equal; the failure names the first element that differs. */
void assert_bf16_identical(const bf16 *actual, const bf16 *expected, size_t count);

#endif
