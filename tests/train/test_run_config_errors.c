#include "base/file.h"
#include "support/run_config_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void expect_refusal(const char *text, const char *setting, const char *message)
{
    struct error error;
    const char *settings[] = {setting, NULL};
    write_config("run.yaml", text);
    struct run_config *config = load_config("run.yaml", settings, &error);
    run_config_free(config);
    assert_null(config);
    assert_string_equal(error.message, message);
    assert_int_equal(error.kind, ERROR_INPUT);
}

struct refusal {
    const char *text;
    const char *setting; /* or NULL */
    const char *message;
};

static void expect_refusals(const struct refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect_refusal(cases[i].text, cases[i].setting, cases[i].message);
}

#define EXPECT_REFUSALS(cases) expect_refusals(cases, sizeof(cases) / sizeof *(cases))

static void test_wrong_values(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"train: {steps: abc}", NULL,
         "run.yaml:1: train.steps: found \"abc\"; expected an integer from 1 to 1000000000"},
        {"train:\n  steps: 1_000", NULL,
         "run.yaml:2: train.steps: found \"1_000\"; expected an integer from 1 to 1000000000"},
        {"train:\n  steps: 0", NULL,
         "run.yaml:2: train.steps: found \"0\"; expected an integer from 1 to 1000000000"},
        {"train: {steps: 010}", NULL,
         "run.yaml:1: train.steps: found \"010\"; expected an integer from 1 to 1000000000"},
        {"train: {steps: 1e4}", NULL,
         "run.yaml:1: train.steps: found \"1e4\"; expected an integer from 1 to 1000000000"},
        {"seed: 99999999999999999999", NULL,
         "run.yaml:1: seed: found \"99999999999999999999\"; expected an integer from 0 to "
         "9007199254740992"},
        {"seed: '5'", NULL,
         "run.yaml:1: seed: found the string \"5\"; expected an integer from 0 to "
         "9007199254740992"},
        {"seed: -1", NULL,
         "run.yaml:1: seed: found \"-1\"; expected an integer from 0 to 9007199254740992"},
        {"seed:", NULL,
         "run.yaml:1: seed: found nothing; expected an integer from 0 to 9007199254740992"},
        {"seed: [1]", NULL,
         "run.yaml:1: seed: found a list; expected an integer from 0 to 9007199254740992"},
        {"data: {mask_prob: 1}", NULL,
         "run.yaml:1: data.mask_prob: found \"1\"; expected a number above 0 and below 1"},
        {"data: {mask_prob: 0}", NULL,
         "run.yaml:1: data.mask_prob: found \"0\"; expected a number above 0 and below 1"},
        {"data: {short_seq_prob: 1.01}", NULL,
         "run.yaml:1: data.short_seq_prob: found \"1.01\"; expected a number of at least 0 and at "
         "most 1"},
        {"train: {max_grad_norm: .inf}", NULL,
         "run.yaml:1: train.max_grad_norm: found \".inf\"; expected a number of at least 0"},
        {"train: {max_grad_norm: nan}", NULL,
         "run.yaml:1: train.max_grad_norm: found \"nan\"; expected a number of at least 0"},
        {"train: {max_grad_norm: 1e999}", NULL,
         "run.yaml:1: train.max_grad_norm: found \"1e999\"; expected a number of at least 0"},
        {"train: {max_grad_norm: 0x10}", NULL,
         "run.yaml:1: train.max_grad_norm: found \"0x10\"; expected a number of at least 0"},
        {"train: {max_grad_norm: 1.5x}", NULL,
         "run.yaml:1: train.max_grad_norm: found \"1.5x\"; expected a number of at least 0"},
        {"train: {max_grad_norm: .e1}", NULL,
         "run.yaml:1: train.max_grad_norm: found \".e1\"; expected a number of at least 0"},
        {"data: {nsp: yes}", NULL, "run.yaml:1: data.nsp: found \"yes\"; expected false or true"},
        {"data: {nsp: 'true'}", NULL,
         "run.yaml:1: data.nsp: found the string \"true\"; expected false or true"},
        {"train: {schedule: cosinus}", NULL,
         "run.yaml:1: train.schedule: found \"cosinus\"; expected linear, cosine or constant"},
        {"model: {size: huge}", NULL,
         "run.yaml:1: model.size: found \"huge\"; expected tiny, mini, small, medium, base or "
         "large"},
        {"output: {a: b}", NULL, "run.yaml:1: output: found a mapping; expected a path"},
        {"output: ''", NULL, "run.yaml:1: output: found the string \"\"; expected a path"},
        {"data: {train: ''}", NULL,
         "run.yaml:1: data.train: found the string \"\"; expected a path, or a list such as "
         "[a.txt, b.txt]"},
        {"data: {train: {a.txt: b}}", NULL,
         "run.yaml:1: data.train: found a mapping; expected a path, or a list such as [a.txt, "
         "b.txt]"},
        {"data:\n  train:\n    - a.txt\n    - [b.txt]", NULL,
         "run.yaml:4: data.train: found a list; expected a path, or a list such as [a.txt, b.txt]"},
    };
    EXPECT_REFUSALS(cases);
}

