#include "base/philox_batch.h"

#include "base/random.h"

#include <stddef.h>

void philox_batch_plain(uint32_t words[PHILOX_BATCH_WORDS], const uint32_t counter[4],
                        const uint32_t key[2])
{
    for (uint32_t block = 0; block < PHILOX_BATCH; block++)
        philox(words + (size_t)4 * block,
               (const uint32_t[4]){counter[0] + block, counter[1], counter[2], counter[3]}, key);
}

void philox_batch(uint32_t words[PHILOX_BATCH_WORDS], const uint32_t counter[4],
                  const uint32_t key[2])
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) {
        philox_batch_avx512(words, counter, key);
        return;
    }
    if (__builtin_cpu_supports("avx2")) {
        philox_batch_avx2(words, counter, key);
        return;
    }
#endif
    philox_batch_plain(words, counter, key);
}
