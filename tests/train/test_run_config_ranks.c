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

static void test_what_a_resumed_run_refuses(void **state)
{
    (void)state;
    expect_config_differences(
        (const char *[]){"train.shard_optimizer=true", "train.rank_timeout=60", NULL}, "");
    expect_config_differences((const char *[]){"train.exchange_precision=bf16", NULL},
                              "train.exchange_precision is bf16, was fp32");
    expect_config_differences(
        (const char *[]){"train.sync_every=2", "train.outer_learning_rate=1",
                         "train.outer_momentum=0", NULL},
        "train.sync_every is 2, was 1; "
        "train.outer_learning_rate is 1.0, was 0.7; train.outer_momentum is 0.0, was 0.9");
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
