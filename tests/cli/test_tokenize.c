#include "base/file.h"
#include "support/compressed.h"
#include "support/scratch.h"
#include "support/skipping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#define VOCABULARY "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n##s\na\nA\né\n.\n"

/* Runs `cloze tokenize` in the scratch directory by the shell; returns the exit status. */
static int run(struct scratch *scratch, const char *arguments, struct buffer *output)
{
    struct error error = {0};
    char command[1024];
    int status;

    snprintf(command, sizeof command, "cd %s && %s tokenize %s > out.txt 2> err.txt",
             scratch->directory, TEST_PROGRAM, arguments);
    status = system(command);
    assert_true(WIFEXITED(status));
    output->size = 0;
    assert_true(buffer_append(output, "", 0, &error));
    assert_true(file_read(scratch_path(scratch, WEXITSTATUS(status) ? "err.txt" : "out.txt"),
                          1 << 30, output, &error));
    return WEXITSTATUS(status);
}

static void expect_output(void **state, const char *arguments, const char *input,
                          const char *expected)
{
    struct buffer output = {0};

    scratch_write_text(*state, "vocab.txt", VOCABULARY);
    scratch_write_text(*state, "in.txt", input);
    assert_int_equal(run(*state, arguments, &output), 0);
    assert_string_equal(output.data, expected);
    buffer_free(&output);
}

static void a_line_gives_a_line(void **state)
{
    const char *file = "--vocab vocab.txt in.txt";

    expect_output(state, file, "", "");
    expect_output(state, file, "the\n", "the\n");
    expect_output(state, file, "the", "the\n"); /* no newline at the end */
    expect_output(state, file, "\n\nThes a.\n \n", "\n\nthe ##s a .\n\n");
    expect_output(state, file, "the\r\nx\r\n", "the\n[UNK]\n");
    expect_output(state, "--vocab vocab.txt --ids in.txt", "the a\n\n[MASK]thes", "5 7\n\n4 5 6\n");
    expect_output(state, "--vocab vocab.txt --cased in.txt", "A é\n", "A é\n");
    expect_output(state, "--vocab vocab.txt < in.txt", "A é\n", "a [UNK]\n");
    expect_output(state, "--vocab vocab.txt - < in.txt", "a\n", "a\n");
}

/* Gives a line in CR and one of `size` bytes, by which the text is recognized, before the end. */
static void expect_end(void **state, size_t size, const char *end, const char *expected_end)
{
    struct error error = {0};
    struct buffer text = {0}, expected = {0};
    assert_true(buffer_print(&text, &error, "the\r"));
    for (size_t i = 0; i < size; i++)
        assert_true(buffer_append(&text, "y", 1, &error));
    assert_true(buffer_print(&text, &error, "%s", end) &&
                buffer_print(&expected, &error, "the\n[UNK]\n%s", expected_end));
    expect_output(state, "--vocab vocab.txt in.txt", text.data, expected.data);
    buffer_free(&text);
    buffer_free(&expected);
}

/* As everywhere: where the first 64 KiB have no LF, CR ends lines up to the first LF. */
static void lines_may_end_in_cr(void **state)
{
    enum { SAMPLE = 80 << 10, BLOCK = 1 << 20 };
    expect_output(state, "--vocab vocab.txt in.txt", "the\ra\r\rthe", "the\na\n\nthe\n");
    expect_output(state, "--vocab vocab.txt < in.txt", "the\ra\r", "the\na\n");
    expect_output(state, "--vocab vocab.txt in.txt", "the\ra\nthe", "the a\nthe\n");
    assert_int_equal(setenv("OMP_NUM_THREADS", "1", 1), 0);
    expect_end(state, SAMPLE, "\ra\nthe\ra\n", "a\nthe a\n");
    /* Sizes at which CR and LF are in two blocks, or in one of them. */
    for (size_t size = BLOCK - 7; size < BLOCK; size++) {
        expect_end(state, size, "\r\nthe\ra\n", "the a\n");
        expect_end(state, size, "\r\ra", "\na\n");
        expect_end(state, size, "\r", "");
    }
    assert_int_equal(unsetenv("OMP_NUM_THREADS"), 0);
}

static void expect_refusal(void **state, const char *command, const char *message)
{
    struct buffer output = {0};
    assert_int_equal(run(*state, command, &output), 2);
    assert_non_null(strstr(output.data, message));
    buffer_free(&output);
}

