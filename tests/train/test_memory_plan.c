#include "train/memory_plan.h"

#include "base/file.h"
#include "base/machine.h"
#include "support/run_config_files.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { THREADS = 2, ELEMENTS = 1000000 };

static const uint64_t plenty = (uint64_t)1 << 40;

struct planned {
    bool fits;
    struct memory_plan plan;
    struct error error;
};

static struct planned make_plan(const char *train, uint64_t elements, uint64_t available)
{
    char text[300];
    struct planned planned = {0};
    snprintf(text, sizeof text, MINIMAL_CONFIG "model: {size: tiny}\ntrain: {steps: 1%s}\n", train);
    struct run_config *config = load_config_text(text, NULL);
    struct model_config architecture = config->model.architecture;
    architecture.vocab_size = 1000;
    planned.fits = memory_plan_make(&planned.plan, config, &architecture, elements, THREADS,
                                    available, &planned.error);
    run_config_free(config);
    return planned;
}

static void what_does_not_fit_is_refused_with_all_numbers(void **state)
{
    (void)state;
    struct planned planned = make_plan(", batch_size: 8", ELEMENTS, 1 << 20);
    assert_false(planned.fits);
    assert_int_equal(planned.error.kind, ERROR_INPUT);
    static const char *const parts[] = {
        "this run needs ", " of memory, and 1.00 MiB are available: parameters, gradients, ",
        "activations of 1 sequence ", ", batches ",
        "A smaller model.size, train.micro_batch_size, train.batch_size or data.seq_len"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(planned.error.message, parts[i]))
            fail_msg("no \"%s\" in \"%s\"", parts[i], planned.error.message);
}

static void sizes_add_up(void **state)
{
    (void)state;
    struct planned planned = make_plan(", batch_size: 8, micro_batch_size: 4", ELEMENTS, plenty);
    assert_true(planned.fits);
    assert_int_equal(planned.plan.micro_batch_size, 4);
    assert_true(planned.plan.total ==
                planned.plan.parameters + planned.plan.activations + planned.plan.batches);
    assert_true(planned.plan.parameters >= 4 * sizeof(real) * ELEMENTS);
    /* Exactly what it needs is enough, a byte less is not. */
    assert_true(
        make_plan(", batch_size: 8, micro_batch_size: 4", ELEMENTS, planned.plan.total).fits);
    assert_false(
        make_plan(", batch_size: 8, micro_batch_size: 4", ELEMENTS, planned.plan.total - 1).fits);
}

static void sequences_go_through_in_smaller_parts_where_memory_is_short(void **state)
{
    (void)state;
    struct planned whole = make_plan(", batch_size: 64", ELEMENTS, plenty);
    struct planned parts =
        make_plan(", batch_size: 64", ELEMENTS, whole.plan.total - whole.plan.activations / 2);
    assert_true(whole.fits && parts.fits);
    assert_true(parts.plan.micro_batch_size < whole.plan.micro_batch_size);
    assert_true(parts.plan.total < whole.plan.total);
}

/* A small model takes a whole batch at once, a large one as many sequences as keep the threads
 * busy.
 */
static void small_activations_divide_no_batch(void **state)
{
    (void)state;
    const struct planned tiny = make_plan(", batch_size: 64", ELEMENTS, plenty);
    assert_int_equal(tiny.plan.micro_batch_size, 64);
    assert_true(tiny.plan.activations <= 512 << 20);
    struct run_config *config = load_config_text(
        MINIMAL_CONFIG "model: {size: base}\ntrain: {steps: 1, batch_size: 64}\n", NULL);
    struct model_config architecture = config->model.architecture;
    struct memory_plan base;
    struct error error = {0};
    architecture.vocab_size = 1000;
    assert_true(memory_plan_make(&base, config, &architecture, ELEMENTS, THREADS, plenty, &error));
    assert_int_equal(base.micro_batch_size, THREADS * 1024 / 128);
    run_config_free(config);
}

/* 2^45 parameters: with 32 or 63 bits some sum would come out small. */
static void no_sum_wraps_around(void **state)
{
    (void)state;
    assert_false(make_plan(", batch_size: 1000000", (uint64_t)1 << 45, plenty).fits);
}

/* A container's limit, as the kernel tells it. */
static void a_control_group_is_the_limit(void **state)
{
    struct error error = {0};
    struct scratch *scratch = *state;
    assert_true(directory_make("proc/self", &error) && directory_make("sys/fs/cgroup/job", &error));
    write_config("proc/self/cgroup", "0::/job\n");
    write_config("sys/fs/cgroup/job/memory.max", "8388608\n");
    write_config("sys/fs/cgroup/job/memory.current", "1048576\n");
    uint64_t available = machine_group_memory(scratch->directory);
    assert_int_equal(available, 7 << 20);
    struct planned planned = make_plan(", batch_size: 8", ELEMENTS, available);
    assert_false(planned.fits);
    assert_non_null(strstr(planned.error.message, "and 7.00 MiB are available"));
}

#define PLAN_TEST(name)                                                                            \
    cmocka_unit_test_setup_teardown(name, run_config_enter_directory, run_config_leave_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAN_TEST(what_does_not_fit_is_refused_with_all_numbers),
        PLAN_TEST(sizes_add_up),
        PLAN_TEST(sequences_go_through_in_smaller_parts_where_memory_is_short),
        PLAN_TEST(small_activations_divide_no_batch),
        PLAN_TEST(no_sum_wraps_around),
        PLAN_TEST(a_control_group_is_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
