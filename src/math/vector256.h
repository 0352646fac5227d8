/* Vectors for files that are compiled for AVX2 and FMA; math/vector512.h has the same for
 * AVX-512. */
#ifndef CLOZE_MATH_VECTOR256_H
#define CLOZE_MATH_VECTOR256_H

#include "base/unroll.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { LANES = 8 };
typedef __m256 floats;

/* The parameters of math/panels_product_template.h. Six rows by one panel are 12 sums, which leaves
 * registers for two vectors of B and one of A. */
enum { TILE_ROWS = 6, TILE_PANELS = 1 };

/* 192 KiB of A, and 32 KiB each of the current and the next panel, fill a second-level cache of 256
 * KiB, the smallest of these processors. Half the depth is 8 % slower, because C is read and
 * written twice as often; twice the depth or twice the rows gain nothing (Zen 3, 512 KiB). */
enum { BLOCK_ROWS = 96, BLOCK_STEPS = 512 };

/* Steps of a tile are short: a loop that is not unrolled would take 6 % of the time, and a prefetch
 * at every step 3 % (Zen 3). */
enum { FETCHED_LINES = 4, STRETCH_STEPS = 0, UNROLLED_STEPS = 8 };

/* Returns a mask of the first `count` of 8 words, count <= 8; an empty one if count is negative. */
static inline __m256i first_words(int count)
{
    static const int32_t words[2 * LANES] = {-1, -1, -1, -1, -1, -1, -1, -1};
    const int32_t *from = words + LANES - (count > 0 ? count : 0);
    return _mm256_loadu_si256((const __m256i *)from);
}

static inline floats zeros(void)
{
    return _mm256_setzero_ps();
}

static inline floats all_equal(float x)
{
    return _mm256_set1_ps(x);
}

static inline floats add(floats a, floats b)
{
    return _mm256_add_ps(a, b);
}

/* sum + a * b, rounded once */
static inline floats add_product(floats sum, floats a, floats b)
{
    return _mm256_fmadd_ps(a, b, sum);
}

/* Loads the first `count` lanes; the other lanes become 0 and their memory is not read. Any count
 * is allowed. */
static inline floats load_first(const float *x, int count)
{
    return count >= LANES ? _mm256_loadu_ps(x) : _mm256_maskload_ps(x, first_words(count));
}

/* Stores the first `count` lanes; the memory of the others is not written. */
static inline void store_first(float *y, floats values, int count)
{
    if (count >= LANES)
        _mm256_storeu_ps(y, values);
    else
        _mm256_maskstore_ps(y, first_words(count), values);
}

/* rows[i] lane j becomes rows[j] lane i. */
static inline void transpose_square(floats rows[LANES])
{
    __m256 half[8], quarter[8];
    UNROLL_ALL(4)
    for (size_t i = 0; i < 4; i++) {
        half[2 * i] = _mm256_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
        half[2 * i + 1] = _mm256_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
    }
    /* quarter[4 i + j] holds the lanes j and 4 + j of rows 4 i .. 4 i + 3. */
    UNROLL_ALL(2)
    for (size_t i = 0; i < 8; i += 4) {
        quarter[i] = _mm256_shuffle_ps(half[i], half[i + 2], 0x44);
        quarter[i + 1] = _mm256_shuffle_ps(half[i], half[i + 2], 0xEE);
        quarter[i + 2] = _mm256_shuffle_ps(half[i + 1], half[i + 3], 0x44);
        quarter[i + 3] = _mm256_shuffle_ps(half[i + 1], half[i + 3], 0xEE);
    }
    UNROLL_ALL(4)
    for (size_t j = 0; j < 4; j++) {
        rows[j] = _mm256_permute2f128_ps(quarter[j], quarter[4 + j], 0x20);
        rows[4 + j] = _mm256_permute2f128_ps(quarter[j], quarter[4 + j], 0x31);
    }
}

#endif
