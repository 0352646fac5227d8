/* Arrays of bf16 for tests. */
#ifndef CLOZE_TESTS_SUPPORT_BF16_ARRAYS_H
#define CLOZE_TESTS_SUPPORT_BF16_ARRAYS_H

#include "math/bf16.h"

#include <stddef.h>
#include <stdint.h>

/* The largest relative error of rounding to bf16, but for numbers below the smallest normal one. */
#define BF16_ROUNDING 0x1p-8

/* Skips the test, and says why, where gemm_bf16() is NULL. */
void require_bf16(void);

/* Uniform in [-scale, scale], rounded; another item, other numbers. The caller frees it. */
bf16 *random_bf16(size_t count, uint32_t item, double scale);

/* All NaN: what is not written shows. The caller frees it. */
bf16 *nan_bf16(size_t count);

/* Copies. The caller frees them. */
bf16 *rounded_copy(const real *values, size_t count);
real *widened_copy(const bf16 *values, size_t count);

/* The same bits; names the first that differs. */
void assert_bf16_identical(const bf16 *actual, const bf16 *expected, size_t count);

#endif