static void test_wrong_keys(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"seed: 1\ntrain:\n  lerning_rate: 1", NULL,
         "run.yaml:3: unknown key train.lerning_rate; did you mean train.learning_rate?"},
        {"train: {lr: 1}", NULL,
         "run.yaml:1: unknown key train.lr; did you mean train.learning_rate?"},
        {"lr: 1", NULL, "run.yaml:1: unknown key lr; did you mean train.learning_rate?"},
        {"train: {warmup: 1}", NULL,
         "run.yaml:1: unknown key train.warmup; did you mean train.warmup_steps?"},
        {"train: {bs: 1}", NULL,
         "run.yaml:1: unknown key train.bs; did you mean train.batch_size?"},
        {"trian:\n  steps: 1", NULL, "run.yaml:1: unknown key trian; did you mean train?"},
        {"learning_rate: 1", NULL,
         "run.yaml:1: unknown key learning_rate; did you mean train.learning_rate?"},
        {"data: {vocab_size: 5}", NULL,
         "run.yaml:1: unknown key data.vocab_size; did you mean tokenizer.vocab_size?"},
        {"qqqqqqqq: 1", NULL,
         "run.yaml:1: unknown key qqqqqqqq; 'cloze config --help' lists the keys"},
        {"train.steps: 1", NULL, "run.yaml:1: train.steps: expected steps in the section train"},
        {"seed: 1\noutput: x\nseed: 2", NULL, "run.yaml:3: seed is given twice; first on line 1"},
        {"train:\n  steps: 1\n  steps: 1", NULL,
         "run.yaml:3: train.steps is given twice; first on line 2"},
        {"train: {steps: 1}\ntrain: {batch_size: 1}", NULL,
         "run.yaml:2: train is given twice; first on line 1"},
        {"train: 5", NULL, "run.yaml:1: train is a section; expected its keys below it, indented"},
        {"- a", NULL, "run.yaml:1: expected keys with values, such as \"seed: 42\""},
        {"", NULL, "run.yaml: the file is empty; expected keys, at least output and data.train"},
        {"# only a comment\n", NULL,
         "run.yaml: the file is empty; expected keys, at least output and data.train"},
    };
    EXPECT_REFUSALS(cases);
}

static void test_wrong_yaml(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"train:\n\tsteps: 1", NULL,
         "run.yaml:2: YAML syntax error: found character that cannot start any token at column 1 "
         "(indent with spaces, not with tabs)"},
        {"seed: 1\ndata: {train: [a.txt}", NULL,
         "run.yaml:2: YAML syntax error: did not find expected ',' or ']' at column 21"},
        {"data: {train: [*.txt]}", NULL,
         "run.yaml:1: YAML syntax error: did not find expected alphabetic or numeric character at "
         "column 17 (a value that begins with * or & must be quoted)"},
        {"data: {train: [*all]}", NULL,
         "run.yaml:1: found the alias *all; expected a plain value (a value that begins with * "
         "must be quoted)"},
        {"seed: &a 1", NULL,
         "run.yaml:1: found the anchor &a; expected a plain value (a value that begins with & must "
         "be quoted)"},
        {"data: &a {}", NULL,
         "run.yaml:1: found the anchor &a; expected a plain value (a value that begins with & must "
         "be quoted)"},
        {"data: {train: !x []}", NULL,
         "run.yaml:1: found the tag !x; expected a plain value (a value that begins with ! must be "
         "quoted)"},
        {"seed: 1\n---\nseed: 2", NULL,
         "run.yaml:3: a second YAML document starts here; expected only one"},
        {"[a]: 1", NULL, "run.yaml:1: found a list or mapping as a key; expected a word"},
        {"output: \"a\\0b\"", NULL, "run.yaml:1: a value with a NUL character; expected text"},
        {"seed: 1\noutput: \xff", NULL,
         "run.yaml:2: invalid leading UTF-8 octet; expected UTF-8 text"},
        {"data: {train: [[[[[[[a]]]]]]]}", NULL,
         "run.yaml:1: lists or sections nested more than 6 deep"},
    };
    EXPECT_REFUSALS(cases);
}

