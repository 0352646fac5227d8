#include "base/directory.h"
#include "base/file.h"
#include "config/config_print.h"
#include "support/run_config_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *print(const struct run_config *config, bool origins)
{
    struct error error = {0};
    struct buffer text = {0};
    assert_true(config_print(config, origins, &text, &error));
    return text.data;
}

/* ---- values ---- */

/* As the design fixes them; a change here changes what people's files mean. */
static void test_defaults(void **state)
{
    (void)state;
    struct run_config *config = load_config_text(MINIMAL_CONFIG, NULL);
    assert_int_equal(config->seed, 42);
    assert_string_equal(config->model.size, "tiny");
    assert_int_equal(config->model.architecture.hidden_size, 128);
    assert_int_equal(config->model.architecture.num_hidden_layers, 2);
    assert_int_equal(config->model.architecture.vocab_size, 0);
    assert_null(config->model.init_from);
    assert_null(config->tokenizer.vocab);
    assert_int_equal(config->tokenizer.vocab_size, 30522);
    assert_true(config->tokenizer.options.lowercase);
    assert_int_equal(config->tokenizer.options.strip_accents, STRIP_ACCENTS_AS_LOWERCASE);
    assert_true(config->tokenizer.options.tokenize_chinese_chars);
    assert_int_equal(config->data.valid.count, 0);
    assert_true(config->data.valid_fraction == 0.01);
    assert_int_equal(config->data.sentences, SENTENCES_SPLIT);
    assert_int_equal(config->data.seq_len, 128);
    assert_true(config->data.short_seq_prob == 0.1);
    assert_true(config->data.mask_prob == 0.15);
    assert_false(config->data.whole_word_mask);
    assert_true(config->data.nsp);
    assert_false(config->data.strict);
    assert_string_equal(config->data.text_field, "text");
    run_config_free(config);
}

/* Any text is a key of JSON: quoted, with blanks, what YAML would take for a number. */
static void test_text_field(void **state)
{
    (void)state;
    static const char *const values[][2] = {
        {"body", "body"}, {"\"7\"", "7"}, {"'the text'", "the text"}, {"\xC3\xA9.x", "\xC3\xA9.x"}};
    for (int i = 0; i < 4; i++) {
        char setting[64];
        snprintf(setting, sizeof setting, "data.text_field=%s", values[i][0]);
        struct run_config *config =
            load_config_text(MINIMAL_CONFIG, (const char *[]){setting, NULL});
        assert_string_equal(config->data.text_field, values[i][1]);
        run_config_free(config);
    }
}

static void test_training_defaults(void **state)
{
    (void)state;
    struct run_config *config = load_config_text(MINIMAL_CONFIG, NULL);
    assert_int_equal(config->train.steps, 10000);
    assert_true(config->train.epochs == 0);
    assert_int_equal(config->train.batch_size, 256);
    assert_int_equal(config->train.micro_batch_size, 0);
    assert_true(config->train.learning_rate == 1e-4);
    assert_true(config->train.min_learning_rate == 0);
    assert_int_equal(config->train.schedule, SCHEDULE_LINEAR);
    assert_int_equal(config->train.warmup_steps, -1);
    assert_true(config->train.adam_beta1 == 0.9);
    assert_true(config->train.adam_beta2 == 0.999);
    assert_true(config->train.adam_epsilon == 1e-6);
    assert_true(config->train.adam_bias_correction);
    assert_true(config->train.weight_decay == 0.01);
    assert_true(config->train.max_grad_norm == 1);
    assert_int_equal(config->train.precision, PRECISION_FP32);
    assert_int_equal(config->train.threads, 0);
    assert_int_equal(config->train.phases.count, 0);
    assert_int_equal(config->train.eval_every, 1000);
    assert_int_equal(config->train.eval_steps, 0);
    assert_int_equal(config->train.save_every, 1000);
    assert_true(config->train.save_minutes == 30);
    assert_int_equal(config->train.keep_checkpoints, 3);
    assert_int_equal(config->train.log_every, 10);
    run_config_free(config);
}

