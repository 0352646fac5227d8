#include "base/random.h"

#include "base/memory.h"
#include "support/assert_near.h"
#include "support/statistics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The known answers published with Random123, the authors' implementation, for philox4x32-10. */
static void test_philox_known_answers(void **state)
{
    (void)state;
    const struct {
        uint32_t counter[4], key[2], expected[4];
    } answers[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        uint32_t out[4];
        philox(out, answers[i].counter, answers[i].key);
        assert_memory_equal(out, answers[i].expected, sizeof out);
    }
}

/* What base/random.h documents about the counter, which is part of what a seed means. */
static void test_the_layout_of_the_counter(void **state)
{
    (void)state;
    const uint64_t seed = 0x1122334455667788, index = 0x00AABBCCDDEEFF00;
    struct random random = random_begin(seed, RANDOM_MASKING, index, 77);
    for (uint32_t block = 0; block < 3; block++) {
        uint32_t expected[4];
        philox(expected, (const uint32_t[4]){block, 77, 0xDDEEFF00, 0x05AABBCC},
               (const uint32_t[2]){0x55667788, 0x11223344});
        for (int i = 0; i < 4; i++)
            assert_int_equal(random_bits(&random), expected[i]);
    }
}

static void test_every_coordinate_matters(void **state)
{
    (void)state;
    struct random places[] = {
        random_begin(1, RANDOM_TEST, 1, 1),
        random_begin(2, RANDOM_TEST, 1, 1),
        random_begin(1 + ((uint64_t)1 << 32), RANDOM_TEST, 1, 1),
        random_begin(1, RANDOM_PAIR, 1, 1),
        random_begin(1, RANDOM_TEST, 2, 1),
        random_begin(1, RANDOM_TEST, 1 + ((uint64_t)1 << 40), 1),
        random_begin(1, RANDOM_TEST, 1, 2),
    };
    enum { COUNT = sizeof places / sizeof *places };
    uint32_t first[COUNT];
    for (int i = 0; i < COUNT; i++)
        first[i] = random_bits(&places[i]);
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < i; j++)
            assert_int_not_equal(first[i], first[j]);
}

static void test_below_stays_below_and_is_uniform(void **state)
{
    (void)state;
    enum { DRAWS = 200000 };
    const uint32_t bounds[] = {1, 2, 3, 7, 10};
    struct random random = random_begin(3, RANDOM_TEST, 0, 0);
    for (size_t b = 0; b < sizeof bounds / sizeof *bounds; b++) {
        uint64_t counts[10] = {0}, counts_64[10] = {0};
        for (int i = 0; i < DRAWS; i++) {
            uint32_t value = random_below(&random, bounds[b]);
            uint64_t value_64 = random_below_64(&random, bounds[b]);
            assert_true(value < bounds[b] && value_64 < bounds[b]);
            counts[value]++;
            counts_64[value_64]++;
        }
        for (uint32_t i = 0; i < bounds[b]; i++) {
            assert_true(agrees_with_rate(counts[i], DRAWS, 1.0 / bounds[b]));
            assert_true(agrees_with_rate(counts_64[i], DRAWS, 1.0 / bounds[b]));
        }
    }
}

/* With a bound of 3/4 of the range, plain scaling would make every third result twice as likely,
 * and a plain remainder the lower third. */
static void test_below_has_no_bias_for_large_bounds(void **state)
{
    (void)state;
    enum { DRAWS = 300000 };
    const uint32_t bound = 0xC0000000;
    const uint64_t bound_64 = 0xC000000000000000;
    struct random random = random_begin(4, RANDOM_TEST, 0, 0);
    uint64_t third = 0, low = 0, low_64 = 0;
    for (int i = 0; i < DRAWS; i++) {
        uint32_t value = random_below(&random, bound);
        assert_true(value < bound);
        third += value % 3 == 0;
        low += value < bound / 3;
        uint64_t value_64 = random_below_64(&random, bound_64);
        assert_true(value_64 < bound_64);
        low_64 += value_64 < bound_64 / 3;
    }
    assert_true(agrees_with_rate(third, DRAWS, 1.0 / 3));
    assert_true(agrees_with_rate(low, DRAWS, 1.0 / 3));
    assert_true(agrees_with_rate(low_64, DRAWS, 1.0 / 3));
}

