#include "base/directory.h"
#include "train/memory_plan.h"

#include "base/machine.h"
#include "support/bf16_arrays.h"
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

static struct memory_request request_of(const char *size)
{
    struct memory_request request = {.parameter_elements = ELEMENTS,
                                     .snapshot = true,
                                     .seq_len_key = "data.seq_len",
                                     .thread_keys = MEMORY_THREAD_KEYS,
                                     .size_keys = MEMORY_SIZE_KEYS,
                                     .batch_size = 8,
                                     .seq_len = 128,
                                     .mask_prob = 0.15,
                                     .threads = THREADS};
    assert_true(model_config_size(size, &request.architecture));
    request.architecture.vocab_size = 1000;
    return request;
}

static struct planned make_plan(const struct memory_request *request, uint64_t available)
{
    struct planned planned = {0};
    planned.fits = memory_plan_make(&planned.plan, request, available, &planned.error);
    return planned;
}

static void too_many_threads_are_named(void **state)
{
    (void)state;
    struct memory_request request = request_of("tiny");
    request.threads = 4000;
    struct planned planned = make_plan(&request, 1 << 20);
    assert_false(planned.fits);
    assert_non_null(strstr(planned.error.message,
                           "4000 threads (OMP_NUM_THREADS, train.threads) are more than the "));
}

static void what_does_not_fit_is_refused_with_all_numbers(void **state)
{
    (void)state;
    struct memory_request request = request_of("tiny");
    struct planned planned = make_plan(&request, 1 << 20);
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

/* A benchmark saves nothing and has options in place of keys. */
static void what_a_request_lacks_is_not_named(void **state)
{
    (void)state;
    struct memory_request request = request_of("tiny");
    assert_non_null(strstr(make_plan(&request, 1 << 20).error.message, "snapshot"));
    request.snapshot = false;
    request.threads = 4000;
    request.size_keys = "--size, --batch";
    request.seq_len_key = "--seq";
    request.thread_keys = "OMP_NUM_THREADS";
    const struct planned planned = make_plan(&request, 1 << 20);
    static const char *const parts[] = {"parameters, gradients and Adam's moments 15.3 MiB, ",
                                        "4000 threads (OMP_NUM_THREADS) are more than the ",
                                        " processors. A smaller --size, --batch or --seq needs "};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(planned.error.message, parts[i]))
            fail_msg("no \"%s\" in \"%s\"", parts[i], planned.error.message);
}

/* The examples of a task are in memory already, and are shown with the rest. */
static void examples_of_a_task_are_counted(void **state)
{
    (void)state;
    struct memory_request request = request_of("tiny");
    const struct planned without = make_plan(&request, plenty);
    request.examples = 3 << 20;
    const struct planned with = make_plan(&request, plenty);
    assert_true(without.fits && with.fits);
    assert_int_equal(with.plan.total, without.plan.total + (3 << 20));
    assert_string_equal(memory_plan_examples(&with.plan).text, ", examples 3.00 MiB");
    assert_string_equal(memory_plan_examples(&without.plan).text, "");
    const struct planned refused = make_plan(&request, 1 << 20);
    assert_false(refused.fits);
    assert_non_null(strstr(refused.error.message, ", examples 3.00 MiB. A smaller"));
}

static uint64_t parameters_of(const struct memory_request *request)
{
    const struct planned planned = make_plan(request, plenty);
    assert_true(planned.fits);
    return planned.plan.parameters;
}

static void ranks_are_counted_by_what_they_have(void **state)
{
    (void)state;
    const uint64_t block = sizeof(real) * ELEMENTS;
    struct memory_request request = request_of("tiny");
    const uint64_t alone = parameters_of(&request);
    request.moment_owners = 1;
    assert_int_equal(parameters_of(&request), alone);
    request.moment_owners = 4;
    assert_int_equal(parameters_of(&request), alone - 2 * block * 3 / 4);
    request.snapshot = false;
    assert_int_equal(parameters_of(&request), 2 * block + 2 * block / 4);
    request.exchange = 12345;
    assert_int_equal(parameters_of(&request), 2 * block + 2 * block / 4 + 12345);
}

/* Where whole words are masked, one may be longer than the share. */
static void a_sequence_fits_however_much_of_it_is_predicted(void **state)
{
    (void)state;
    const struct memory_request request = request_of("tiny");
    for (int sequences = 1; sequences <= 8; sequences++) {
        const struct memory_plan plan = {.micro_batch_size = sequences};
        const struct workspace_limits limits = memory_plan_limits(&request, &plan, 128);
        assert_true(limits.predicted >= 128 && limits.predicted <= limits.tokens);
    }
}

