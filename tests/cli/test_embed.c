/* `cloze embed`: the file that it writes, and what it refuses. */

#include "support/compressed.h"
#include "support/contents.h"
#include "support/program.h"
#include "support/scratch.h"
#include "support/skipping.h"
#include "support/trained_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { WIDTH = 32, HEADER = 128 };

static int set_up(void **state)
{
    return trained_run_set_up(state, 16);
}

/* Asserts on the header, byte for byte; returns the vectors [rows, WIDTH], which the caller
 * frees. */
static float *vectors_of(const char *path, int rows)
{
    char header[HEADER], shape[80];
    struct buffer file = contents_of(path);
    snprintf(shape, sizeof shape, "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }",
             rows, WIDTH);
    memset(header, ' ', sizeof header);
    memcpy(header, "\x93NUMPY\x01\x00\x76\x00", 10);
    memcpy(header + 10, shape, strlen(shape));
    header[HEADER - 1] = '\n';
    assert_int_equal(file.size, HEADER + (size_t)rows * WIDTH * sizeof(float));
    assert_memory_equal(file.data, header, HEADER);
    float *values = malloc((size_t)rows * WIDTH * sizeof *values + 1);
    assert_non_null(values);
    memcpy(values, file.data + HEADER, file.size - HEADER);
    buffer_free(&file);
    return values;
}

/* Also an empty line, white space and the last line without its end. */
static void every_line_has_a_vector_in_its_place(void **state)
{
    struct scratch *scratch = *state;
    static const char *const lines[] = {"the king saw a ship", "", "the queen", " \t", "the king"};
    enum { LINES = sizeof lines / sizeof *lines };
    scratch_write_text(scratch, "all.txt", "the king saw a ship\n\nthe queen\r\n \t\nthe king");
    SUCCEED("embed", "run", "all.txt", "--output", "all.npy");
    float *all = vectors_of("all.npy", LINES);
    for (size_t i = 0; i < LINES; i++) {
        scratch_write_text(scratch, "one.txt", lines[i]);
        const bool nothing = !*lines[i];
        if (nothing)
            scratch_write_text(scratch, "one.txt", "\n");
        SUCCEED("embed", "run", "one.txt", "--output", "one.npy");
        float *one = vectors_of("one.npy", 1);
        for (int j = 0; j < WIDTH; j++)
            assert_float_equal(one[j], all[i * WIDTH + (size_t)j], 1e-6);
        free(one);
    }
    assert_memory_equal(all + WIDTH, all + 3 * WIDTH, WIDTH * sizeof(float)); /* [CLS] [SEP] */
    free(all);
}

/* More lines than a block, from a compressed file; in turn the same vectors. */
static void blocks_follow_each_other(void **state)
{
    struct scratch *scratch = *state;
    enum { LINES = 9000 };
    static const char *const lines[] = {"the king saw a ship\n", "the queen\n", "a\n"};
    char *text = malloc(LINES * 24);
    size_t size = 0;
    assert_non_null(text);
    for (int i = 0; i < LINES; i++) {
        memcpy(text + size, lines[i % 3], strlen(lines[i % 3]));
        size += strlen(lines[i % 3]);
    }
    write_compressed(scratch, "many.txt.gz", 0, text, size);
    free(text);
    SUCCEED("embed", "run", "many.txt.gz", "--output", "many.npy", "--pooling", "cls");
    float *values = vectors_of("many.npy", LINES);
    for (int i = 3; i < LINES; i++)
        for (int j = 0; j < WIDTH; j++)
            assert_float_equal(values[i * WIDTH + j], values[i % 3 * WIDTH + j], 1e-6);
    free(values);
}

/* Without an operand, and with "-". */
static void the_standard_input_is_read(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "in.txt", "the king saw a ship\nthe queen\n");
    SUCCEED("embed", "run", "in.txt", "--output", "file.npy");
    const int own = dup(STDIN_FILENO);
    for (int i = 0; i < 2; i++) {
        assert_non_null(freopen("in.txt", "r", stdin));
        if (i)
            SUCCEED("embed", "run", "-", "--output", "input.npy");
        else
            SUCCEED("embed", "run", "--output", "input.npy");
        assert_same_contents("file.npy", "input.npy");
    }
    dup2(own, STDIN_FILENO);
    close(own);
}

/* Lines of an old Mac. */
static void lines_may_end_in_cr(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "cr.txt", "the king\rthe queen\ra ship\r");
    scratch_write_text(scratch, "lf.txt", "the king\nthe queen\na ship\n");
    SUCCEED("embed", "run", "cr.txt", "--output", "cr.npy");
    SUCCEED("embed", "run", "lf.txt", "--output", "lf.npy");
    assert_same_contents("cr.npy", "lf.npy");
}

static void odd_input_is_said(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "odd.jsonl", "{\"text\": \"the king\"}\n{\"text\": \"a\"}\n");
    ASSERT_CLOZE_SAYS(0, "odd.jsonl: looks like JSON; each line is embedded as it is", "embed",
                      "run", "odd.jsonl", "--output", "odd.npy");
    scratch_write_text(scratch, "snow.txt", "\u2603 a\n");
    ASSERT_CLOZE_SAYS(0, "warning: 50.0 % of the tokens are [UNK]", "embed", "run", "snow.txt",
                      "--output", "odd.npy");
}

