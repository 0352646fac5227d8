/* Vectors for files that are compiled for AVX-512; math/vector256.h has the same for AVX2. */
#ifndef CLOZE_MATH_VECTOR512_H
#define CLOZE_MATH_VECTOR512_H

#include "base/unroll.h"

#include <immintrin.h>
#include <stddef.h>

enum { LANES = 16 };
typedef __m512 floats;

/* Returns a mask of the first `count` of 16 words; an empty one if count is negative. */
static inline __mmask16 first_words(int count)
{
    return (__mmask16)(count >= 16 ? 0xFFFF : count <= 0 ? 0 : (1U << count) - 1);
}

static inline floats zeros(void)
{
    return _mm512_setzero_ps();
}

static inline floats all_equal(float x)
{
    return _mm512_set1_ps(x);
}

static inline floats add(floats a, floats b)
{
    return _mm512_add_ps(a, b);
}

/* sum + a * b, rounded once */
static inline floats add_product(floats sum, floats a, floats b)
{
    return _mm512_fmadd_ps(a, b, sum);
}

/* Loads the first `count` lanes; the other lanes become 0 and their memory is not read. Any count
 * is allowed. */
static inline floats load_first(const float *x, int count)
{
    return count >= LANES ? _mm512_loadu_ps(x) : _mm512_maskz_loadu_ps(first_words(count), x);
}

/* Stores the first `count` lanes; the memory of the others is not written. */
static inline void store_first(float *y, floats values, int count)
{
    if (count >= LANES)
        _mm512_storeu_ps(y, values);
    else
        _mm512_mask_storeu_ps(y, first_words(count), values);
}

/* Transposes a 16 x 16 matrix of 32-bit words. */
static inline void transpose_words(__m512i rows[16])
{
    __m512i half[16], quarter[16];
    UNROLL_ALL(8)
    for (size_t i = 0; i < 8; i++) {
        half[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
        half[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
    }
    UNROLL_ALL(4)
    for (size_t i = 0; i < 4; i++) {
        quarter[4 * i] = _mm512_unpacklo_epi64(half[4 * i], half[4 * i + 2]);
        quarter[4 * i + 1] = _mm512_unpackhi_epi64(half[4 * i], half[4 * i + 2]);
        quarter[4 * i + 2] = _mm512_unpacklo_epi64(half[4 * i + 1], half[4 * i + 3]);
        quarter[4 * i + 3] = _mm512_unpackhi_epi64(half[4 * i + 1], half[4 * i + 3]);
    }
    /* quarter[4 i + j] holds, in its four 128-bit lanes, the words j, 4 + j, 8 + j and 12 + j of
     * rows 4 i .. 4 i + 3. */
    UNROLL_ALL(4)
    for (size_t j = 0; j < 4; j++) {
        __m512i low01 = _mm512_shuffle_i32x4(quarter[j], quarter[4 + j], 0x88);
        __m512i high01 = _mm512_shuffle_i32x4(quarter[j], quarter[4 + j], 0xDD);
        __m512i low23 = _mm512_shuffle_i32x4(quarter[8 + j], quarter[12 + j], 0x88);
        __m512i high23 = _mm512_shuffle_i32x4(quarter[8 + j], quarter[12 + j], 0xDD);
        rows[j] = _mm512_shuffle_i32x4(low01, low23, 0x88);
        rows[8 + j] = _mm512_shuffle_i32x4(low01, low23, 0xDD);
        rows[4 + j] = _mm512_shuffle_i32x4(high01, high23, 0x88);
        rows[12 + j] = _mm512_shuffle_i32x4(high01, high23, 0xDD);
    }
}

/* rows[i] lane j becomes rows[j] lane i. */
static inline void transpose_square(floats rows[LANES])
{
    __m512i words[LANES];
    UNROLL_ALL(16)
    for (size_t i = 0; i < LANES; i++)
        words[i] = _mm512_castps_si512(rows[i]);
    transpose_words(words);
    UNROLL_ALL(16)
    for (size_t i = 0; i < LANES; i++)
        rows[i] = _mm512_castsi512_ps(words[i]);
}

#endif