static void test_values(void **state)
{
    (void)state;
    struct run_config *config =
        load_config_text("seed: 9007199254740992\n"
                         "output: \"the run\"\n"
                         "tokenizer: {lowercase: false, strip_accents: true}\n"
                         "data:\n"
                         "  train:\n"
                         "    - a.txt\n"
                         "    - 'b.txt'\n"
                         "  valid: []\n"
                         "  sentences: line\n"
                         "train:\n"
                         "  learning_rate: +2.5E-05\n"
                         "  min_learning_rate: .5e-5\n"
                         "  schedule: cosine\n"
                         "  warmup_steps: 0\n"
                         "  threads: ~\n"
                         "  precision: bf16\n",
                         NULL);
    assert_int_equal(config->seed, 9007199254740992);
    assert_path_is(config->output, "the run");
    assert_false(config->tokenizer.options.lowercase);
    assert_int_equal(config->tokenizer.options.strip_accents, STRIP_ACCENTS_YES);
    assert_int_equal(config->data.train.count, 2);
    assert_path_is(config->data.train.items[1], "b.txt");
    assert_int_equal(config->data.sentences, SENTENCES_LINE);
    assert_true(config->train.learning_rate == 2.5e-5);
    assert_true(config->train.min_learning_rate == 5e-6);
    assert_int_equal(config->train.schedule, SCHEDULE_COSINE);
    assert_int_equal(config->train.warmup_steps, 0);
    assert_int_equal(config->train.precision, PRECISION_BF16);
    run_config_free(config);
}

static void test_empty_section(void **state)
{
    (void)state;
    run_config_free(load_config_text(MINIMAL_CONFIG "train:\n#  steps: 5\n", NULL));
}

/* ---- settings ---- */

static void test_settings_override_the_file(void **state)
{
    (void)state;
    const char *settings[] = {
        "train.steps=7", "train.steps=8",           "data.train=[b.txt, c.txt]", "train.threads=",
        "seed= 5",       "tokenizer.vocab=v=1.txt", "train.schedule=constant",   NULL};
    struct run_config *config = load_config_text(
        MINIMAL_CONFIG "train: {steps: 6, threads: 3}\ntokenizer: {vocab: x}\n", settings);
    assert_int_equal(config->train.steps, 8);
    assert_int_equal(config->data.train.count, 2);
    assert_path_is(config->data.train.items[0], "b.txt");
    assert_int_equal(config->train.threads, 0);
    assert_int_equal(config->seed, 5);
    assert_path_is(config->tokenizer.vocab, "v=1.txt");
    assert_int_equal(config->train.schedule, SCHEDULE_CONSTANT);
    run_config_free(config);
}

/* ---- paths ---- */

static void test_relative_paths(void **state)
{
    (void)state;
    struct error error;
    assert_true(directory_make("configs", &error));
    const char *text = "output: ./run\ndata: {train: [../a.txt, /b.txt, .//./c.txt]}\n";
    write_config("configs/run.yaml", text);
    struct run_config *config =
        load_config("configs/run.yaml", (const char *[]){"data.valid=[d.txt]", NULL}, &error);
    assert_non_null(config);
    assert_path_is(config->output, "configs/run");
    assert_path_is(config->data.train.items[0], "a.txt");
    assert_string_equal(config->data.train.items[1], "/b.txt");
    assert_path_is(config->data.train.items[2], "configs/c.txt");
    assert_path_is(config->data.valid.items[0], "d.txt");
    run_config_free(config);
}

/* The directory's own brackets are no part of the pattern behind them. */
static void test_pattern_in_directory_with_brackets(void **state)
{
    (void)state;
    struct error error;
    assert_true(directory_make("a[1]", &error));
    const char *text = "output: run\ndata: {train: ['*.txt']}\n";
    write_config("a[1]/run.yaml", text);
    struct run_config *config = load_config("a[1]/run.yaml", NULL, &error);
    assert_non_null(config);
    assert_path_is(config->output, "a[1]/run");
    assert_path_is(config->data.train.items[0], "a\\[1\\]/*.txt");
    run_config_free(config);
}

