#include "base/philox_batch.h"
#include "base/random.h"

#include <immintrin.h>
#include <stddef.h>

enum {
    LANES = 4, /* blocks in a vector: 64 bits for each word, of which the low half counts */
    VECTORS = PHILOX_BATCH / LANES,
};

/* One word of four blocks each. What is in the high halves does not matter: a multiplication takes
 * the low ones only. */
typedef __m256i lanes;

/* Four blocks, word by word, to words [4, 4]. */
static inline void store_blocks(uint32_t *words, const lanes word[4])
{
    const lanes first = _mm256_blend_epi32(word[0], _mm256_slli_epi64(word[1], 32), 0xAA);
    const lanes last = _mm256_blend_epi32(word[2], _mm256_slli_epi64(word[3], 32), 0xAA);
    const lanes even = _mm256_unpacklo_epi64(first, last);
    const lanes odd = _mm256_unpackhi_epi64(first, last);
    _mm256_storeu_si256((__m256i *)words, _mm256_permute2x128_si256(even, odd, 0x20));
    _mm256_storeu_si256((__m256i *)words + 1, _mm256_permute2x128_si256(even, odd, 0x31));
}

/* The rounds of philox(); the vectors take turns, for each round waits for the one before. */
void philox_batch_avx2(uint32_t words[PHILOX_BATCH_WORDS], const uint32_t counter[4],
                       const uint32_t key[2])
{
    const lanes m0 = _mm256_set1_epi64x(PHILOX_M0), m1 = _mm256_set1_epi64x(PHILOX_M1);
    lanes c[VECTORS][4];
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++) {
        c[v][0] = _mm256_add_epi64(_mm256_set1_epi64x(counter[0] + LANES * (int64_t)v),
                                   _mm256_set_epi64x(3, 2, 1, 0));
        for (int word = 1; word < 4; word++)
            c[v][word] = _mm256_set1_epi64x(counter[word]);
    }
#pragma GCC unroll 10
    for (uint32_t round = 0; round < PHILOX_ROUNDS; round++) {
        const lanes k0 = _mm256_set1_epi64x(key[0] + round * PHILOX_W0);
        const lanes k1 = _mm256_set1_epi64x(key[1] + round * PHILOX_W1);
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) {
            const lanes p0 = _mm256_mul_epu32(m0, c[v][0]), p1 = _mm256_mul_epu32(m1, c[v][2]);
            c[v][0] = _mm256_xor_si256(_mm256_srli_epi64(p1, 32), _mm256_xor_si256(c[v][1], k0));
            c[v][1] = p1;
            c[v][2] = _mm256_xor_si256(_mm256_srli_epi64(p0, 32), _mm256_xor_si256(c[v][3], k1));
            c[v][3] = p0;
        }
    }
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++)
        store_blocks(words + (size_t)4 * LANES * (size_t)v, c[v]);
}
