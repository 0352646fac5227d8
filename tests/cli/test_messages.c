/* What a newcomer types, and what is said to it. */

#include "base/directory.h"
#include "support/hot_model.h"
#include "support/program.h"
#include "support/sample_text.h"
#include "support/scratch.h"

#include <jansson.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char config_text[] = "output: run\n"
                                  "model: {size: tiny, hidden_size: 32, intermediate_size: 64,\n"
                                  "        num_hidden_layers: 1, num_attention_heads: 2}\n"
                                  "tokenizer: {vocab_size: 100}\n"
                                  "data: {train: text.txt, sentences: line, seq_len: 32,\n"
                                  "       valid_fraction: 0}\n"
                                  "train: {steps: 4, batch_size: 8, threads: 1,\n"
                                  "        schedule: constant, warmup_steps: 2}\n";

/* In the scratch directory, which becomes the working directory. */
static int set_up(void **state)
{
    int status = scratch_set_up(state);
    struct scratch *scratch = *state;
    sample_text_write(scratch, "text.txt", 60);
    scratch_write_text(scratch, "e.yaml", config_text);
    return status || chdir(scratch->directory);
}

static int tear_down(void **state)
{
    return chdir("/") == 0 ? scratch_tear_down(state) : -1;
}

static void expect_suggestion(const char *name)
{
    char said[300];
    snprintf(said, sizeof said,
             "%s: is not a configuration. To train on it, write a file run.yaml with the lines\n"
             "  output: run\n"
             "  data: {train: [\"%s\"]}\n"
             "and type: cloze train run.yaml\n",
             name, name);
    ASSERT_CLOZE_SAYS(2, said, "train", name);
}

/* What is said is then done, with a smaller model. */
static void a_text_is_not_a_configuration(void **state)
{
    struct scratch *scratch = *state;
    static const char *const texts[] = {"Once upon a time there was a cat.\n",
                                        "Chapter 1: a cat\nIt sat.\n", "* a cat\n* a dog\n",
                                        "Of cats: they sit.\n", "{\"text\": \"a cat\"}\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        scratch_write_text(scratch, "my book.txt", texts[i]);
        expect_suggestion("my book.txt");
    }
    char *large = malloc(2 << 20);
    assert_non_null(large);
    memset(large, 'a', 2 << 20);
    scratch_write(scratch, "my book.txt", large, 2 << 20);
    expect_suggestion("my book.txt");
    free(large);
    sample_text_write(scratch, "my book.txt", 60);
    scratch_write_text(scratch, "run.yaml", "output: run\ndata: {train: [\"my book.txt\"]}\n");
    SUCCEED("train", "run.yaml", "--set", "model.size=tiny", "--set", "train.steps=1", "--set",
            "tokenizer.vocab_size=100", "--set", "train.batch_size=2");
    /* A configuration with an error is one all the same. */
    scratch_write_text(scratch, "e.conf", "output: run\nmodle: {size: tiny}\n");
    ASSERT_CLOZE_SAYS(2, "e.conf:2: unknown key modle; did you mean model?", "train", "e.conf");
    scratch_write_text(scratch, "exp.conf", "output: run\ndata:\n  train: text.txt\n seq_len: 5\n");
    ASSERT_CLOZE_SAYS(2, "exp.conf:4: ", "train", "exp.conf");
    scratch_write_text(scratch, "flow.conf", "{output: run, data: {train: text.txt}\n");
    ASSERT_CLOZE_SAYS(2, "flow.conf:2: ", "train", "flow.conf");
    /* What is to be written must be YAML. */
    scratch_write_text(scratch, "a \"b\" \\.txt", "a cat\n");
    ASSERT_CLOZE_SAYS(2, "\n  data: {train: [\"a \\\"b\\\" \\\\.txt\"]}\n", "train",
                      "a \"b\" \\.txt");
    scratch_write_text(scratch, "f.yaml", "a cat\n");
    ASSERT_CLOZE_SAYS(2, "f.yaml:1: expected keys with values", "train", "f.yaml");
}

