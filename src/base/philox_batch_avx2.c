#include <immintrin.h>
#include <stdint.h>

enum { LANES = 4 };
typedef __m256i lanes;

static inline lanes all_equal(uint32_t word)
{
    return _mm256_set1_epi64x(word);
}

static inline lanes count_from(int64_t first)
{
    return _mm256_add_epi64(_mm256_set1_epi64x(first), _mm256_set_epi64x(3, 2, 1, 0));
}

static inline lanes multiply(lanes a, lanes b)
{
    return _mm256_mul_epu32(a, b);
}

static inline lanes next_word(lanes p, lanes c, lanes k)
{
    return _mm256_xor_si256(_mm256_srli_epi64(p, 32), _mm256_xor_si256(c, k));
}

static inline void store_blocks(uint32_t *words, const lanes word[4])
{
    const lanes first = _mm256_blend_epi32(word[0], _mm256_slli_epi64(word[1], 32), 0xAA);
    const lanes last = _mm256_blend_epi32(word[2], _mm256_slli_epi64(word[3], 32), 0xAA);
    const lanes even = _mm256_unpacklo_epi64(first, last);
    const lanes odd = _mm256_unpackhi_epi64(first, last);
    _mm256_storeu_si256((__m256i *)words, _mm256_permute2x128_si256(even, odd, 0x20));
    _mm256_storeu_si256((__m256i *)words + 1, _mm256_permute2x128_si256(even, odd, 0x31));
}

#define PHILOX_BATCH_NAME philox_batch_avx2
#include "base/philox_batch_template.h"
