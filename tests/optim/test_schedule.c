#include "optim/schedule.h"

#include "support/assert_near.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define EPSILON 1e-15

static double rate(enum schedule kind, int64_t warmup, int64_t steps, double minimum, int64_t step)
{
    struct learning_rate_schedule schedule = {kind, 1e-3, minimum, warmup, steps};
    return schedule_learning_rate(&schedule, step);
}

static void assert_close(double actual, double expected)
{
    assert_near(actual, expected, EPSILON);
}

static void test_warm_up_starts_above_zero_and_ends_at_the_peak(void **state)
{
    (void)state;
    for (enum schedule kind = SCHEDULE_LINEAR; kind <= SCHEDULE_CONSTANT; kind++) {
        assert_close(rate(kind, 10, 100, 0, 1), 1e-4);
        assert_close(rate(kind, 10, 100, 0, 5), 5e-4);
        assert_close(rate(kind, 10, 100, 0, 10), 1e-3);
    }
}

static void test_linear_decay_reaches_the_minimum_at_the_last_step(void **state)
{
    (void)state;
    assert_close(rate(SCHEDULE_LINEAR, 10, 110, 0, 11), 0.99e-3);
    assert_close(rate(SCHEDULE_LINEAR, 10, 110, 0, 60), 0.5e-3);
    assert_close(rate(SCHEDULE_LINEAR, 10, 110, 0, 110), 0);
    assert_close(rate(SCHEDULE_LINEAR, 10, 110, 2e-4, 60), 0.6e-3);
    assert_close(rate(SCHEDULE_LINEAR, 10, 110, 2e-4, 110), 2e-4);
}

static void test_cosine_decay_is_half_a_period(void **state)
{
    (void)state;
    assert_close(rate(SCHEDULE_COSINE, 0, 100, 0, 50), 0.5e-3);
    assert_close(rate(SCHEDULE_COSINE, 0, 90, 0, 30), 0.75e-3); /* cos(pi / 3) = 1/2 */
    assert_close(rate(SCHEDULE_COSINE, 0, 90, 1e-4, 60), 0.325e-3);
    assert_close(rate(SCHEDULE_COSINE, 10, 100, 1e-4, 100), 1e-4);
}

static void test_constant_stays_at_the_peak(void **state)
{
    (void)state;
    assert_close(rate(SCHEDULE_CONSTANT, 3, 10, 1e-5, 4), 1e-3);
    assert_close(rate(SCHEDULE_CONSTANT, 3, 10, 1e-5, 10), 1e-3);
    assert_close(rate(SCHEDULE_CONSTANT, 3, 10, 1e-5, 11), 1e-3);
}

static void test_without_warm_up_the_decay_starts_at_once(void **state)
{
    (void)state;
    assert_close(rate(SCHEDULE_LINEAR, 0, 10, 0, 1), 0.9e-3);
    assert_close(rate(SCHEDULE_CONSTANT, 0, 10, 0, 1), 1e-3);
}

static void test_a_warm_up_as_long_as_the_run_never_decays(void **state)
{
    (void)state;
    assert_close(rate(SCHEDULE_LINEAR, 10, 10, 0, 10), 1e-3);
    assert_close(rate(SCHEDULE_COSINE, 40, 10, 0, 10), 0.25e-3);
    assert_close(rate(SCHEDULE_LINEAR, 40, 10, 0, 11), 0.25e-3);
}

static void test_a_run_of_one_step(void **state)
{
    (void)state;
    assert_close(rate(SCHEDULE_LINEAR, 1, 1, 0, 1), 1e-3);
    assert_close(rate(SCHEDULE_LINEAR, 0, 1, 2e-5, 1), 2e-5);
    assert_close(rate(SCHEDULE_CONSTANT, 0, 1, 0, 1), 1e-3);
}

static void test_past_the_end_it_stays_at_the_minimum(void **state)
{
    (void)state;
    assert_close(rate(SCHEDULE_LINEAR, 2, 10, 1e-5, 11), 1e-5);
    assert_close(rate(SCHEDULE_COSINE, 2, 10, 1e-5, INT64_MAX), 1e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_warm_up_starts_above_zero_and_ends_at_the_peak),
        cmocka_unit_test(test_linear_decay_reaches_the_minimum_at_the_last_step),
        cmocka_unit_test(test_cosine_decay_is_half_a_period),
        cmocka_unit_test(test_constant_stays_at_the_peak),
        cmocka_unit_test(test_without_warm_up_the_decay_starts_at_once),
        cmocka_unit_test(test_a_warm_up_as_long_as_the_run_never_decays),
        cmocka_unit_test(test_a_run_of_one_step),
        cmocka_unit_test(test_past_the_end_it_stays_at_the_minimum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
