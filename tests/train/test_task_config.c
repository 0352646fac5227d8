/* The configuration of `cloze finetune`: what it shares with that of `cloze train` is tested
 * there. */
#include "config/config_print.h"
#include "support/run_config_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TASK  "output: run\ntask: {train: [a.tsv], valid: [b.tsv]}\n"
#define VOCAB TASK "tokenizer: {vocab: vocab.txt}\n"

static void test_defaults(void **state)
{
    (void)state;
    struct run_config *config = load_config_text(VOCAB, NULL);
    assert_true(run_config_is_task(config));
    assert_int_equal(config->task.kind, TASK_CLASSIFICATION);
    assert_int_equal(config->task.format, LABELLED_BY_ENDING);
    assert_true(config->task.header);
    assert_string_equal(config->task.text, "");
    assert_int_equal(config->task.labels.count, 0);
    assert_int_equal(run_config_metric(config), METRIC_ACCURACY);
    assert_int_equal(config->data.seq_len, 128);
    assert_int_equal(config->model.architecture.max_position_embeddings, 128);
    assert_path_is(config->data.train.items[0], "a.tsv");
    assert_path_is(config->data.valid.items[0], "b.tsv");
    assert_true(config->train.epochs == 3);
    assert_int_equal(config->train.steps, 0);
    assert_int_equal(config->train.batch_size, 32);
    assert_true(config->train.learning_rate == 5e-5);
    assert_true(config->train.layer_decay == 1);
    assert_int_equal(config->train.eval_every, -1);
    assert_int_equal(config->train.patience, 0);
    run_config_free(config);
}

static void test_values(void **state)
{
    (void)state;
    struct run_config *config = load_config_text(
        "output: run\n"
        "tokenizer: {vocab: vocab.txt}\n"
        "task: {kind: tokens, train: [a], valid: [b], format: conll, text: 1, label: 4,\n"
        "       labels: [O, B-PER], metric: accuracy, max_length: 64, header: false}\n"
        "train: {steps: 7, seeds: [4, 2], layer_decay: 0.9, frozen_layers: 2, patience: 3}\n",
        NULL);
    assert_int_equal(config->task.kind, TASK_TOKENS);
    assert_int_equal(config->task.format, LABELLED_CONLL);
    assert_false(config->task.header);
    assert_string_equal(config->task.text, "1");
    assert_string_equal(config->task.label, "4");
    assert_string_equal(config->task.labels.items[1], "B-PER");
    assert_int_equal(run_config_metric(config), METRIC_ACCURACY);
    assert_int_equal(config->data.seq_len, 64);
    assert_int_equal(config->train.steps, 7);
    assert_true(config->train.epochs == 0);
    assert_int_equal(config->train.seeds.count, 2);
    assert_int_equal(config->train.seeds.items[1], 2);
    assert_true(config->train.layer_decay == 0.9);
    assert_int_equal(config->train.frozen_layers, 2);
    assert_int_equal(config->train.patience, 3);
    run_config_free(config);
}

/* The configuration that is printed is read back to the same values. */
static void test_printing(void **state)
{
    (void)state;
    struct error error = {0};
    struct buffer text = {0};
    struct run_config *config =
        load_config_text(VOCAB, (const char *const[]){"train.steps=5", "train.seeds=[1, 2]",
                                                      "task.labels=[a, b]", NULL});
    assert_true(config_print(config, false, &text, &error));
    struct run_config *again = load_config_text(text.data, NULL);
    for (size_t i = 0; i < task_config_schema.count; i++)
        assert_true(config_value_equal(config, again, &task_config_schema.keys[i]));
    buffer_free(&text);
    run_config_free(again);
    run_config_free(config);
}

static void test_the_metric_of_a_kind(void **state)
{
    (void)state;
    static const struct {
        const char *setting;
        enum task_metric metric;
    } cases[] = {{"task.kind=classification", METRIC_ACCURACY},
                 {"task.kind=regression", METRIC_PEARSON},
                 {"task.kind=tokens", METRIC_F1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run_config *config =
            load_config_text(VOCAB, (const char *const[]){cases[i].setting, NULL});
        assert_int_equal(run_config_metric(config), cases[i].metric);
        run_config_free(config);
    }
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *setting, *message;
    } cases[] = {
        {TASK, "seed=1",
         "run.yaml: tokenizer.vocab: is empty, and so is model.init_from; set model.init_from to "
         "the model to begin with, or tokenizer.vocab for a new one"},
        {"output: run\ntask: {valid: [b.tsv]}\n", "tokenizer.vocab=v.txt",
         "run.yaml: task.train: is missing; expected a path, or a list such as [a.txt, b.txt] "
         "(examples to train on: files or patterns, plain or compressed)"},
        {VOCAB, "data.train=a",
         "--set data.train=a: unknown key data.train; did you mean task.train?"},
        {VOCAB, "task.kind=classify",
         "--set task.kind=classify: task.kind: found \"classify\"; expected classification, "
         "regression or tokens"},
        {VOCAB, "task.metric=pearson",
         "--set task.metric: found pearson; expected accuracy, f1 or matthews, the metrics of "
         "classification"},
        {VOCAB, "task.labels=[a, a]", "run.yaml: task.labels: the label \"a\" is given twice"},
        {VOCAB, "train.seeds=[1, 2, 1]", "--set train.seeds: 1 is given twice"},
        {VOCAB, "train.frozen_layers=3",
         "--set train.frozen_layers: is 3, but the model has 2 layers"},
        {VOCAB, "train.epochs=",
         "run.yaml: train.steps: is empty, and so is train.epochs; set one of them"},
        {VOCAB, "train.layer_decay=0",
         "--set train.layer_decay=0: train.layer_decay: found \"0\"; expected a number above 0 and "
         "at most 1"},
        {VOCAB, "task.max_length=3",
         "--set task.max_length=3: task.max_length: found \"3\"; expected an integer from 8 to "
         "65536"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error error = {0};
        write_config("run.yaml", cases[i].text);
        struct run_config *config =
            run_config_load(&task_config_schema, "run.yaml", &cases[i].setting, 1, NULL, &error);
        assert_null(config);
        assert_string_equal(error.message, cases[i].message);
        assert_int_equal(error.kind, ERROR_INPUT);
    }
}

static void test_steps_and_epochs(void **state)
{
    (void)state;
    struct error error;
    write_config("run.yaml", VOCAB);
    assert_null(load_config(
        "run.yaml", (const char *const[]){"train.steps=5", "train.epochs=2", NULL}, &error));
    assert_string_equal(error.message,
                        "--set train.steps: cannot be combined with train.epochs; remove one of "
                        "them (--set train.steps= removes it)");
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, run_config_enter_directory, run_config_leave_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults), TEST(test_values),
        TEST(test_printing), TEST(test_the_metric_of_a_kind),
        TEST(test_errors),   TEST(test_steps_and_epochs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