static void test_wrong_files(void **state)
{
    (void)state;
    struct error error;
    assert_null(load_config("absent.yaml", NULL, &error));
    assert_string_equal(error.message, "absent.yaml: cannot open: No such file or directory");
    assert_null(load_config(".", NULL, &error));
    assert_string_equal(error.message,
                        ".: is a directory; expected a configuration, a file like run.yaml");

    write_config("large.yaml", "");
    assert_int_equal(truncate("large.yaml", ((off_t)1 << 28) + 1), 0);
    assert_null(load_config("large.yaml", NULL, &error));
    assert_non_null(strstr(error.message, "large.yaml: "));
    assert_non_null(strstr(error.message, "expected at most 268435456"));
}

static void test_wrong_settings(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {MINIMAL_CONFIG, "train.steps",
         "--set train.steps: expected KEY=VALUE, such as train.steps=100"},
        {MINIMAL_CONFIG, "=5", "--set =5: expected KEY=VALUE, such as train.steps=100"},
        {MINIMAL_CONFIG, "train=5",
         "--set train=5: train is a section; expected a key, such as train.KEY"},
        {MINIMAL_CONFIG, "train.stpes=5",
         "--set train.stpes=5: unknown key train.stpes; did you mean train.steps?"},
        {MINIMAL_CONFIG, "train.steps=x",
         "--set train.steps=x: train.steps: found \"x\"; expected an integer from 1 to 1000000000"},
        {MINIMAL_CONFIG, "data.train=[a",
         "--set data.train=[a: YAML syntax error: did not find expected ',' or ']'"},
        {MINIMAL_CONFIG "model: {max_position_embeddings: 512}\n", "data.seq_len=1024",
         "--set data.seq_len: is 1024, more than model.max_position_embeddings (512)"},
    };
    EXPECT_REFUSALS(cases);
}

static void test_wrong_architecture(void **state)
{
    (void)state;
    make_init_from();
    static const struct refusal cases[] = {
        {MINIMAL_CONFIG "model:\n  size:", NULL,
         "run.yaml:4: model.size: is empty, and so is model.init_from; set one of them"},
        {MINIMAL_CONFIG "model:\n  init_from: bert\n  size: tiny", NULL,
         "run.yaml:5: model.size: cannot be combined with model.init_from: that model has its own "
         "size"},
        {MINIMAL_CONFIG "model:\n  init_from: bert\n  num_attention_heads: 2", NULL,
         "run.yaml:5: model.num_attention_heads: is 2, but the model in model.init_from has 3"},
        {MINIMAL_CONFIG "model: {init_from: bert}\ntokenizer: {vocab_size: 200}", NULL,
         "run.yaml:4: tokenizer.vocab_size: cannot be combined with model.init_from: that "
         "vocabulary has its own size. Remove it (--set tokenizer.vocab_size= does); for more "
         "tokens make a longer vocabulary with 'cloze vocab --extend' and set tokenizer.vocab to "
         "it"},
        {MINIMAL_CONFIG "tokenizer: {vocab_size: }", NULL,
         "run.yaml:3: tokenizer.vocab_size: is empty, and so are tokenizer.vocab and "
         "model.init_from; set one of them"},
        {MINIMAL_CONFIG "model: {num_attention_heads: 3}", NULL,
         "run.yaml: model: hidden_size 128 is not a multiple of num_attention_heads 3"},
        {MINIMAL_CONFIG "model: {type_vocab_size: 1}", NULL,
         "run.yaml: data.nsp: needs a model.type_vocab_size of at least 2, but it is 1"},
    };
    EXPECT_REFUSALS(cases);
    struct error error;
    assert_null(load_config("run.yaml", (const char *[]){"model.init_from=absent", NULL}, &error));
    assert_non_null(strstr(error.message, "--set model.init_from: /"));
    assert_non_null(strstr(error.message,
                           "absent: no such directory; expected a model directory, a "
                           "checkpoint or a run directory"));
}

