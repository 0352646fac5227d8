/* cloze vocab: what it says, and --extend. */
#include "base/directory.h"
#include "base/file.h"
#include "support/scratch.h"
#include "support/skipping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#define SPECIAL "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"

static int run(struct scratch *scratch, const char *arguments)
{
    char command[1024];
    snprintf(command, sizeof command, "cd %s && %s %s > out.txt 2> err.txt", scratch->directory,
             TEST_PROGRAM, arguments);
    int status = system(command);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void expect_file(struct scratch *scratch, const char *name, const char *expected)
{
    struct error error = {0};
    struct buffer found = {0};
    assert_true(file_read(scratch_path(scratch, name), 1 << 20, &found, &error));
    if (!strstr(found.size ? found.data : "", expected))
        fail_msg("%s: found \"%s\"; expected \"%s\"", name, found.data, expected);
    buffer_free(&found);
}

static void old_tokens_come_first_and_split_words_are_learned(void **state)
{
    scratch_write_text(*state, "old.txt", SPECIAL "[unused0]\nlow\n##er\n\nn\n##o\n##w\n");
    scratch_write_text(*state, "in.txt", "Lower lower now now low\n");
    assert_int_equal(run(*state, "vocab --input in.txt --size 40 --extend old.txt --output v.txt"),
                     0);
    expect_file(*state, "err.txt", "1 [unused] tokens stay as they are; new tokens follow");
    expect_file(*state, "err.txt", "12 tokens of old.txt and ");
    expect_file(*state, "v.txt", SPECIAL "[unused0]\nlow\n##er\n\nn\n##o\n##w\n");
    expect_file(*state, "v.txt", "\nlower\n");
    expect_file(*state, "v.txt", "\nnow\n");
    assert_int_equal(run(*state, "tokenize --vocab v.txt in.txt"), 0);
    expect_file(*state, "out.txt", "lower lower now now low\n");
}

static void what_cannot_be_extended_is_named(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    scratch_write_text(scratch, "in.txt", "low low\n");
    scratch_write_text(scratch, "old.txt", SPECIAL "low\n");
    assert_int_equal(run(scratch, "vocab --input in.txt --size 6 --extend old.txt --output v.txt"),
                     2);
    expect_file(scratch, "err.txt", "--size: found 6; expected more than the 6 tokens of old.txt");
    assert_true(directory_make(scratch_path(scratch, "old"), &error));
    scratch_write_text(scratch, "old/vocab.txt", SPECIAL "low\n");
    scratch_write_text(scratch, "old/added_tokens.json", "{\"[URL]\": 6}");
    assert_int_equal(run(scratch, "vocab --input in.txt --size 20 --extend old --output v.txt"), 2);
    expect_file(scratch, "err.txt", "--extend: old has the added token \"[URL]\"");
}

static void what_is_left_out_is_said(void **state)
{
    scratch_write_text(*state, "in.txt", "aaaa aaaa bb bb c\n");
    assert_int_equal(
        run(*state, "vocab --input in.txt --size 100 --limit-alphabet 2 --output v.txt"), 0);
    expect_file(*state, "err.txt",
                "warning: 1 character (7.692 % of the text) are not in the vocabulary");
    expect_file(*state, "err.txt", "tokens could be built from this text (100 asked for)");
}

static void a_key_limits_the_alphabet_of_a_run(void **state)
{
    scratch_write_text(*state, "in.txt", "aaaa aaaa bb. bb c.\n\nbb aa. c bb aaaa.\n\naa. bb.\n");
    scratch_write_text(*state, "e.yaml",
                       "output: run\n"
                       "model: {size: tiny}\n"
                       "tokenizer: {vocab_size: 100, limit_alphabet: 3}\n"
                       "data: {train: [in.txt], seq_len: 16, valid_fraction: 0, nsp: false}\n"
                       "train: {steps: 1, batch_size: 2, warmup_steps: 0}\n");
    assert_int_equal(run(*state, "train e.yaml"), 0);
    expect_file(*state, "run/vocab.txt", "[MASK]\na\nb\n.\n##a\n");
    /* As 'cloze vocab' does. */
    expect_file(*state, "err.txt", " tokens could be built from this text (100 asked for)\n");
}

/* A frame with a window of 2 GiB, where there is less memory. Sanitizers need more. */
static void a_window_of_zstd_counts_as_memory(void **state)
{
    struct scratch *scratch = *state;
    char command[1024];
    if (TEST_SANITIZED)
        skip_test("sanitizers reserve more memory than this limits");
    snprintf(command, sizeof command,
             "cd %s && seq 1 1000 | zstd -q --long=31 > long.zst && ulimit -v 1500000 && "
             "OMP_NUM_THREADS=1 %s vocab --input long.zst --size 200 --output v.txt 2> err.txt",
             scratch->directory, TEST_PROGRAM);
    int status = system(command);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    expect_file(scratch, "err.txt", "long.zst: ");
    expect_file(scratch, "err.txt", "the zstd data need");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(old_tokens_come_first_and_split_words_are_learned),
        SCRATCH_TEST(what_cannot_be_extended_is_named),
        SCRATCH_TEST(what_is_left_out_is_said),
        SCRATCH_TEST(a_key_limits_the_alphabet_of_a_run),
        SCRATCH_TEST(a_window_of_zstd_counts_as_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
