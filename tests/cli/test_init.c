/* cloze init: the file that it writes is the configuration of a run that trains. */
#include "base/buffer.h"
#include "support/contents.h"
#include "support/program.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int set_up(void **state)
{
    int status = scratch_set_up(state);
    struct scratch *scratch = *state;
    return status || chdir(scratch->directory) || setenv("OMP_NUM_THREADS", "1", 1);
}

static int tear_down(void **state)
{
    return chdir("/") == 0 ? scratch_tear_down(state) : -1;
}

/* Documents of three lines, each of two sentences. */
static void write_text(struct scratch *scratch, const char *name)
{
    struct buffer text = {0};
    struct error error = {0};
    for (int i = 0; i < 400; i++)
        assert_true(buffer_print(&text, &error, "The king saw %d ships. The queen saw %d.\n%s", i,
                                 i * 7 % 13, i % 3 == 2 ? "\n" : ""));
    scratch_write(scratch, name, text.data, text.size);
    buffer_free(&text);
}

static void what_it_writes_trains_a_model(void **state)
{
    write_text(*state, "my text.txt");
    struct program_result result = RUN_CLOZE("init", "my text.txt", "--hours", "0.01");
    assert_int_equal(result.status, 0);
    assert_string_equal(result.out, "run.yaml\n");
    assert_non_null(strstr(result.err, "text        "));
    assert_non_null(strstr(result.err, " of 1 file\n            134 documents, 800 sentences, "));
    assert_non_null(strstr(result.err, "script      Latin 100.0 %\n"));
    assert_non_null(strstr(result.err, "machine     tiny in "));
    assert_non_null(strstr(result.err, "  cloze train run.yaml"));
    program_result_free(&result);
    SUCCEED("train", "run.yaml", "--set", "train.steps=2");
    assert_int_equal(access("runs/my text/checkpoints/step-00000002/model.safetensors", R_OK), 0);
    /* The file is the user's now. */
    ASSERT_CLOZE_SAYS(2, "run.yaml exists already, and is not replaced", "init", "my text.txt");
    /* So is the run. */
    SUCCEED("init", "my text.txt", "--hours", "0.01", "--output", "again.yaml");
    struct buffer text = contents_of("again.yaml");
    assert_non_null(strstr(text.data, "output: \"runs/my text-2\"\n"));
    buffer_free(&text);
}

/* The commands that it prints can be typed as they are. */
static void odd_names_are_quoted(void **state)
{
    write_text(*state, "text.txt");
    struct program_result result =
        RUN_CLOZE("init", "text.txt", "--hours", "0.01", "--output", "a 'b' $c.yaml");
    assert_int_equal(result.status, 0);
    assert_string_equal(result.out, "a 'b' $c.yaml\n");
    assert_non_null(strstr(result.err, "\n  cloze train 'a '\\''b'\\'' $c.yaml' --dry-run\n"));
    assert_non_null(strstr(result.err, "\n  cloze train 'a '\\''b'\\'' $c.yaml'\n"));
    program_result_free(&result);
    result = RUN_CLOZE("init", "text.txt", "--hours", "0.01", "--output=-x.yaml");
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.err, "\n  cloze train ./-x.yaml\n"));
    program_result_free(&result);
}

static void a_run_file_may_name_many_files(void **state)
{
    enum { FILES = 4500 };
    char name[256];
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%0250d.txt", i);
        scratch_write_text(*state, name, "The king saw ships. It was late.\n");
    }
    struct program_result result = RUN_CLOZE("init", "*.txt", "--hours", "0.01");
    assert_int_equal(result.status, 0);
    program_result_free(&result);
    SUCCEED("config", "run.yaml"); /* 1.2 MB */
}

static void wrong_arguments_are_named(void **state)
{
    write_text(*state, "text.txt");
    ASSERT_CLOZE_SAYS(2, "--hours: found \"soon\", expected a number of hours", "init", "text.txt",
                      "--hours", "soon");
    ASSERT_CLOZE_SAYS(2, "found \"1e6\", expected a number of hours above 0 and at most 100000",
                      "init", "text.txt", "--hours", "1e6");
    ASSERT_CLOZE_SAYS(2, "--hours: found \"0\"", "init", "text.txt", "--hours", "0");
    ASSERT_CLOZE_SAYS(2, "nowhere.txt", "init", "nowhere.txt");
    ASSERT_CLOZE_SAYS(2, "text.txt is also an input", "init", "text.txt", "--output", "./text.txt");
    ASSERT_CLOZE_SAYS(2, "--output: the name is empty", "init", "text.txt", "--output", "");
    assert_int_equal(access("run.yaml", F_OK), -1);
}

static void copies_are_counted(void **state)
{
    struct buffer text = {0};
    struct error error = {0};
    for (int i = 0; i < 60; i++)
        assert_true(buffer_print(&text, &error, "The king saw %d ships. It was late.\n\n",
                                 i < 3 ? 7 : 100 + i));
    scratch_write(*state, "copied.txt", text.data, text.size);
    buffer_free(&text);
    ASSERT_CLOZE_SAYS(0, "            2 documents: copies of another one\n", "init", "copied.txt",
                      "--hours", "0.01");
}

static void what_spoils_a_training_is_said(void **state)
{
    struct scratch *scratch = *state;
    struct buffer text = {0};
    struct error error = {0};
    for (int i = 0; i < 40; i++)
        assert_true(
            buffer_print(&text, &error,
                         "so the words of one sentence %d go on over many of the lines and\n", i));
    scratch_write(scratch, "wrapped.txt", text.data, text.size);
    buffer_free(&text);
    struct program_result result = RUN_CLOZE("init", "wrapped.txt", "--hours", "0.01");
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.err, "warning: lines look broken at a fixed width"));
    assert_non_null(strstr(result.err, "warning: the text is a single document"));
    program_result_free(&result);
    SUCCEED("config", "run.yaml");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_it_writes_trains_a_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(odd_names_are_quoted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_file_may_name_many_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_arguments_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(copies_are_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_spoils_a_training_is_said, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
