/* A template of philox() (base/random.h) for several blocks in each vector. A file for one
 * instruction set includes it once, after it has defined PHILOX_BATCH_NAME, the function's name,
 * and these, all static inline:
 *
 *     LANES                   the blocks in a vector
 *     lanes                   the vector: one word of LANES blocks. A word has 64 bits, of which
 *                             only the low half is used; multiplications ignore the high half
 *     all_equal(word)         the word in every lane
 *     count_from(first)       first, first + 1, .. first + LANES - 1
 *     multiply(a, b)          the 64 bits of the product of the low halves, in each lane
 *     next_word(p, c, k)      (p >> 32) ^ c ^ k
 *     store_blocks(words, w)  stores the blocks of four vectors to words [LANES, 4]
 */
#include "base/philox_batch.h"
#include "base/random.h"
#include "base/unroll.h"

#include <stddef.h>

enum { VECTORS = PHILOX_BATCH / LANES };

/* The vectors are interleaved, because each round of one has to wait for the round before. */
void PHILOX_BATCH_NAME(uint32_t words[PHILOX_BATCH_WORDS], const uint32_t counter[4],
                       const uint32_t key[2])
{
    const lanes m0 = all_equal(PHILOX_M0), m1 = all_equal(PHILOX_M1);
    lanes c[VECTORS][4];
    UNROLL_ALL(4)
    for (int v = 0; v < VECTORS; v++) {
        c[v][0] = count_from(counter[0] + LANES * (int64_t)v);
        for (int word = 1; word < 4; word++)
            c[v][word] = all_equal(counter[word]);
    }
    UNROLL_ALL(10)
    for (uint32_t round = 0; round < PHILOX_ROUNDS; round++) {
        const lanes k0 = all_equal(key[0] + round * PHILOX_W0);
        const lanes k1 = all_equal(key[1] + round * PHILOX_W1);
        UNROLL_ALL(4)
        for (int v = 0; v < VECTORS; v++) {
            const lanes p0 = multiply(m0, c[v][0]), p1 = multiply(m1, c[v][2]);
            c[v][0] = next_word(p1, c[v][1], k0);
            c[v][1] = p1;
            c[v][2] = next_word(p0, c[v][3], k1);
            c[v][3] = p0;
        }
    }
    UNROLL_ALL(4)
    for (int v = 0; v < VECTORS; v++)
        store_blocks(words + (size_t)4 * LANES * (size_t)v, c[v]);
}