/* ---- architecture ---- */

static void test_single_keys_override_the_size(void **state)
{
    (void)state;
    struct run_config *config = load_config_text(
        MINIMAL_CONFIG "model: {num_hidden_layers: 3, size: mini, hidden_act: gelu_new}\n", NULL);
    assert_int_equal(config->model.architecture.num_hidden_layers, 3);
    assert_int_equal(config->model.architecture.hidden_size, 256);
    assert_int_equal(config->model.architecture.intermediate_size, 1024);
    assert_string_equal(config->model.architecture.hidden_act, "gelu_new");
    assert_int_equal(config->model.architecture.activation, ACTIVATION_GELU_TANH);
    run_config_free(config);
}

static void test_every_size(void **state)
{
    (void)state;
    static const char *const sizes[] = {"tiny", "mini", "small", "medium", "base", "large"};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char setting[64];
        struct model_config expected;
        snprintf(setting, sizeof setting, "model.size=%s", sizes[i]);
        assert_true(model_config_size(sizes[i], &expected));
        struct run_config *config =
            load_config_text(MINIMAL_CONFIG, (const char *[]){setting, NULL});
        assert_int_equal(config->model.architecture.hidden_size, expected.hidden_size);
        assert_int_equal(config->model.architecture.num_hidden_layers, expected.num_hidden_layers);
        run_config_free(config);
    }
}

static void test_init_from_decides_the_sizes(void **state)
{
    (void)state;
    make_init_from();
    struct run_config *config = load_config_text(
        MINIMAL_CONFIG "model: {init_from: bert, attention_probs_dropout_prob: 0.2}\n", NULL);
    assert_path_is(config->model.init_from, "bert");
    assert_string_equal(config->model.size, "");
    assert_int_equal(config->model.architecture.hidden_size, 96);
    assert_int_equal(config->model.architecture.num_attention_heads, 3);
    assert_true(config->model.architecture.hidden_dropout_prob == 0);
    assert_true(config->model.architecture.attention_probs_dropout_prob == 0.2);
    run_config_free(config);
}

static void test_init_from_decides_the_flags_of_the_tokenizer(void **state)
{
    (void)state;
    make_init_from();
    make_init_from_tokenizer();
    struct run_config *config =
        load_config_text(MINIMAL_CONFIG "model: {init_from: bert}\n"
                                        "tokenizer: {vocab: longer.txt, lowercase: false}\n",
                         NULL);
    assert_false(config->tokenizer.options.lowercase);
    assert_false(config->tokenizer.options.tokenize_chinese_chars);
    assert_int_equal(config->tokenizer.options.strip_accents, STRIP_ACCENTS_AS_LOWERCASE);
    run_config_free(config);
}

static void test_what_no_file_says_is_the_users(void **state)
{
    (void)state;
    make_init_from();
    write_config("bert/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nThe\nthe\n");
    struct run_config *config = load_config_text(MINIMAL_CONFIG "model: {init_from: bert}\n", NULL);
    assert_false(config->tokenizer.options.lowercase); /* as the tokens look */
    run_config_free(config);
    config = load_config_text(
        MINIMAL_CONFIG "model: {init_from: bert}\ntokenizer: {lowercase: true}\n", NULL);
    assert_true(config->tokenizer.options.lowercase);
    run_config_free(config);
    write_config("bert/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n");
    config = load_config_text(
        MINIMAL_CONFIG "model: {init_from: bert}\ntokenizer: {lowercase: false}\n", NULL);
    assert_false(config->tokenizer.options.lowercase);
    run_config_free(config);
}

static void test_a_directory_is_a_vocabulary_with_flags(void **state)
{
    (void)state;
    make_init_from();
    make_init_from_tokenizer();
    struct run_config *config = load_config_text(MINIMAL_CONFIG "tokenizer: {vocab: bert}\n", NULL);
    assert_false(config->tokenizer.options.lowercase);
    assert_false(config->tokenizer.options.tokenize_chinese_chars);
    run_config_free(config);
}

