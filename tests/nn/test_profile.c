/* Tests that the profile of a step counts the time of every thread once. */

#include "nn/profile.h"

#include "base/machine.h"

#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 2 };

static const double PAUSE = 0.02;

static void pause_for(double seconds)
{
    double begun = machine_seconds();
    while (machine_seconds() - begun < seconds)
        usleep(500);
}

static struct profile *begin(void)
{
    struct error error = {0};
    struct profile *profile = profile_create(THREADS, &error);
    assert_non_null(profile);
    omp_set_num_threads(THREADS);
    return profile;
}

static double total(const struct profile *profile)
{
    double sum = 0;
    for (int i = 0; i < PHASE_COUNT; i++)
        sum += profile_seconds(profile, (enum profile_phase)i);
    return sum;
}

static void test_serial_code_counts_for_the_whole_team(void **state)
{
    (void)state;
    struct profile *profile = begin();
    profile_restart(profile);
    double begun = machine_seconds();
    profile_enter(profile, PHASE_ADAM);
    pause_for(PAUSE);
    profile_enter(profile, PHASE_OTHER);
    double elapsed = machine_seconds() - begun;
    assert_true(profile_seconds(profile, PHASE_ADAM) >= PAUSE);
    assert_true(profile_seconds(profile, PHASE_ADAM) <= elapsed);
    assert_true(profile_seconds(profile, PHASE_CLIP) == 0);
    profile_free(profile);
}

/* Thread 1 does twice the work of thread 0, which waits for it. The products are in a region of one
 * thread, as in the layers, where every thread is number 0. */
static void work_unevenly(struct profile *profile)
{
#pragma omp parallel
    {
        double share = PAUSE * (1 + omp_get_thread_num());
        profile_enter(profile, PHASE_NORM);
        pause_for(share);
#pragma omp parallel
        {
            profile_enter(profile, PHASE_FEED_FORWARD);
            pause_for(share);
        }
        profile_enter(profile, PHASE_IDLE);
    }
    profile_enter(profile, PHASE_OTHER);
}

static void test_threads_count_for_themselves(void **state)
{
    (void)state;
    struct profile *profile = begin();
    work_unevenly(profile);           /* starts the threads */
    double begun = machine_seconds(); /* before the profile starts, so that it counts less */
    profile_restart(profile);
    work_unevenly(profile);
    double elapsed = machine_seconds() - begun;
    /* The threads spend one and two pauses; the profile has their mean. */
    assert_true(profile_seconds(profile, PHASE_NORM) >= 1.5 * PAUSE);
    assert_true(profile_seconds(profile, PHASE_FEED_FORWARD) >= 1.5 * PAUSE);
    /* One thread waits for two pauses, unless the system delayed it. */
    assert_true(profile_seconds(profile, PHASE_IDLE) > 0);
    assert_true(total(profile) > 0.999 * 4 * PAUSE && total(profile) <= elapsed);
    profile_free(profile);
}

/* A region of one thread contains one of a team, as in the layers of a single part. */
static void test_a_team_within_a_region_of_one(void **state)
{
    (void)state;
    struct profile *profile = begin();
    omp_set_max_active_levels(2);
    profile_restart(profile);
#pragma omp parallel if (0)
    {
        profile_enter(profile, PHASE_NORM);
#pragma omp parallel
        {
            profile_enter(profile, PHASE_ATTENTION_SOFTMAX);
            pause_for(PAUSE);
            profile_enter(profile, PHASE_IDLE);
        }
    }
    profile_enter(profile, PHASE_OTHER);
    assert_true(profile_seconds(profile, PHASE_ATTENTION_SOFTMAX) >= PAUSE);
    profile_free(profile);
}

static void test_no_profile_costs_nothing(void **state)
{
    (void)state;
    profile_enter(NULL, PHASE_ADAM);
    profile_free(NULL);
}

static void test_names_are_distinct(void **state)
{
    (void)state;
    for (int i = 0; i < PHASE_COUNT; i++) {
        assert_non_null(profile_phase_name((enum profile_phase)i));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(profile_phase_name((enum profile_phase)i),
                                    profile_phase_name((enum profile_phase)j));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_serial_code_counts_for_the_whole_team),
        cmocka_unit_test(test_threads_count_for_themselves),
        cmocka_unit_test(test_a_team_within_a_region_of_one),
        cmocka_unit_test(test_no_profile_costs_nothing),
        cmocka_unit_test(test_names_are_distinct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
