/* Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011). A number is a pure function of its key and counter, so
 * any example, step or element can be drawn in any order, by any process, and no state has to be
 * saved.
 *
 * The key is the run's seed. The counter identifies the number:
 *     word 0     the block of four numbers, counted from 0
 *     word 1     item: a second index
 *     word 2, 3  index, 56 bits, and in the top 8 bits the stream
 * Thread-safe: there is no state outside the structures. Nothing here can fail. */
#ifndef CLOZE_BASE_RANDOM_H
#define CLOZE_BASE_RANDOM_H

#include <stdint.h>

/* The uses of random numbers. Never renumber them: the numbers of a seed depend on the values. */
enum random_stream {
    RANDOM_INITIALIZATION = 1, /* index: parameter; item: row */
    RANDOM_SHUFFLE = 2,        /* index: epoch */
    RANDOM_CHUNKS = 3,         /* index: document; item: epoch */
    RANDOM_PAIR = 4,           /* index: instance; item: epoch */
    RANDOM_MASKING = 5,        /* index: instance; item: epoch */
    RANDOM_DROPOUT = 6,        /* index: step */
    RANDOM_TEST = 7,
    RANDOM_RESAMPLING = 8, /* index: resample */
};

/* The paper's multipliers and Weyl increments, and rounds. */
#define PHILOX_M0     UINT32_C(0xD2511F53)
#define PHILOX_M1     UINT32_C(0xCD9E8D57)
#define PHILOX_W0     UINT32_C(0x9E3779B9)
#define PHILOX_W1     UINT32_C(0xBB67AE85)
#define PHILOX_ROUNDS 10

/* The ten-round Philox4x32 bijection; base/philox_batch.h computes many at once. */
static inline void philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)PHILOX_M0 * c0, p1 = (uint64_t)PHILOX_M1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* A sequence of numbers, from one place of the counter space on. */
struct random {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t block[4];
    unsigned taken; /* how many numbers of `block` have been taken */
};

/* Returns the beginning of a sequence; index < 2^56. */
struct random random_begin(uint64_t seed, enum random_stream stream, uint64_t index, uint32_t item);

/* Returns 32 uniform bits. */
uint32_t random_bits(struct random *random);

/* Returns a uniform number in 0 .. bound - 1, without bias (Lemire 2019); bound > 0. */
uint32_t random_below(struct random *random, uint32_t bound);

/* Like random_below, for 64-bit bounds. */
uint64_t random_below_64(struct random *random, uint64_t bound);

/* Returns a uniform number in [0, 1), with a resolution of 32 bits. */
double random_unit(struct random *random);

/* Returns a standard normal number (Box & Muller 1958) truncated to [-2, 2]: values outside are
 * drawn again. */
double random_truncated_normal(struct random *random);

/* A permutation of 0 .. count - 1 without a table: position -> element. It is a Feistel network
 * over the next power of four, applied until the result is below count (cycle walking, Black &
 * Rogaway 2002). */
struct permutation {
    uint32_t key[2];
    uint64_t count;
    unsigned half_bits;
};

/* count <= 2^62. */
struct permutation permutation_begin(uint64_t seed, uint64_t index, uint32_t item, uint64_t count);
uint64_t permutation_at(const struct permutation *permutation, uint64_t position);

#endif
