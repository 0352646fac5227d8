/* The time left of a run. */

#include "base/machine.h"
#include "train/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct phase phases[] = {{64, 10}, {128, 20}};
static const struct run run = {.phases = phases, .phase_count = 2, .steps = 30};

static void lengths_are_summed_over_phases(void **state)
{
    (void)state;
    assert_int_equal(run_length_sum(&run, 0), 0);
    assert_int_equal(run_length_sum(&run, 7), 7 * 64);
    assert_int_equal(run_length_sum(&run, 10), 10 * 64);
    assert_int_equal(run_length_sum(&run, 11), 10 * 64 + 128);
    assert_int_equal(run_length_sum(&run, 30), 10 * 64 + 20 * 128);
}

/* Ten steps of 64 tokens in 10,000 seconds: one of 128 will take 2,000. */
static void longer_sequences_take_longer(void **state)
{
    (void)state;
    const struct progress begun = {.begun = machine_seconds() - 10000};
    assert_float_equal((float)progress_time_left(&run, &begun, 10), 40000, 400);
    assert_float_equal((float)progress_time_left(&run, &begun, 5), 10000 + 80000, 900);
    const struct progress resumed = {.begun = machine_seconds() - 4000, .begun_step = 20};
    assert_float_equal((float)progress_time_left(&run, &resumed, 22), 16000, 160);
    assert_float_equal((float)progress_time_left(&run, &resumed, 30), 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_are_summed_over_phases),
        cmocka_unit_test(longer_sequences_take_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