static void options_are_named_as_they_were_typed(void **state)
{
    (void)state;
    ASSERT_CLOZE_SAYS(2, "unknown option -resume: options begin with two dashes: --resume\n",
                      "train", "e.yaml", "-resume");
    ASSERT_CLOZE_SAYS(2, "unknown option -set=a: options begin with two dashes: --set\n", "train",
                      "e.yaml", "-set=a");
    ASSERT_CLOZE_SAYS(2, "unknown option -resum (did you mean --resume?); 'cloze train --help'",
                      "train", "e.yaml", "-resum");
    ASSERT_CLOZE_SAYS(2, "unknown option --resum (did you mean --resume?); 'cloze train --help'",
                      "train", "e.yaml", "--resum");
    ASSERT_CLOZE_SAYS(2, "unknown option --nothing=1; 'cloze train --help' lists the options",
                      "train", "e.yaml", "--nothing=1");
}

static void a_directory_is_not_a_configuration(void **state)
{
    (void)state;
    struct error error = {0};
    assert_true(directory_make("sub", &error));
    ASSERT_CLOZE_SAYS(2, "sub: is a directory; expected a configuration, a file like run.yaml",
                      "train", "sub");
    SUCCEED("train", "e.yaml");
    ASSERT_CLOZE_SAYS(
        2,
        "run: is a directory; expected a configuration, such as run/config.yaml, with "
        "which the run goes on: cloze train run/config.yaml --resume",
        "train", "run");
    SUCCEED("train", "run/config.yaml", "--resume");
}

static void settings_that_are_left_out_are_said(void **state)
{
    (void)state;
    SUCCEED("train", "e.yaml", "--set", "train.steps=6");
    ASSERT_CLOZE_SAYS(2, "to go on, give more: --set train.steps=N", "train", "e.yaml", "--resume");
    SUCCEED("train", "e.yaml", "--resume", "--set", "train.steps=8");
    ASSERT_CLOZE_SAYS(0,
                      "changed since the run was last started:\n"
                      "  train.steps is 9, was 8; train.save_every is 5, was ",
                      "train", "e.yaml", "--resume", "--set", "train.steps=9", "--set",
                      "train.save_every=5");
    struct program_result result = RUN_CLOZE("train", "e.yaml", "--resume", "--set",
                                             "train.steps=9", "--set", "train.save_every=5");
    assert_int_equal(result.status, 0);
    assert_null(strstr(result.err, "changed since"));
    program_result_free(&result);
}

/* Trains to the end and once more with these settings, and expects what is said then. */
static void expect_at_the_end(const char *length, const char *said)
{
    SUCCEED("train", "e.yaml", "--set", "train.steps=", "--set", length);
    ASSERT_CLOZE_SAYS(0, said, "train", "e.yaml", "--resume", "--set", "train.steps=", "--set",
                      length);
}

/* A run goes on after what it advises. */
static void a_finished_run_says_how_to_go_on(void **state)
{
    (void)state;
    SUCCEED("train", "e.yaml");
    ASSERT_CLOZE_SAYS(0, "this run is finished (4 steps); raise train.steps to go on\n", "train",
                      "e.yaml", "--resume");
    assert_int_equal(system("mv run begun"), 0);
    expect_at_the_end("train.epochs=1", " steps); raise train.epochs to go on\n");
    SUCCEED("train", "e.yaml", "--resume", "--set", "train.steps=", "--set", "train.epochs=2");
    ASSERT_CLOZE_SAYS(2, "to go on, give more: --set train.epochs=N", "train", "e.yaml", "--resume",
                      "--set", "train.steps=", "--set", "train.epochs=1");
    assert_int_equal(system("rm -r run"), 0);
    expect_at_the_end("train.phases=[{seq_len: 16, steps: 2}]",
                      "this run is finished (2 steps); train.phases cannot be extended:\n"
                      "  a new run goes on from its model with model.init_from: run\n");
    SUCCEED("train", "e.yaml", "--set", "model.init_from=run", "--set", "output=next", "--set",
            "data.seq_len=16", "--set", "model.size=", "--set", "tokenizer.vocab_size=");
}

static void words_that_the_model_lacks_are_said(void **state)
{
    (void)state;
    SUCCEED("train", "e.yaml");
    ASSERT_CLOZE_SAYS(0, "warning: 2 words of the input became [UNK]: the vocabulary lacks them\n",
                      "fill", "run", "\xE6\xB0\xB4 [MASK] \xE7\x81\xAB");
    ASSERT_CLOZE_SAYS(0, "warning: 1 word of the input became [UNK]: the vocabulary lacks it\n",
                      "nsp", "run", "\xE6\xB0\xB4", "a");
    struct program_result result = RUN_CLOZE("fill", "run", "a [MASK] a");
    assert_int_equal(result.status, 0);
    assert_null(strstr(result.err, "[UNK]"));
    program_result_free(&result);
}