/* ---- steps and phases ---- */

static void test_phases(void **state)
{
    (void)state;
    struct run_config *config = load_config_text(PHASES_CONFIG, NULL);
    assert_int_equal(config->train.steps, 100);
    assert_int_equal(config->train.phases.count, 2);
    assert_int_equal(config->train.phases.items[1].seq_len, 512);
    assert_int_equal(config->train.phases.items[1].steps, 10);
    run_config_free(config);
    run_config_free(load_config_text(PHASES_CONFIG "  steps: 100\n", NULL));
}

static void test_epochs_replace_steps(void **state)
{
    (void)state;
    struct run_config *config = load_config_text(MINIMAL_CONFIG "train: {epochs: 1.5}\n", NULL);
    assert_int_equal(config->train.steps, 0);
    assert_true(config->train.epochs == 1.5);
    run_config_free(config);
    config = load_config_text(MINIMAL_CONFIG "train: {steps: 5}\n",
                              (const char *[]){"train.epochs=2", "train.steps=", NULL});
    assert_int_equal(config->train.steps, 0);
    run_config_free(config);
}

static void test_warmup_steps(void **state)
{
    (void)state;
    struct run_config *config = load_config_text(MINIMAL_CONFIG, NULL);
    assert_int_equal(run_config_warmup_steps(config, 9), 0);
    assert_int_equal(run_config_warmup_steps(config, 1000), 100);
    assert_int_equal(run_config_warmup_steps(config, 1000000), 10000);
    run_config_free(config);
    config = load_config_text(MINIMAL_CONFIG "train: {warmup_steps: 0}\n", NULL);
    assert_int_equal(run_config_warmup_steps(config, 1000), 0);
    run_config_free(config);
}

/* ---- printing ---- */

static void test_origins(void **state)
{
    (void)state;
    struct run_config *config =
        load_config_text(PHASES_CONFIG "model:\n  size: mini\n", (const char *[]){"seed=7", NULL});
    char *text = print(config, true);
    assert_non_null(strstr(text, "seed: 7                                     # --set\n"));
    assert_non_null(strstr(text, "  size: mini                                # run.yaml:6\n"));
    assert_non_null(strstr(text, "  hidden_size: 256                          # model.size\n"));
    assert_non_null(strstr(text, "  steps: 100                                # train.phases\n"));
    assert_non_null(strstr(text, "  epochs:                                   # default\n"));
    assert_non_null(strstr(text, "steps: 90}, {seq_len: 512, steps: 10}] # run.yaml:4\n"));
    free(text);
    run_config_free(config);
}

/* Prints, loads what was printed from another directory, prints again; frees the configuration. */
static void expect_round_trip(struct run_config *config)
{
    struct error error = {0};
    char *first = print(config, true);
    assert_true(directory_make("elsewhere", &error));
    write_config("elsewhere/config.yaml", first);
    free(first);
    struct run_config *again = load_config("elsewhere/config.yaml", NULL, &error);
    if (!again)
        fail_msg("%s", error.message);
    struct buffer differences = {0};
    assert_true(run_config_differences(config, again, &differences, &error));
    assert_int_equal(differences.size, 0);
    first = print(config, false);
    char *second = print(again, false);
    assert_string_equal(first, second);
    free(first);
    free(second);
    run_config_free(config);
    run_config_free(again);
}

static void test_round_trip(void **state)
{
    (void)state;
    expect_round_trip(load_config_text(MINIMAL_CONFIG, NULL));
    expect_round_trip(load_config_text(PHASES_CONFIG, NULL));
    expect_round_trip(load_config_text(MINIMAL_CONFIG
                                       "train: {epochs: 0.1, warmup_steps: 0, threads: 2}\n"
                                       "tokenizer: {strip_accents: false, vocab: v.txt}\n",
                                       NULL));
    expect_round_trip(load_config_text(MINIMAL_CONFIG
                                       "train: {learning_rate: 0.30000000000000004,\n"
                                       "  max_grad_norm: 1e300, weight_decay: 1e-300}\n",
                                       NULL));
}

