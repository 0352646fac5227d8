#include <immintrin.h>
#include <stdint.h>

enum { LANES = 8 };
typedef __m512i lanes;

static inline lanes all_equal(uint32_t word)
{
    return _mm512_set1_epi64(word);
}

static inline lanes count_from(int64_t first)
{
    return _mm512_add_epi64(_mm512_set1_epi64(first), _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0));
}

static inline lanes multiply(lanes a, lanes b)
{
    return _mm512_mul_epu32(a, b);
}

/* A shuffle moves the high halves down, because shifts and multiplications share a port. */
static inline lanes next_word(lanes p, lanes c, lanes k)
{
    enum { XOR = 0x96 }; /* the truth table of a ^ b ^ c */
    return _mm512_ternarylogic_epi64(_mm512_shuffle_epi32(p, _MM_PERM_DDBB), c, k, XOR);
}

static inline void store_blocks(uint32_t *words, const lanes word[4])
{
    const __mmask16 high = 0xAAAA;
    const lanes first = _mm512_mask_blend_epi32(high, word[0], _mm512_slli_epi64(word[1], 32));
    const lanes last = _mm512_mask_blend_epi32(high, word[2], _mm512_slli_epi64(word[3], 32));
    const lanes low_four = _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0);
    const lanes high_four = _mm512_set_epi64(15, 7, 14, 6, 13, 5, 12, 4);
    _mm512_storeu_si512(words, _mm512_permutex2var_epi64(first, low_four, last));
    _mm512_storeu_si512(words + 16, _mm512_permutex2var_epi64(first, high_four, last));
}

#define PHILOX_BATCH_NAME philox_batch_avx512
#include "base/philox_batch_template.h"