/* By the option or the key of the command in use, not by both. */
static void the_field_of_json_is_named_as_the_command_takes_it(void **state)
{
    struct scratch *scratch = *state;
    static const char key[] = "; name the field with the text: data.text_field\n";
    static const char option[] = "; name the field with the text: --text-field\n";
    SUCCEED("train", "e.yaml");
    scratch_write_text(scratch, "in.jsonl", "{\"body\": \"a cat\"}\n");
    ASSERT_CLOZE_SAYS(2, option, "vocab", "--input", "in.jsonl", "--output", "v.txt");
    ASSERT_CLOZE_SAYS(2, option, "prepare", "--input", "in.jsonl", "--vocab", "run/vocab.txt",
                      "--output", "d");
    ASSERT_CLOZE_SAYS(2, option, "eval", "run", "--data", "in.jsonl");
    static const char *const settings[] = {"data.train=in.jsonl", "data.valid=in.jsonl"};
    for (int i = 0; i < 2; i++) {
        ASSERT_CLOZE_SAYS(2, key, "train", "e.yaml", "--set", "output=new", "--set", settings[i]);
        ASSERT_CLOZE_SAYS(2, key, "batches", "e.yaml", "--steps", "1", "--output", "b", "--set",
                          "output=new", "--set", settings[i]);
    }
}

static void expect_lines(const char *text, const char *const *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strstr(text, lines[i]))
            fail_msg("no \"%s\" in %s", lines[i], text);
}

/* One is in the singular, and numbers have one style. */
static void numbers_have_one_style(void **state)
{
    struct scratch *scratch = *state;
    SUCCEED("vocab", "--input", "text.txt", "--size", "90", "--output", "v.txt");
    scratch_write_text(scratch, "one.txt", "a b\n");
    struct program_result result = RUN_CLOZE("prepare", "--input", "one.txt", "--vocab", "v.txt",
                                             "--output", "d", "--sentences", "line");
    assert_non_null(strstr(result.err, "prepared 1 document, 1 sentence,\n  2 tokens "));
    assert_string_equal(result.out, "train: 1 document, 1 sentence, 2 tokens\n"
                                    "valid: 0 documents, 0 sentences, 0 tokens\n");
    program_result_free(&result);
    result = RUN_CLOZE("train", "e.yaml", "--set", "train.steps=1200", "--set",
                       "train.batch_size=1", "--set", "train.log_every=1100");
    assert_int_equal(result.status, 0);
    static const char *const lines[] = {"\nmodel       1 layer, hidden size 32, 2 heads, ",
                                        "\nstep        1 sequence of 32 tokens\n",
                                        "\ntraining    1,200 steps, ", "\n1,100 ",
                                        "\ndone: step 1,200 after "};
    expect_lines(result.err, lines, sizeof lines / sizeof *lines);
    program_result_free(&result);
}

/* Trains to the step and returns the seconds that the run has taken by then. */
static double seconds_until(long steps)
{
    double seconds = 0;
    char setting[64];
    snprintf(setting, sizeof setting, "train.steps=%ld", steps);
    struct program_result result =
        RUN_CLOZE("train", "e.yaml", "--resume", "--set", "train.batch_size=1", "--set", setting);
    const char *done = strstr(result.err, "\ndone: step ");
    if (!done || sscanf(done, " done: step %*s after %lf", &seconds) != 1)
        fail_msg("%s", result.err);
    program_result_free(&result);
    return seconds;
}

/* One step more takes a few milliseconds. */
static void the_time_of_a_resumed_run_is_that_of_all_of_it(void **state)
{
    (void)state;
    double first = 0;
    long steps = 1500;
    while (first < 0.5) {
        steps *= 2;
        first = seconds_until(steps);
    }
    assert_true(seconds_until(steps + 1) > first / 2);
}

static void assert_matches(const char *pattern, const char *text)
{
    regex_t expression;
    assert_int_equal(regcomp(&expression, pattern, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&expression, text, 0, NULL, 0) != 0)
        fail_msg("expected %s, found %s", pattern, text);
    regfree(&expression);
}

