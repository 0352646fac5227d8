/* The keys of several processes that train together. */
#include "support/run_config_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- values ---- */

static void test_defaults(void **state)
{
    (void)state;
    struct run_config *config = load_config_text(MINIMAL_CONFIG, NULL);
    assert_int_equal(config->train.exchange_precision, PRECISION_FP32);
    assert_false(config->train.shard_optimizer);
    assert_int_equal(config->train.sync_every, 1);
    assert_true(config->train.outer_learning_rate == 0.7);
    assert_true(config->train.outer_momentum == 0.9);
    assert_true(config->train.rank_timeout == 30);
    run_config_free(config);
}

static void test_values(void **state)
{
    (void)state;
    struct run_config *config =
        load_config_text(MINIMAL_CONFIG "train: {exchange_precision: bf16, shard_optimizer: true,\n"
                                        "  outer_learning_rate: 1, outer_momentum: 0,\n"
                                        "  rank_timeout: 3.5}\n",
                         NULL);
    assert_int_equal(config->train.exchange_precision, PRECISION_BF16);
    assert_true(config->train.shard_optimizer);
    assert_true(config->train.outer_learning_rate == 1);
    assert_true(config->train.outer_momentum == 0);
    assert_true(config->train.rank_timeout == 3.5);
    run_config_free(config);
}

/* Evaluations, checkpoints and the end follow synchronizations. */
static void test_synchronizations(void **state)
{
    (void)state;
    static const char *const texts[] = {
        MINIMAL_CONFIG "train: {sync_every: 8, steps: 96, eval_every: 24, save_every: 16}\n",
        MINIMAL_CONFIG "train: {sync_every: 8, hours: 2}\n",
        PHASES_CONFIG "  sync_every: 20\n",
    };
    static const int64_t expected[] = {8, 8, 20};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct run_config *config = load_config_text(texts[i], NULL);
        assert_int_equal(config->train.sync_every, expected[i]);
        run_config_free(config);
    }
}

/* ---- differences ---- */

typedef bool list_differences(const struct run_config *a, const struct run_config *b,
                              struct buffer *out, struct error *error);

/* Expects what is listed of the minimal configuration and the same with settings. */
static void expect_list(list_differences *list, const char *const *settings, const char *expected)
{
    struct error error = {0};
    struct buffer differences = {0};
    struct run_config *a = load_config_text(MINIMAL_CONFIG, NULL);
    struct run_config *b = load_config_text(MINIMAL_CONFIG, settings);
    assert_true(buffer_print(&differences, &error, "%s", ""));
    assert_true(list(a, b, &differences, &error));
    assert_string_equal(differences.data, expected);
    buffer_free(&differences);
    run_config_free(a);
    run_config_free(b);
}

static void test_what_a_resumed_run_refuses(void **state)
{
    (void)state;
    expect_list(run_config_differences,
                (const char *[]){"train.shard_optimizer=true", "train.rank_timeout=60", NULL}, "");
    expect_list(run_config_differences,
                (const char *[]){"train.exchange_precision=bf16", "train.sync_every=2",
                                 "train.outer_learning_rate=1", "train.outer_momentum=0", NULL},
                "train.exchange_precision is bf16, was fp32; train.sync_every is 2, was 1; "
                "train.outer_learning_rate is 1.0, was 0.7; train.outer_momentum is 0.0, was 0.9");
}

/* Also what may change when a run is resumed. */
static void test_what_must_not_differ_between_ranks(void **state)
{
    (void)state;
    list_differences *list = run_config_rank_differences;
    expect_list(list, NULL, "");
    expect_list(list, (const char *[]){"train.learning_rate=2e-4", "train.log_every=1", NULL},
                "train.learning_rate is 0.0002, was 0.0001; train.log_every is 1, was 10");
    expect_list(list, (const char *[]){"train.shard_optimizer=true", "train.rank_timeout=60", NULL},
                "train.shard_optimizer is true, was false; train.rank_timeout is 60.0, was 30.0");
}

/* Machines may have their files in other places, and other processors. */
static void test_what_may_differ_between_ranks(void **state)
{
    (void)state;
    expect_list(run_config_rank_differences,
                (const char *[]){"output=other", "train.threads=1", "data.train=[b.txt]", NULL},
                "");
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, run_config_enter_directory, run_config_leave_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_values),
        TEST(test_synchronizations),
        TEST(test_what_a_resumed_run_refuses),
        TEST(test_what_must_not_differ_between_ranks),
        TEST(test_what_may_differ_between_ranks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
