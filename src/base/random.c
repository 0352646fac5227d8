#include "base/random.h"

#include "base/error.h"

#include <math.h>

struct random random_begin(uint64_t seed, enum random_stream stream, uint64_t index, uint32_t item)
{
    CHECK(index >> 56 == 0);
    return (struct random){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {0, item, (uint32_t)index, (uint32_t)(index >> 32) | (uint32_t)stream << 24},
        .taken = 4,
    };
}

uint32_t random_bits(struct random *random)
{
    if (random->taken == 4) {
        philox(random->block, random->counter, random->key);
        random->counter[0]++;
        random->taken = 0;
    }
    return random->block[random->taken++];
}

uint32_t random_below(struct random *random, uint32_t bound)
{
    CHECK(bound > 0);
    uint64_t product = (uint64_t)random_bits(random) * bound;
    if ((uint32_t)product < bound) {
        uint32_t threshold = -bound % bound;
        while ((uint32_t)product < threshold)
            product = (uint64_t)random_bits(random) * bound;
    }
    return (uint32_t)(product >> 32);
}

static uint64_t random_bits_64(struct random *random)
{
    uint64_t high = random_bits(random);
    return high << 32 | random_bits(random);
}

uint64_t random_below_64(struct random *random, uint64_t bound)
{
    CHECK(bound > 0);
    /* 2^64 mod bound: so many values are left over, and would make low results likelier. */
    uint64_t threshold = -bound % bound;
    uint64_t bits;
    do
        bits = random_bits_64(random);
    while (bits < threshold);
    return bits % bound;
}

double random_unit(struct random *random)
{
    return random_bits(random) * 0x1p-32;
}

double random_truncated_normal(struct random *random)
{
    for (;;) {
        double radius = sqrt(-2 * log((random_bits(random) + 0.5) * 0x1p-32));
        double value = radius * cos(2 * M_PI * random_unit(random));
        if (fabs(value) <= 2)
            return value;
    }
}

struct permutation permutation_begin(uint64_t seed, uint64_t index, uint32_t item, uint64_t count)
{
    CHECK(count <= (uint64_t)1 << 62);
    struct random random = random_begin(seed, RANDOM_SHUFFLE, index, item);
    struct permutation permutation = {.count = count, .half_bits = 1};
    permutation.key[0] = random_bits(&random);
    permutation.key[1] = random_bits(&random);
    while (permutation.half_bits < 31 && (uint64_t)1 << (2 * permutation.half_bits) < count)
        permutation.half_bits++;
    return permutation;
}

static uint64_t feistel(const struct permutation *permutation, uint64_t value)
{
    const uint32_t mask = ((uint32_t)1 << permutation->half_bits) - 1;
    uint32_t left = (uint32_t)(value >> permutation->half_bits), right = (uint32_t)value & mask;
    for (uint32_t round = 0; round < 4; round++) {
        uint32_t mixed[4];
        philox(mixed, (const uint32_t[4]){right, round, 0, 0}, permutation->key);
        uint32_t next = left ^ (mixed[0] & mask);
        left = right;
        right = next;
    }
    return (uint64_t)left << permutation->half_bits | right;
}

uint64_t permutation_at(const struct permutation *permutation, uint64_t position)
{
    CHECK(position < permutation->count);
    uint64_t value = position;
    do
        value = feistel(permutation, value);
    while (value >= permutation->count);
    return value;
}