static void test_wrong_flags_of_a_tokenizer(void **state)
{
    (void)state;
    make_init_from();
    make_init_from_tokenizer();
    static const struct refusal cases[] = {
        {MINIMAL_CONFIG "model: {init_from: bert}\ntokenizer:\n  lowercase: true", NULL,
         "run.yaml:5: tokenizer.lowercase: is true, but the model in model.init_from has false"},
        {MINIMAL_CONFIG "model: {init_from: bert}\ntokenizer:\n  strip_accents: true", NULL,
         "run.yaml:5: tokenizer.strip_accents: is true, but the model in model.init_from has no "
         "value"},
    };
    EXPECT_REFUSALS(cases);
    struct error error;
    write_config("bert/tokenizer_config.json", "{\"do_lower_case\": 1}\n");
    assert_null(load_config("run.yaml", (const char *[]){"model.init_from=bert", NULL}, &error));
    assert_non_null(strstr(error.message, "--set model.init_from: /"));
    assert_non_null(strstr(error.message, "do_lower_case is 1; expected true or false"));
}

static void test_wrong_combinations(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"data: {train: [a.txt]}", NULL,
         "run.yaml: output: is missing; expected a path (the run directory)"},
        {MINIMAL_CONFIG, "data.train=[]",
         "--set data.train: is missing; expected a path, or a list such as [a.txt, b.txt] (text to "
         "train on: files or patterns; plain text with documents separated by blank lines, JSON "
         "(.json, .jsonl and the like) or tar; .gz, .zst, .xz, .bz2 and .lz4 are unpacked)"},
        {MINIMAL_CONFIG, "data.text_field=",
         "--set data.text_field=: data.text_field: found nothing; expected a text of 1 to 127 "
         "bytes"},
        {MINIMAL_CONFIG, "data.text_field=[a]",
         "--set data.text_field=[a]: data.text_field: found a list; expected a text of 1 to 127 "
         "bytes"},
        {MINIMAL_CONFIG "train:\n  steps: 5\n  epochs: 1", NULL,
         "run.yaml:4: train.steps: cannot be combined with train.epochs; remove one of them (--set "
         "train.steps= removes it)"},
        {MINIMAL_CONFIG "train:\n  steps:", NULL,
         "run.yaml:4: train.steps: is empty, and so are train.epochs, train.hours and "
         "train.phases; set one of them"},
        {PHASES_CONFIG "  steps: 99", NULL,
         "run.yaml:4: train.phases: the phases add up to 100 steps, but train.steps is 99"},
        {PHASES_CONFIG "  epochs: 1", NULL,
         "run.yaml:4: train.phases: cannot be combined with train.epochs; remove one of them"},
        {PHASES_CONFIG "model: {max_position_embeddings: 500}", NULL,
         "run.yaml:4: train.phases: is 512, more than model.max_position_embeddings (500)"},
        {MINIMAL_CONFIG
         "train: {phases: [{seq_len: 8, steps: 1000000000}, {seq_len: 8, steps: 1}]}",
         NULL,
         "run.yaml:3: train.phases: the phases have 1000000001 steps; expected at most "
         "1000000000"},
        {MINIMAL_CONFIG "train: {phases: [{seq_len: 8}]}", NULL,
         "run.yaml:3: train.phases: a phase has no steps"},
        {MINIMAL_CONFIG "train: {phases: [{steps: 8}]}", NULL,
         "run.yaml:3: train.phases: a phase has no seq_len"},
        {MINIMAL_CONFIG "train: {phases: [{steps: 8, steps: 8}]}", NULL,
         "run.yaml:3: train.phases: steps is given twice"},
        {MINIMAL_CONFIG "train: {phases: [{step: 8}]}", NULL,
         "run.yaml:3: train.phases: unknown key step; expected seq_len and steps"},
        {MINIMAL_CONFIG "train: {phases: [{seq_len: 7, steps: 1}]}", NULL,
         "run.yaml:3: train.phases: seq_len: found \"7\"; expected an integer from 8 to 65536"},
        {MINIMAL_CONFIG "train: {phases: [8]}", NULL,
         "run.yaml:3: train.phases: found \"8\"; expected a list such as [{seq_len: 128, steps: "
         "9000}, {seq_len: 512, steps: 1000}]"},
        {MINIMAL_CONFIG "train: {batch_size: 8,\n micro_batch_size: 9}", NULL,
         "run.yaml:4: train.micro_batch_size: is 9, more than train.batch_size (8)"},
        {MINIMAL_CONFIG "train: {min_learning_rate: 1}", NULL,
         "run.yaml:3: train.min_learning_rate: is 1, more than train.learning_rate (0.0001)"},
        {MINIMAL_CONFIG "model: {max_position_embeddings: 4096}\n"
                        "data: {seq_len: 4096, train: [a.txt]}\ntrain: {batch_size: 1000000}",
         NULL, "run.yaml:4: data is given twice; first on line 2"},
        {"output: run\nmodel: {max_position_embeddings: 4096}\n"
         "data: {seq_len: 4096, train: [a.txt]}\ntrain: {batch_size: 1000000}",
         NULL,
         "run.yaml:4: train.batch_size: 1000000 sequences of up to 4096 tokens are too large; "
         "expected at most 2147483647 tokens"},
    };
    EXPECT_REFUSALS(cases);
}