static void an_empty_input_gives_no_rows(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "empty.txt", "");
    SUCCEED("embed", "run", "empty.txt", "--output", "empty.npy");
    free(vectors_of("empty.npy", 0));
}

/* As the first 14 words: the model was trained with 16 tokens. */
static void long_texts_are_cut_and_counted(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "long.txt",
                       "a a a a a a a a a a a a a a the king\na a a a a a a a a a a a a a\n");
    ASSERT_CLOZE_SAYS(0, "warning: 1 long text cut to the 16 tokens of the model's training",
                      "embed", "run", "long.txt", "--output", "long.npy");
    float *values = vectors_of("long.npy", 2);
    for (int j = 0; j < WIDTH; j++)
        assert_float_equal(values[j], values[WIDTH + j], 1e-6);
    free(values);
}

static void what_cannot_be_done_is_refused(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "lines.txt", "the king\n");
    scratch_write_text(scratch, "other.txt", "no vectors\n");
    char name[300] = "";
    memset(name, 'n', 280);
    ASSERT_CLOZE_SAYS(2, "--output: the name is empty", "embed", "run", "lines.txt", "--output",
                      "");
    ASSERT_CLOZE_SAYS(2, "cannot write: File name too long", "embed", "run", "lines.txt",
                      "--output", name);
    ASSERT_CLOZE_SAYS(2, "--output is missing", "embed", "run", "lines.txt");
    ASSERT_CLOZE_SAYS(2, "--pooling: found \"max\", expected mean, cls or pooler", "embed", "run",
                      "lines.txt", "--output", "x.npy", "--pooling", "max");
    ASSERT_CLOZE_SAYS(2, "--output: lines.txt is also an input", "embed", "run", "lines.txt",
                      "--output", "lines.txt");
    ASSERT_CLOZE_SAYS(2, "--output: other.txt already exists and is not a .npy file", "embed",
                      "run", "lines.txt", "--output", "other.txt");
    ASSERT_CLOZE_SAYS(2, "absent.txt: ", "embed", "run", "absent.txt", "--output", "x.npy");
    scratch_write(scratch, "binary",
                  "\x7f"
                  "ELF\0\0\0\1",
                  8);
    ASSERT_CLOZE_SAYS(2, "binary: is ", "embed", "run", "binary", "--output", "x.npy");
    assert_int_equal(access("x.npy", F_OK), -1);
    ASSERT_CLOZE_SAYS(0, "wrote 1 vector of 32 numbers", "embed", "run", "lines.txt", "--output",
                      "x.npy");
    ASSERT_CLOZE_SAYS(0, "wrote 1 vector of 32 numbers", "embed", "run", "lines.txt", "--output",
                      "x.npy"); /* its own kind is replaced */
}

/* A model without next-sentence prediction has a pooler that was never trained. */
static void an_untrained_pooler_is_refused(void **state)
{
    (void)state;
    SUCCEED("train", "config.yaml", "--set", "output=mlm", "--set", "data.nsp=false");
    ASSERT_CLOZE_SAYS(2, "the model's pooler was never trained; expected --pooling mean or cls",
                      "embed", "mlm", "text.txt", "--output", "y.npy", "--pooling", "pooler");
    SUCCEED("embed", "mlm", "text.txt", "--output", "y.npy");
}

static int wait_for_memory(pid_t process, void *context)
{
    struct rusage usage;
    int status;
    assert_int_equal(wait4(process, &status, 0, &usage), process);
    *(long *)context = usage.ru_maxrss;
    return WEXITSTATUS(status);
}

static void memory_does_not_grow_with_the_input(void **state)
{
    enum { FEW = 30000, MANY = 300000, ALLOWED = 8192 };
    static const char line[] = "the king saw a ship\n";
    static const char *const arguments[] = {"embed",    "run",       "lines.txt",
                                            "--output", "lines.npy", NULL};
    long peaks[2]; /* KiB */
    if (TEST_SANITIZED)
        skip_test("sanitizers keep what is freed");
    for (int i = 0; i < 2; i++) {
        const size_t count = i ? MANY : FEW, size = sizeof line - 1;
        char *text = malloc(count * size);
        assert_non_null(text);
        for (size_t j = 0; j < count; j++)
            memcpy(text + j * size, line, size);
        scratch_write(*state, "lines.txt", text, count * size);
        free(text);
        struct program_result result =
            run_cloze_watched(arguments, NULL, wait_for_memory, &peaks[i]);
        assert_int_equal(result.status, 0);
        program_result_free(&result);
    }
    assert_true(peaks[1] < peaks[0] + ALLOWED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_has_a_vector_in_its_place),
        cmocka_unit_test(blocks_follow_each_other),
        cmocka_unit_test(memory_does_not_grow_with_the_input),
        cmocka_unit_test(the_standard_input_is_read),
        cmocka_unit_test(lines_may_end_in_cr),
        cmocka_unit_test(odd_input_is_said),
        cmocka_unit_test(an_empty_input_gives_no_rows),
        cmocka_unit_test(long_texts_are_cut_and_counted),
        cmocka_unit_test(what_cannot_be_done_is_refused),
        cmocka_unit_test(an_untrained_pooler_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, trained_run_tear_down);
}