static void test_unit_is_uniform(void **state)
{
    (void)state;
    enum { DRAWS = 400000, BINS = 16 };
    struct random random = random_begin(5, RANDOM_TEST, 0, 0);
    uint64_t counts[BINS] = {0};
    double sum = 0;
    for (int i = 0; i < DRAWS; i++) {
        double value = random_unit(&random);
        assert_true(value >= 0 && value < 1);
        counts[(int)(value * BINS)]++;
        sum += value;
    }
    for (int i = 0; i < BINS; i++)
        assert_true(agrees_with_rate(counts[i], DRAWS, 1.0 / BINS));
    assert_true(agrees_with_mean(sum / DRAWS, 0.5, sqrt(1.0 / 12), DRAWS));
}

static void test_truncated_normal(void **state)
{
    (void)state;
    enum { DRAWS = 400000 };
    struct random random = random_begin(6, RANDOM_TEST, 0, 0);
    double sum = 0, squares = 0;
    uint64_t within_one = 0;
    for (int i = 0; i < DRAWS; i++) {
        double value = random_truncated_normal(&random);
        assert_true(fabs(value) <= 2);
        sum += value;
        squares += value * value;
        within_one += fabs(value) <= 1;
    }
    /* Of a normal distribution cut at 2: variance 1 - 4 phi(2) / (2 Phi(2) - 1), and erf for the
     * share. */
    const double inside = erf(sqrt(2));
    const double variance = 1 - 4 * exp(-2) / sqrt(2 * M_PI) / inside;
    assert_near(sqrt(variance), 0.8796, 1e-4);
    assert_true(agrees_with_mean(sum / DRAWS, 0, sqrt(variance), DRAWS));
    assert_near(squares / DRAWS, variance, 0.005);
    assert_true(agrees_with_rate(within_one, DRAWS, erf(sqrt(0.5)) / inside));
}

static void assert_bijection(uint64_t seed, uint64_t count)
{
    struct error error = {0};
    bool *seen = allocate(count, sizeof *seen, &error);
    assert_non_null(seen);
    struct permutation permutation = permutation_begin(seed, 0, 0, count);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t element = permutation_at(&permutation, i);
        assert_true(element < count);
        assert_false(seen[element]);
        seen[element] = true;
    }
    free(seen);
}

static void test_permutation_is_a_bijection(void **state)
{
    (void)state;
    for (uint64_t count = 1; count <= 70; count++)
        assert_bijection(count, count);
    const uint64_t counts[] = {255, 256, 257, 1000, 4095, 4096, 4097, 65535, 65536, 65537};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        assert_bijection(i, counts[i]);
}

static void test_permutation_of_huge_counts(void **state)
{
    (void)state;
    const uint64_t counts[] = {(uint64_t)1 << 32, ((uint64_t)1 << 40) + 1, (uint64_t)1 << 62};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct permutation permutation = permutation_begin(1, 0, 0, counts[c]);
        uint64_t first = permutation_at(&permutation, 0);
        uint64_t last = permutation_at(&permutation, counts[c] - 1);
        assert_true(first < counts[c] && last < counts[c] && first != last);
    }
}

static void test_permutations_of_epochs_differ_and_repeat(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    struct permutation first = permutation_begin(1, 0, 0, COUNT);
    struct permutation again = permutation_begin(1, 0, 0, COUNT);
    struct permutation second = permutation_begin(1, 1, 0, COUNT);
    struct permutation item = permutation_begin(1, 0, 1, COUNT);
    int same_second = 0, same_item = 0, fixed = 0;
    for (uint64_t i = 0; i < COUNT; i++) {
        uint64_t element = permutation_at(&first, i);
        assert_int_equal(element, permutation_at(&again, i));
        same_second += element == permutation_at(&second, i);
        same_item += element == permutation_at(&item, i);
        fixed += element == i;
    }
    /* Of random permutations one element is expected to agree. */
    assert_true(same_second < 10 && same_item < 10 && fixed < 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_philox_known_answers),
        cmocka_unit_test(test_the_layout_of_the_counter),
        cmocka_unit_test(test_every_coordinate_matters),
        cmocka_unit_test(test_below_stays_below_and_is_uniform),
        cmocka_unit_test(test_below_has_no_bias_for_large_bounds),
        cmocka_unit_test(test_unit_is_uniform),
        cmocka_unit_test(test_truncated_normal),
        cmocka_unit_test(test_permutation_is_a_bijection),
        cmocka_unit_test(test_permutation_of_huge_counts),
        cmocka_unit_test(test_permutations_of_epochs_differ_and_repeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
