#include "base/philox_batch.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

typedef void batch(uint32_t words[PHILOX_BATCH_WORDS], const uint32_t counter[4],
                   const uint32_t key[2]);

static void check_blocks(batch *compute, const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t words[PHILOX_BATCH_WORDS], block[4];
    compute(words, counter, key);
    for (uint32_t i = 0; i < PHILOX_BATCH; i++) {
        philox(block, (const uint32_t[4]){counter[0] + i, counter[1], counter[2], counter[3]}, key);
        assert_memory_equal(words + (size_t)4 * i, block, sizeof block);
    }
}

/* The one that is in use, and those that may not be. */
static void check_batch(const uint32_t counter[4], const uint32_t key[2])
{
    check_blocks(philox_batch, counter, key);
    check_blocks(philox_batch_plain, counter, key);
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        check_blocks(philox_batch_avx2, counter, key);
#endif
}

static void batch_is_blocks_that_follow_each_other(void **state)
{
    (void)state;
    check_batch((const uint32_t[4]){0}, (const uint32_t[2]){0});
    check_batch((const uint32_t[4]){0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344},
                (const uint32_t[2]){0xA4093822, 0x299F31D0});
    struct random random = random_begin(1, RANDOM_TEST, 0, 0);
    for (int i = 0; i < 1000; i++) {
        uint32_t numbers[6];
        for (size_t j = 0; j < 6; j++)
            numbers[j] = random_bits(&random);
        check_batch(numbers, numbers + 4);
    }
}

static void first_word_wraps_around(void **state)
{
    (void)state;
    for (uint32_t i = 0; i <= PHILOX_BATCH; i++)
        check_batch((const uint32_t[4]){UINT32_MAX - i, UINT32_MAX, UINT32_MAX, UINT32_MAX},
                    (const uint32_t[2]){UINT32_MAX, UINT32_MAX});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_is_blocks_that_follow_each_other),
        cmocka_unit_test(first_word_wraps_around),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