static void test_round_trip_of_strange_paths(void **state)
{
    (void)state;
    struct run_config *config = load_config_text(
        "output: 'a b: #c'\n"
        "data: {train: [\"quote\\\" back\\\\slash\", \"line\\nbreak\", '[b], {c}', 'null', "
        "\"\\u2028\\u0085\\ufeffx\\t\", 'äöü', '*?.txt', ' ']}\n",
        NULL);
    assert_int_equal(config->data.train.count, 8);
    assert_path_is(config->data.train.items[1], "line\nbreak");
    expect_round_trip(config);
}

/* More than YAML lets a key be long, which must not matter to a value. */
static void test_round_trip_of_long_list(void **state)
{
    (void)state;
    struct buffer text = {0};
    struct error error;
    assert_true(buffer_print(&text, &error, "output: run\ndata:\n  train:\n"));
    for (int i = 0; i < 500; i++)
        assert_true(buffer_print(&text, &error, "    - part-%d.txt\n", i));
    struct run_config *config = load_config_text(text.data, NULL);
    assert_int_equal(config->data.train.count, 500);
    expect_round_trip(config);
    buffer_free(&text);
}

/* What config.yaml says is enough to resume, also when the first model is gone. */
static void test_round_trip_without_init_from(void **state)
{
    (void)state;
    struct error error;
    make_init_from();
    struct run_config *config = load_config_text(MINIMAL_CONFIG "model: {init_from: bert}\n", NULL);
    assert_true(directory_remove("bert", &error));
    expect_round_trip(config);
}

static void test_path_that_is_not_utf8(void **state)
{
    (void)state;
    struct error error;
    struct buffer text = {0};
    assert_true(directory_make("\xe4", &error));
    write_config("\xe4/run.yaml", MINIMAL_CONFIG);
    struct run_config *config = load_config("\xe4/run.yaml", NULL, &error);
    assert_non_null(config);
    assert_false(config_print(config, false, &text, &error));
    assert_non_null(strstr(error.message, "this path is not UTF-8 and cannot be written to YAML"));
    buffer_free(&text);
    run_config_free(config);
}

/* ---- what follows from other keys ---- */

static void expect_positions(const char *text, int positions)
{
    struct run_config *config = load_config_text(text, NULL);
    assert_int_equal(config->model.architecture.max_position_embeddings, positions);
    run_config_free(config);
}

/* transformers, ONNX and servers feed a model as many tokens as it has positions. */
static void test_positions_are_those_that_are_trained(void **state)
{
    (void)state;
    expect_positions(MINIMAL_CONFIG, 128);
    expect_positions("output: run\ndata: {train: [a.txt], seq_len: 64}\n", 64);
    expect_positions(MINIMAL_CONFIG "model: {size: base}\n", 128);
    expect_positions(MINIMAL_CONFIG "model: {max_position_embeddings: 512}\n", 512);
    expect_positions(PHASES_CONFIG, 512);
    make_init_from();
    expect_positions(MINIMAL_CONFIG "model: {init_from: bert}\n", 512);
}

static void test_a_vocabulary_that_is_given_has_its_own_size(void **state)
{
    (void)state;
    make_init_from();
    struct run_config *config = load_config_text(MINIMAL_CONFIG "model: {init_from: bert}\n", NULL);
    assert_int_equal(config->tokenizer.vocab_size, 0);
    run_config_free(config);
    config = load_config_text(MINIMAL_CONFIG "tokenizer: {vocab: v.txt}\n", NULL);
    assert_int_equal(config->tokenizer.vocab_size, 0);
    run_config_free(config);
}

/* ---- differences ---- */

