/* For files that are compiled for AVX-512. */
#ifndef CLOZE_MATH_AVX512_TRANSPOSE_H
#define CLOZE_MATH_AVX512_TRANSPOSE_H

#include <immintrin.h>
#include <stddef.h>

/* The first `count` of 16 words; none if it is negative. */
static inline __mmask16 first_words(int count)
{
    return (__mmask16)(count >= 16 ? 0xFFFF : count <= 0 ? 0 : (1U << count) - 1);
}

/* Prefetches a line into the first-level cache. Where rows are laid out it is one of those that
 * come next, too far apart for the processor to foresee: transposing the logits' gradients, whose
 * rows are the longest, takes half the time with it (Zen 5). */
static inline void fetch(const void *address)
{
    _mm_prefetch((const char *)address, _MM_HINT_T0);
}

/* 16 words in columns become 16 words in rows: the 32-bit transpose of a vector of vectors. */
static inline void transpose_words(__m512i rows[16])
{
    __m512i half[16], quarter[16];
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++) {
        half[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
        half[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++) {
        quarter[4 * i] = _mm512_unpacklo_epi64(half[4 * i], half[4 * i + 2]);
        quarter[4 * i + 1] = _mm512_unpackhi_epi64(half[4 * i], half[4 * i + 2]);
        quarter[4 * i + 2] = _mm512_unpacklo_epi64(half[4 * i + 1], half[4 * i + 3]);
        quarter[4 * i + 3] = _mm512_unpackhi_epi64(half[4 * i + 1], half[4 * i + 3]);
    }
    /* quarter[4 i + j] holds the words j, 4 + j, 8 + j, 12 + j of rows 4 i .. 4 i + 3, a lane each.
     */
#pragma GCC unroll 4
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

#endif