/* Compressed files are unpacked; what is no text gave a line of [UNK]. */
static void files_are_unpacked_or_refused(void **state)
{
    struct scratch *scratch = *state;
    static const char zeros[10240] = "a.txt";
    expect_output(state, "--vocab vocab.txt in.txt", "", "");
    write_compressed(scratch, "in.gz", 0, "the\na\n", 6);
    expect_output(state, "--vocab vocab.txt in.gz", "", "the\na\n");
    expect_refusal(state, "--vocab vocab.txt < in.gz",
                   "standard input: is gzip, not UTF-8 text; unpack it first");
    scratch_write(scratch, "in.docx", "PK\3\4\x14\0", 6);
    expect_refusal(state, "--vocab vocab.txt in.docx", "in.docx: is a ZIP archive");
    scratch_write(scratch, "in.bin", zeros, sizeof zeros);
    expect_refusal(state, "--vocab vocab.txt in.bin", "in.bin: is binary data (100 %");
}

/* Tokens of 6 to 9 bytes, and a longer one that is the vocabulary's last. */
static void long_tokens_are_printed_whole(void **state)
{
    static const char words[] = "abcdef\nabcdefg\nabcdefgh\nabcdefghi\nabcdefghijklmnopqrst\n";
    static const char line[] = "abcdefghi abcdef abcdefghijklmnopqrst abcdefg abcdefgh\n";
    struct buffer output = {0};
    char vocabulary[256];
    snprintf(vocabulary, sizeof vocabulary, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n%s", words);
    scratch_write_text(*state, "long.txt", vocabulary);
    const char *const inputs[] = {words, line};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        scratch_write_text(*state, "in.txt", inputs[i]);
        assert_int_equal(run(*state, "--vocab long.txt in.txt", &output), 0);
        assert_string_equal(output.data, inputs[i]);
    }
    buffer_free(&output);
}

static void a_directory_has_its_own_settings(void **state)
{
    scratch_write_text(*state, "tokenizer_config.json", "{\"do_lower_case\": false}");
    expect_output(state, "--vocab . in.txt", "A é\n", "A é\n");
}

static void expect_stderr(void **state, const char *message)
{
    struct error error = {0};
    struct buffer said = {0};
    assert_true(file_read(scratch_path(*state, "err.txt"), 1 << 20, &said, &error));
    assert_string_equal(said.size ? said.data : "", message);
    buffer_free(&said);
}

/* A vocabulary of cased text lets the case stay, unless something says otherwise. */
static void the_case_of_a_directory_is_that_of_its_tokens(void **state)
{
    expect_output(state, "--vocab . in.txt", "A\n", "A\n");
    expect_stderr(state, ".: read as cased, since its tokens have upper case\n");
    expect_output(state, "--vocab . --cased in.txt", "A\n", "A\n");
    expect_stderr(state, "");
    expect_output(state, "--vocab vocab.txt in.txt", "A\n", "a\n");
    expect_stderr(state, "vocab.txt: read as uncased, though its tokens have upper case\n");
    expect_output(state, "--vocab vocab.txt --cased in.txt", "A\n", "A\n");
    expect_stderr(state, "");
}

static void a_vocabulary_with_accents_that_are_stripped_is_noted(void **state)
{
    scratch_write_text(*state, "accents.txt",
                       "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ncaf\u00E9\ncafe\n");
    expect_output(state, "--vocab accents.txt in.txt", "caf\u00E9\n", "cafe\n");
    expect_stderr(state, "accents.txt: read without accents, though its tokens have some\n");
    expect_output(state, "--vocab accents.txt --cased in.txt", "caf\u00E9\n", "caf\u00E9\n");
    expect_stderr(state, "");
}

static void a_tokenizer_json_is_a_vocabulary(void **state)
{
    scratch_write_text(
        *state, "t.json",
        "{\"added_tokens\": [{\"id\": 6, \"content\": \"X Y\"}], \"normalizer\": {\"type\": "
        "\"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true, "
        "\"strip_accents\": null, \"lowercase\": true}, \"pre_tokenizer\": {\"type\": "
        "\"BertPreTokenizer\"}, \"model\": {\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", "
        "\"continuing_subword_prefix\": \"##\", \"max_input_chars_per_word\": 100, \"vocab\": "
        "{\"[PAD]\": 0, \"[UNK]\": 1, \"[CLS]\": 2, \"[SEP]\": 3, \"[MASK]\": 4, \"a\": 5}}}");
    expect_output(state, "--vocab t.json --ids in.txt", "A x y ax yb\n", "5 6 5 6 1\n");
}