static void sizes_add_up(void **state)
{
    (void)state;
    struct memory_request request = request_of("tiny");
    request.micro_batch_size = 4;
    struct planned planned = make_plan(&request, plenty);
    assert_true(planned.fits);
    assert_int_equal(planned.plan.micro_batch_size, 4);
    assert_true(planned.plan.total ==
                planned.plan.parameters + planned.plan.activations + planned.plan.batches);
    assert_true(planned.plan.parameters >= 4 * sizeof(real) * ELEMENTS);
    /* Exactly what it needs is enough, a byte less is not. */
    assert_true(make_plan(&request, planned.plan.total).fits);
    assert_false(make_plan(&request, planned.plan.total - 1).fits);
}

static void sequences_go_through_in_smaller_parts_where_memory_is_short(void **state)
{
    (void)state;
    struct memory_request request = request_of("tiny");
    request.batch_size = 64;
    struct planned whole = make_plan(&request, plenty);
    struct planned parts = make_plan(&request, whole.plan.total - whole.plan.activations / 2);
    assert_true(whole.fits && parts.fits);
    assert_true(parts.plan.micro_batch_size < whole.plan.micro_batch_size);
    assert_true(parts.plan.total < whole.plan.total);
}

/* A small model takes a whole batch at once, a large one as many sequences as keep the threads
 * busy. */
static void small_activations_divide_no_batch(void **state)
{
    (void)state;
    struct memory_request request = request_of("tiny");
    request.batch_size = 64;
    const struct planned tiny = make_plan(&request, plenty);
    assert_int_equal(tiny.plan.micro_batch_size, 64);
    assert_true(tiny.plan.activations <= 512 << 20);
    request = request_of("base");
    request.batch_size = 64;
    const struct planned base = make_plan(&request, plenty);
    assert_int_equal(base.plan.micro_batch_size, THREADS * 1024 / 128);
}

static void laid_out_weights_are_not_kept_in_fp32(void **state)
{
    (void)state;
    struct memory_request request = request_of("base");
    request.batch_size = 64;
    const struct planned reals = make_plan(&request, plenty);
    assert_true(reals.fits && !reals.plan.keep_panels);
}

/* In bf16, where a step has several micro-batches and there is memory for it. */
static void laid_out_weights_are_kept_for_a_step(void **state)
{
    (void)state;
    require_bf16();
    struct memory_request request = request_of("base");
    request.batch_size = 64;
    request.bf16 = true;
    const struct planned kept = make_plan(&request, plenty);
    assert_true(kept.fits && kept.plan.keep_panels);
    assert_true(memory_plan_limits(&request, &kept.plan, 128).keep_panels);
    assert_true(make_plan(&request, kept.plan.total).plan.keep_panels);
    const struct planned without = make_plan(&request, kept.plan.total - 1);
    assert_true(without.fits && !without.plan.keep_panels);
    assert_false(memory_plan_limits(&request, &without.plan, 128).keep_panels);
    assert_int_equal(without.plan.micro_batch_size, kept.plan.micro_batch_size);
    /* Twelve layers of 12 H^2 weights, 2 bytes each, for two passes; but for one layer, shared. */
    const uint64_t weights = (uint64_t)12 * 768 * 768 * 2;
    const uint64_t more = kept.plan.activations - without.plan.activations;
    assert_true(more > 22 * weights && more < 24 * weights);
    request.batch_size = kept.plan.micro_batch_size;
    assert_false(make_plan(&request, plenty).plan.keep_panels);
}

/* 2^45 parameters: with 32 or 63 bits some sum would come out small. */
static void no_sum_wraps_around(void **state)
{
    (void)state;
    struct memory_request request = request_of("tiny");
    request.batch_size = 1000000;
    request.parameter_elements = (uint64_t)1 << 45;
    assert_false(make_plan(&request, plenty).fits);
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
    struct memory_request request = request_of("tiny");
    struct planned planned = make_plan(&request, available);
    assert_false(planned.fits);
    assert_non_null(strstr(planned.error.message, "and 7.00 MiB are available"));
}

#define PLAN_TEST(name)                                                                            \
    cmocka_unit_test_setup_teardown(name, run_config_enter_directory, run_config_leave_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAN_TEST(what_does_not_fit_is_refused_with_all_numbers),
        PLAN_TEST(what_a_request_lacks_is_not_named),
        PLAN_TEST(too_many_threads_are_named),
        PLAN_TEST(examples_of_a_task_are_counted),
        PLAN_TEST(ranks_are_counted_by_what_they_have),
        PLAN_TEST(sizes_add_up),
        PLAN_TEST(a_sequence_fits_however_much_of_it_is_predicted),
        PLAN_TEST(sequences_go_through_in_smaller_parts_where_memory_is_short),
        PLAN_TEST(small_activations_divide_no_batch),
        PLAN_TEST(laid_out_weights_are_not_kept_in_fp32),
        PLAN_TEST(laid_out_weights_are_kept_for_a_step),
        PLAN_TEST(no_sum_wraps_around),
        PLAN_TEST(a_control_group_is_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
