#include "optim/update_guard.h"

#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct spike_limits none = {0, 10}, limits = {3, 10};

static enum update_verdict judge(struct norm_statistics *statistics, double norm)
{
    return update_guard_judge(statistics, limits, 1, norm);
}

/* Ten norms about 1, with a deviation of 0.1. */
static struct norm_statistics ten_norms(void)
{
    struct norm_statistics statistics = {0};
    for (int i = 0; i < 10; i++)
        assert_int_equal(judge(&statistics, i % 2 ? 1.1 : 0.9), UPDATE_SOUND);
    return statistics;
}

static void test_up_to_the_window_all_norms_count_alike(void **state)
{
    (void)state;
    const double norms[] = {4, 7, 1, 2.5, 3, 8};
    struct norm_statistics statistics = {0};
    double mean = 0, variance = 0;
    for (int i = 0; i < 6; i++)
        update_guard_judge(&statistics, none, 1, norms[i]);
    for (int i = 0; i < 6; i++)
        mean += norms[i] / 6;
    for (int i = 0; i < 6; i++)
        variance += (norms[i] - mean) * (norms[i] - mean) / 6;
    assert_int_equal(statistics.count, 6);
    assert_true(fabs(statistics.mean - mean) < 1e-12);
    assert_true(fabs(statistics.variance - variance) < 1e-12);
}

/* Against the definition: the sums over all norms with weights that fall by (1 - a) a step. */
static void test_then_they_fade(void **state)
{
    (void)state;
    struct random random = random_begin(1, RANDOM_TEST, 0, 0);
    struct norm_statistics statistics = {0};
    double norms[200], weights[200], mean = 0, variance = 0;
    for (int i = 0; i < 200; i++) {
        norms[i] = 1 + random_unit(&random);
        update_guard_judge(&statistics, none, 1, norms[i]);
        weights[i] = i < 10 ? 0.1 : 0;
        for (int j = 0; i >= 10 && j < i; j++)
            weights[j] *= 0.9;
        if (i >= 10)
            weights[i] = 0.1;
    }
    for (int i = 0; i < 200; i++)
        mean += weights[i] * norms[i];
    for (int i = 0; i < 200; i++)
        variance += weights[i] * (norms[i] - mean) * (norms[i] - mean);
    assert_int_equal(statistics.count, 10);
    assert_true(fabs(statistics.mean - mean) < 1e-9);
    assert_true(fabs(statistics.variance - variance) < 1e-9);
}

static void test_what_is_not_finite_is_skipped_and_left_out(void **state)
{
    (void)state;
    const double values[][2] = {{NAN, 1}, {INFINITY, 1}, {1, NAN}, {1, INFINITY}, {NAN, NAN}};
    struct norm_statistics statistics = ten_norms(), before = statistics;
    for (int i = 0; i < 5; i++)
        assert_int_equal(update_guard_judge(&statistics, none, values[i][0], values[i][1]),
                         UPDATE_NOT_FINITE);
    assert_memory_equal(&statistics, &before, sizeof before);
}

static void test_a_spike_is_one_only_above_the_limit(void **state)
{
    (void)state;
    struct norm_statistics below = ten_norms(), above = ten_norms(), off = ten_norms();
    assert_true(fabs(update_guard_z_score(&below, 1.29) - 2.9) < 1e-9);
    assert_int_equal(judge(&below, 1.29), UPDATE_SOUND);
    assert_int_equal(judge(&above, 1.31), UPDATE_SPIKE);
    assert_int_equal(judge(&above, 0.01), UPDATE_SOUND); /* a small gradient does no harm */
    assert_int_equal(update_guard_judge(&off, none, 1, 1e9), UPDATE_SOUND);
}

static void test_before_the_window_is_full_nothing_is_a_spike(void **state)
{
    (void)state;
    struct norm_statistics statistics = {0};
    for (int i = 0; i < 9; i++)
        assert_int_equal(judge(&statistics, i % 2 ? 1.1 : 0.9), UPDATE_SOUND);
    assert_int_equal(judge(&statistics, 1000), UPDATE_SOUND);
    assert_true(update_guard_z_score(&(struct norm_statistics){1, 5, 0}, 7) == 0);
}

static void test_a_lasting_rise_is_accepted(void **state)
{
    (void)state;
    struct norm_statistics statistics = ten_norms();
    int skipped = 0;
    while (judge(&statistics, 2) == UPDATE_SPIKE)
        assert_true(++skipped < 20);
    assert_true(skipped >= 1);
}

static void test_a_smaller_window_holds_from_then_on(void **state)
{
    (void)state;
    struct norm_statistics statistics = {0};
    for (int i = 0; i < 100; i++)
        update_guard_judge(&statistics, (struct spike_limits){0, 100}, 1, 1);
    update_guard_judge(&statistics, none, 1, 2); /* its window is 10 */
    assert_true(fabs(statistics.mean - 1.1) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_up_to_the_window_all_norms_count_alike),
        cmocka_unit_test(test_then_they_fade),
        cmocka_unit_test(test_what_is_not_finite_is_skipped_and_left_out),
        cmocka_unit_test(test_a_spike_is_one_only_above_the_limit),
        cmocka_unit_test(test_before_the_window_is_full_nothing_is_a_spike),
        cmocka_unit_test(test_a_lasting_rise_is_accepted),
        cmocka_unit_test(test_a_smaller_window_holds_from_then_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