/* Four lines, in which processes synchronize after every eighth step. */
#define EIGHT MINIMAL_CONFIG "train:\n  sync_every: 8\n"

static void test_wrong_synchronizations(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {EIGHT "  steps: 100", NULL,
         "run.yaml:5: train.steps: 100 is no multiple of train.sync_every, 8: only then do all "
         "processes have the same parameters"},
        {EIGHT "  steps: 96\n  eval_every: 12", NULL,
         "run.yaml:6: train.eval_every: 12 is no multiple of train.sync_every, 8: only then do "
         "all processes have the same parameters"},
        {EIGHT "  steps: 96\n  save_every: 12", NULL,
         "run.yaml:6: train.save_every: 12 is no multiple of train.sync_every, 8: only then do "
         "all processes have the same parameters"},
        {EIGHT, "train.save_every=12",
         "--set train.save_every: 12 is no multiple of train.sync_every, 8: only then do all "
         "processes have the same parameters"},
        {EIGHT, "train.shard_optimizer=true",
         "run.yaml:4: train.sync_every: cannot be combined with train.shard_optimizer: between "
         "synchronizations each process needs all of the optimizer"},
        {EIGHT, "train.exchange_precision=bf16",
         "run.yaml:4: train.sync_every: cannot be combined with train.exchange_precision bf16: no "
         "gradients are exchanged, but parameters, in fp32"},
        {EIGHT, "train.sync_every=7",
         "run.yaml: train.steps: 10000 is no multiple of train.sync_every, 7: only then do all "
         "processes have the same parameters"},
        {PHASES_CONFIG "  sync_every: 8", NULL,
         "run.yaml: train.steps: 100 is no multiple of train.sync_every, 8: only then do all "
         "processes have the same parameters"},
        {MINIMAL_CONFIG, "train.sync_every=0",
         "--set train.sync_every=0: train.sync_every: found \"0\"; expected an integer from 1 to "
         "1000000000"},
        {MINIMAL_CONFIG, "train.outer_learning_rate=0",
         "--set train.outer_learning_rate=0: train.outer_learning_rate: found \"0\"; expected a "
         "number above 0 and at most 10"},
        {MINIMAL_CONFIG, "train.outer_momentum=1",
         "--set train.outer_momentum=1: train.outer_momentum: found \"1\"; expected a number of at "
         "least 0 and below 1"},
        {MINIMAL_CONFIG, "train.rank_timeout=2",
         "--set train.rank_timeout=2: train.rank_timeout: found \"2\"; expected a number of at "
         "least 3 and at most 86400"},
        {MINIMAL_CONFIG, "train.exchange_precision=fp16",
         "--set train.exchange_precision=fp16: train.exchange_precision: found \"fp16\"; expected "
         "fp32 or bf16"},
    };
    EXPECT_REFUSALS(cases);
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, run_config_enter_directory, run_config_leave_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_wrong_values),
        TEST(test_wrong_keys),
        TEST(test_wrong_yaml),
        TEST(test_wrong_files),
        TEST(test_wrong_settings),
        TEST(test_wrong_architecture),
        TEST(test_wrong_flags_of_a_tokenizer),
        TEST(test_wrong_combinations),
        TEST(test_wrong_synchronizations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