/* Blocks are divided among threads at the ends of lines; one line here is longer than a block. */
static void the_output_does_not_depend_on_the_threads(void **state)
{
    enum { LINES = 200000, LONG_LINE_WORDS = 900000 };
    struct error error = {0};
    struct buffer input = {0}, expected = {0}, output = {0};
    const char *const arguments[] = {"--vocab vocab.txt in.txt", "--vocab vocab.txt in.txt --ids"};

    for (int i = 0; i < LINES; i++) {
        assert_true(
            buffer_print(&input, &error, "%.*s\n", 4 * (i % 7), "the the the the the the "));
        if (i == LINES / 2)
            for (int word = 0; word < LONG_LINE_WORDS; word++)
                assert_true(buffer_append(&input, " the", 4, &error));
    }
    scratch_write_text(*state, "vocab.txt", VOCABULARY);
    scratch_write(*state, "in.txt", input.data, input.size);
    for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++) {
        assert_int_equal(setenv("OMP_NUM_THREADS", "1", 1), 0);
        assert_int_equal(run(*state, arguments[i], &expected), 0);
        assert_int_equal(setenv("OMP_NUM_THREADS", "3", 1), 0);
        assert_int_equal(run(*state, arguments[i], &output), 0);
        assert_int_equal(output.size, expected.size);
        assert_memory_equal(output.data, expected.data, expected.size);
    }
    assert_int_equal(unsetenv("OMP_NUM_THREADS"), 0);

    size_t lines = 0;
    for (size_t i = 0; i < expected.size; i++)
        lines += expected.data[i] == '\n';
    assert_int_equal(lines, LINES);
    buffer_free(&input);
    buffer_free(&expected);
    buffer_free(&output);
}

static void expect_failure(void **state, const char *arguments, int status, const char *message)
{
    struct buffer output = {0};

    scratch_write_text(*state, "vocab.txt", VOCABULARY);
    scratch_write_text(*state, "in.txt", "the\n");
    assert_int_equal(run(*state, arguments, &output), status);
    if (!strstr(output.data, message))
        fail_msg("\"%s\" does not say \"%s\"", output.data, message);
    buffer_free(&output);
}

static void wrong_usage_and_files_are_explained(void **state)
{
    expect_failure(state, "in.txt", 2,
                   "--vocab is missing; expected a vocab.txt or a model directory");
    expect_failure(state, "--vocab absent.txt in.txt", 2, "absent.txt");
    expect_failure(state, "--vocab vocab.txt absent.txt", 2,
                   "absent.txt: cannot open: No such file");
    expect_failure(state, "--vocab in.txt in.txt", 2, "in.txt: the special token [PAD]");
    scratch_write_text(*state, "tokenizer_config.json", "{\"do_lower_case\": true}");
    expect_failure(state, "--vocab . --cased in.txt", 2,
                   "--cased: . says that it is uncased, but cased was asked for");
    expect_failure(state, "--vocab vocab.txt .", 2, ".: is a directory; expected a text file");
}

static void a_full_disk_is_an_error(void **state)
{
    struct buffer output = {0};

    require_file("/dev/full");
    scratch_write_text(*state, "vocab.txt", VOCABULARY);
    scratch_write_text(*state, "in.txt", "the\n");
    assert_int_equal(run(*state, "--vocab vocab.txt in.txt > /dev/full 2> err.txt #", &output), 1);
    assert_non_null(strstr(output.data, "No space left on device"));
    buffer_free(&output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(a_line_gives_a_line),
        SCRATCH_TEST(lines_may_end_in_cr),
        SCRATCH_TEST(files_are_unpacked_or_refused),
        SCRATCH_TEST(long_tokens_are_printed_whole),
        SCRATCH_TEST(a_directory_has_its_own_settings),
        SCRATCH_TEST(the_case_of_a_directory_is_that_of_its_tokens),
        SCRATCH_TEST(a_vocabulary_with_accents_that_are_stripped_is_noted),
        SCRATCH_TEST(a_tokenizer_json_is_a_vocabulary),
        SCRATCH_TEST(the_output_does_not_depend_on_the_threads),
        SCRATCH_TEST(wrong_usage_and_files_are_explained),
        SCRATCH_TEST(a_full_disk_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