static void test_differences(void **state)
{
    (void)state;
    expect_config_differences(NULL, "");
    expect_config_differences(
        (const char *[]){"seed=1", "train.learning_rate=2e-4", "data.nsp=false",
                         "data.train=[a.txt, b.txt]", NULL},
        "seed is 1, was 42; data.nsp is false, was true; train.learning_rate is "
        "0.0002, was 0.0001");
    expect_config_differences(
        (const char *[]){"data.train=[b.txt]", "tokenizer.vocab=/v.txt", "train.schedule=cosine",
                         "train.warmup_steps=0", "model.num_hidden_layers=3",
                         "model.hidden_act=relu", "train.phases=[{seq_len: 8, steps: 9}]", NULL},
        "model.num_hidden_layers is 3, was 2; model.hidden_act is relu, was gelu; "
        "model.max_position_embeddings is 8, was 128; tokenizer.vocab is /v.txt, was "
        "absent; tokenizer.vocab_size is absent, was 30522; train.schedule is cosine, "
        "was linear; train.warmup_steps is 0, was absent; train.phases is "
        "[{seq_len: 8, steps: 9}], was absent");
    /* The name of a size differs, what it stands for does not. */
    expect_config_differences(
        (const char *[]){"model.size=mini", "model.num_hidden_layers=2", "model.hidden_size=128",
                         "model.num_attention_heads=2", "model.intermediate_size=512", NULL},
        "");
}

static void test_what_may_change_on_resume(void **state)
{
    (void)state;
    expect_config_differences((const char *[]){"train.steps=1", "output=other", "train.threads=1",
                                               "train.log_every=1", "train.keep_checkpoints=9",
                                               NULL},
                              "");
    expect_config_differences((const char *[]){"train.eval_every=1", "train.eval_steps=1",
                                               "train.save_every=1", "train.save_minutes=1",
                                               "train.steps=", "train.epochs=1", NULL},
                              "");
}

/* ---- the reference ---- */

static void test_documentation_is_up_to_date(void **state)
{
    (void)state;
    struct error error = {0};
    struct buffer expected = {0}, found = {0};
    assert_true(config_reference(&run_config_schema, true, &expected, &error));
    assert_true(config_reference(&task_config_schema, true, &expected, &error));
    assert_true(file_read(TEST_SOURCE "/docs/configuration.md", 1 << 20, &found, &error));
    if (strcmp(found.data, expected.data) != 0)
        fail_msg("docs/configuration.md is not what the table says; run scripts/update-docs");
    buffer_free(&expected);
    buffer_free(&found);
}

static void test_reference_text(void **state)
{
    (void)state;
    struct error error = {0};
    struct buffer text = {0};
    assert_true(config_reference(&run_config_schema, false, &text, &error));
    assert_non_null(strstr(text.data, "  output: a path; required\n      the run directory\n"));
    assert_non_null(
        strstr(text.data,
               "  train.warmup_steps: an integer from 0 to 1000000000; default: absent\n"
               "      steps over which the learning rate rises; absent: a tenth of the steps, at\n"
               "      most 10000\n"));
    buffer_free(&text);
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, run_config_enter_directory, run_config_leave_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_text_field),
        TEST(test_training_defaults),
        TEST(test_values),
        TEST(test_empty_section),
        TEST(test_settings_override_the_file),
        TEST(test_relative_paths),
        TEST(test_pattern_in_directory_with_brackets),
        TEST(test_single_keys_override_the_size),
        TEST(test_every_size),
        TEST(test_init_from_decides_the_sizes),
        TEST(test_init_from_decides_the_flags_of_the_tokenizer),
        TEST(test_what_no_file_says_is_the_users),
        TEST(test_a_directory_is_a_vocabulary_with_flags),
        TEST(test_phases),
        TEST(test_epochs_replace_steps),
        TEST(test_warmup_steps),
        TEST(test_origins),
        TEST(test_round_trip),
        TEST(test_round_trip_of_strange_paths),
        TEST(test_round_trip_of_long_list),
        TEST(test_round_trip_without_init_from),
        TEST(test_path_that_is_not_utf8),
        TEST(test_positions_are_those_that_are_trained),
        TEST(test_a_vocabulary_that_is_given_has_its_own_size),
        TEST(test_differences),
        TEST(test_what_may_change_on_resume),
        TEST(test_documentation_is_up_to_date),
        TEST(test_reference_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