/* Those of the log: four decimals of a loss, one of a percentage, commas in counts. */
static void an_evaluation_has_the_digits_of_the_log(void **state)
{
    SUCCEED("train", "e.yaml");
    sample_text_write(*state, "long.txt", 3000);
    struct program_result result =
        RUN_CLOZE("eval", "run", "--data", "long.txt", "--sentences", "line");
    assert_int_equal(result.status, 0);
    assert_matches("^[1-9],[0-9]{3} predictions, [0-9,]+ pairs; 95 % intervals\n"
                   "MLM loss {4,}[0-9]+\\.[0-9]{4}   \\[[0-9]+\\.[0-9]{4}, [0-9]+\\.[0-9]{4}\\]\n"
                   "perplexity +[0-9]+\\.[0-9]   \\[[0-9]+\\.[0-9], [0-9]+\\.[0-9]\\]\n"
                   "MLM accuracy +[0-9]+\\.[0-9] % \\[[0-9]+\\.[0-9], [0-9]+\\.[0-9]\\]\n"
                   "NSP loss {4,}[0-9]+\\.[0-9]{4}   \\[[0-9]+\\.[0-9]{4}, [0-9]+\\.[0-9]{4}\\]\n"
                   "NSP accuracy +[0-9]+\\.[0-9] % \\[[0-9]+\\.[0-9], [0-9]+\\.[0-9]\\]\n$",
                   result.out);
    program_result_free(&result);
}

/* Of a loss of thousands, which is a number all the same. */
static void a_perplexity_that_overflows_is_null(void **state)
{
    sample_text_write(*state, "long.txt", 300);
    SUCCEED("train", "e.yaml");
    write_model_with(*state, "run/checkpoints/step-00000004", "sharp",
                     "cls.predictions.transform.LayerNorm.weight", (real)1e6);
    struct program_result result = RUN_CLOZE("eval", "sharp", "--data", "long.txt", "--json");
    if (result.status)
        fail_msg("%s", result.err);
    json_t *object = json_loads(result.out, 0, NULL);
    assert_true(json_number_value(json_object_get(object, "mlm_loss")) > 1000);
    assert_true(json_is_null(json_object_get(object, "perplexity")));
    assert_true(json_is_null(json_array_get(json_object_get(object, "perplexity_interval"), 1)));
    json_decref(object);
    program_result_free(&result);
}

/* In the words of the field, in a run's end and where a vocabulary no longer fits. */
static void a_run_ends_in_plain_words(void **state)
{
    static const char *const of_the_end[] = {
        " % of the time spent waiting for data\n",
        "\nmasked ",
        " % of the tokens: ",
        " % by [MASK], ",
        " sentence pairs were consecutive\n",
        "\nsaved ",
        " in the background; training paused ",
    };
    static const char *const of_a_change[] = {
        "the text or settings have changed; rebuilding the vocabulary\n",
    };
    (void)state;
    struct program_result result = RUN_CLOZE("train", "e.yaml", "--set", "train.save_every=2");
    assert_int_equal(result.status, 0);
    expect_lines(result.err, of_the_end, sizeof of_the_end / sizeof *of_the_end);
    program_result_free(&result);
    SUCCEED("train", "e.yaml", "--set", "output=two", "--set", "train.steps=2");
    assert_int_equal(system("rm -r two/checkpoints"), 0);
    result =
        RUN_CLOZE("train", "e.yaml", "--set", "output=two", "--set", "tokenizer.vocab_size=110");
    expect_lines(result.err, of_a_change, sizeof of_a_change / sizeof *of_a_change);
    program_result_free(&result);
    ASSERT_CLOZE_SAYS(2, "--set needs KEY=VALUE after it", "train", "e.yaml", "--set");
}

#define MESSAGE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MESSAGE_TEST(a_text_is_not_a_configuration),
        MESSAGE_TEST(options_are_named_as_they_were_typed),
        MESSAGE_TEST(a_directory_is_not_a_configuration),
        MESSAGE_TEST(settings_that_are_left_out_are_said),
        MESSAGE_TEST(a_finished_run_says_how_to_go_on),
        MESSAGE_TEST(words_that_the_model_lacks_are_said),
        MESSAGE_TEST(the_field_of_json_is_named_as_the_command_takes_it),
        MESSAGE_TEST(numbers_have_one_style),
        MESSAGE_TEST(the_time_of_a_resumed_run_is_that_of_all_of_it),
        MESSAGE_TEST(a_run_ends_in_plain_words),
        MESSAGE_TEST(an_evaluation_has_the_digits_of_the_log),
        MESSAGE_TEST(a_perplexity_that_overflows_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
