/* Texts that are small or a single document: trained and evaluated all the same, and what they do
 * not give is said. */

#include "base/directory.h"
#include "base/file_writer.h"
#include "support/contents.h"
#include "support/program.h"
#include "support/scratch.h"

#include "base/file.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char config_text[] = "output: run\n"
                                  "model: {size: tiny, hidden_size: 16, intermediate_size: 16,\n"
                                  "        num_hidden_layers: 1, num_attention_heads: 2}\n"
                                  "tokenizer: {vocab_size: 100}\n"
                                  "data: {train: [text.txt], seq_len: 16}\n"
                                  "train: {steps: 4, batch_size: 4, eval_every: 2, threads: 1}\n";

static int set_up(void **state)
{
    int status = scratch_set_up(state);
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "e.yaml", config_text);
    return status || chdir(scratch->directory);
}

static int tear_down(void **state)
{
    return chdir("/") == 0 ? scratch_tear_down(state) : -1;
}

/* Different documents of three sentences. */
static void write_documents(const char *path, int count, int first)
{
    struct buffer text = {0};
    struct error error = {0};
    for (int i = first; i < first + count; i++)
        assert_true(buffer_print(&text, &error,
                                 "The king saw %d ships. The queen saw %d of them. So they went "
                                 "home on day %d.\n\n",
                                 i, i * 7 % 13, i * 5 % 31));
    assert_true(file_write(path, text.data, text.size, &error));
    buffer_free(&text);
}

static void write_book(const char *path, int lines)
{
    struct buffer text = {0};
    struct error error = {0};
    for (int i = 0; i < lines; i++)
        assert_true(
            buffer_print(&text, &error, "On day %d the king saw %d ships.\n", i, i * 7 % 13));
    assert_true(file_write(path, text.data, text.size, &error));
    buffer_free(&text);
}

static void expect_metrics(const char *text, bool there)
{
    struct buffer metrics = contents_of("run/metrics.jsonl");
    if (!metrics.data || !strstr(metrics.data, text) == there)
        fail_msg("\"%s\" in %s", text, metrics.data);
    buffer_free(&metrics);
}

static void a_single_document_is_trained_on_mlm_alone(void **state)
{
    (void)state;
    write_book("text.txt", 300);
    ASSERT_CLOZE_SAYS(0,
                      "warning: the text is a single document, which gives no sentence pairs:\n"
                      "  training MLM only",
                      "train", "e.yaml", "--set", "data.valid_fraction=0.9");
    expect_metrics("nsp_loss\": 0", false);
    expect_metrics("\"eval\": true", false);
    struct program_result resumed = RUN_CLOZE("train", "e.yaml", "--resume", "--set",
                                              "train.steps=6", "--set", "data.valid_fraction=0.9");
    assert_int_equal(resumed.status, 0);
    assert_non_null(strstr(resumed.err, "resuming after step 4"));
    assert_non_null(strstr(resumed.err, "MLM loss  accuracy"));
    assert_null(strstr(resumed.err, "NSP loss"));
    program_result_free(&resumed);
    assert_false(path_exists("run/checkpoints/best"));
    ASSERT_CLOZE_SAYS(2, "head was never trained: its results would be random", "nsp", "run", "a b",
                      "c d");
    ASSERT_CLOZE_SAYS(0, "guessing    MLM loss ", "train", "e.yaml", "--set", "output=guessed",
                      "--set", "data.valid_fraction=0");
}

/* Before, 2 to 7 of these were refused, depending on where the hashes fell. */
static void no_small_corpus_is_refused(void **state)
{
    (void)state;
    char output[40];
    for (int documents = 1; documents <= 300; documents += documents < 6 ? 1 : 49) {
        write_documents("text.txt", documents, documents);
        snprintf(output, sizeof output, "output=run-%d", documents);
        ASSERT_CLOZE_SAYS(0, "", "train", "e.yaml", "--set", output, "--set", "train.steps=1");
    }
}

static void one_held_out_document_is_evaluated_on_mlm_alone(void **state)
{
    (void)state;
    write_documents("text.txt", 40, 0);
    write_book("valid.txt", 40);
    ASSERT_CLOZE_SAYS(0, "the held-out text is a single document: evaluating MLM only", "train",
                      "e.yaml", "--set", "data.valid=[valid.txt]");
    expect_metrics("\"nsp_loss\": null", true);
    struct program_result result = RUN_CLOZE("eval", "run", "--data", "valid.txt", "--json");
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.err, "which gives no sentence pairs:\n  evaluating MLM only"));
    assert_non_null(strstr(result.out, "\"mlm_loss\""));
    assert_non_null(strstr(result.out, "\"nsp_loss\": null"));
    program_result_free(&result);
}

static int count_of(const char *text, const char *part)
{
    int count = 0;
    for (const char *found = text; (found = strstr(found, part)); found += strlen(part))
        count++;
    return count;
}

/* At the start with what to do, in the banner, and at the end with what it means; at the resumed
 * start as well. */
static void that_nothing_is_held_out_is_said_once_each(void **state)
{
    (void)state;
    static const char *const steps[] = {"train.steps=2", "train.steps=4"};
    write_documents("text.txt", 3, 0);
    for (int i = 0; i < 2; i++) {
        struct program_result result = RUN_CLOZE("train", "e.yaml", "--resume", "--set", steps[i],
                                                 "--set", "data.valid_fraction=0.001");
        assert_int_equal(result.status, 0);
        if (count_of(result.err, "held out") != 3 ||
            count_of(result.err, "warning: nothing is held out (data.valid_fraction 0.001 of 3 "
                                 "documents):\n  to have evaluations, give data.valid or a larger "
                                 "data.valid_fraction\n") != 1 ||
            count_of(result.err, "held out    nothing\n") != 1 ||
            count_of(result.err, "nothing is held out, so how good the model is") != 1)
            fail_msg("%s", result.err);
        program_result_free(&result);
    }
}

/* A run reads the text twice, for the vocabulary and the data. Of held-out files there is only the
 * second time. */
static void what_is_said_of_the_text_is_said_once(void **state)
{
    struct scratch *scratch = *state;
    static const char *const settings[] = {"data.train=[text.txt, a.csv]", "data.valid=b.csv",
                                           "data.valid=text2.txt"};
    static const int times[] = {1, 2, 1};
    struct buffer table = {0};
    struct error error = {0};
    write_documents("text.txt", 40, 0);
    write_documents("text2.txt", 40, 100);
    for (int i = 0; i < 200; i++)
        assert_true(buffer_print(&table, &error, "the king,%d,ships\n", i));
    assert_true(buffer_print(&table, &error, "\n\xFF %0150d\n", 0));
    scratch_write(scratch, "a.csv", table.data, table.size);
    scratch_write(scratch, "b.csv", table.data, table.size);
    buffer_free(&table);
    for (int i = 0; i < 3; i++) {
        char output[16];
        snprintf(output, sizeof output, "output=%d", i);
        struct program_result result =
            RUN_CLOZE("train", "e.yaml", "--set", settings[0], "--set", settings[i], "--set",
                      output, "--set", "train.steps=1");
        if (result.status != 0 ||
            count_of(result.err, "CSV or TSV is read as text in 1 file") != times[i] ||
            count_of(result.err, "replaced 1 invalid character") != times[i] ||
            count_of(result.err, "1 word over 100 characters") != times[i])
            fail_msg("%d: %s", i, result.err);
        program_result_free(&result);
    }
}

static void many_epochs_are_warned_of(void **state)
{
    (void)state;
    write_documents("text.txt", 20, 0);
    ASSERT_CLOZE_SAYS(0,
                      " epochs: the model will learn this little text by heart\n  give more text, "
                      "or about ",
                      "train", "e.yaml", "--set", "train.steps=2000", "--set",
                      "train.eval_every=0");
    struct program_result result =
        RUN_CLOZE("train", "e.yaml", "--set", "output=few", "--set", "train.epochs=99", "--set",
                  "train.steps=", "--set", "train.eval_every=0");
    assert_int_equal(result.status, 0);
    assert_null(strstr(result.err, "by heart"));
    program_result_free(&result);
}

static void another_number_of_threads_is_said(void **state)
{
    (void)state;
    write_documents("text.txt", 20, 0);
    ASSERT_CLOZE_SAYS(0, "", "train", "e.yaml");
    ASSERT_CLOZE_SAYS(0, "warning: threads: 2, before 1; results differ in the last bits", "train",
                      "e.yaml", "--resume", "--set", "train.steps=6", "--set", "train.threads=2");
    struct program_result result = RUN_CLOZE("train", "e.yaml", "--resume", "--set",
                                             "train.steps=8", "--set", "train.threads=2");
    assert_int_equal(result.status, 0);
    assert_null(strstr(result.err, "last bits"));
    program_result_free(&result);
}

static int count_entries(const char *path)
{
    int count = -2;
    DIR *stream = opendir(path);
    assert_non_null(stream);
    while (readdir(stream))
        count++;
    closedir(stream);
    return count;
}

/* As a run does: two documents or none, and that none are is said. */
static void prepare_holds_out_two_documents_or_none(void **state)
{
    (void)state;
    char fraction[16], output[16];
    int none = 0, some = 0;
    write_documents("text.txt", 20, 0);
    ASSERT_CLOZE_SAYS(0, "", "vocab", "--input", "text.txt", "--size", "100", "--output", "v.txt");
    for (int i = 1; i < 9; i++) {
        snprintf(fraction, sizeof fraction, "%g", 0.05 * i);
        snprintf(output, sizeof output, "data%d", i);
        struct program_result result =
            RUN_CLOZE("prepare", "--input", "text.txt", "--vocab", "v.txt", "--valid-fraction",
                      fraction, "--output", output);
        assert_int_equal(result.status, 0);
        assert_null(strstr(result.out, "valid: 1 document,"));
        bool empty = strstr(result.out, "valid: 0 documents,") != NULL;
        assert_int_equal(empty, strstr(result.err, "warning: nothing is held out (--valid-fraction "
                                                   "0.") != NULL);
        none += empty;
        some += !empty;
        program_result_free(&result);
    }
    assert_true(none > 0 && some > 0);
}

static void an_interrupted_evaluation_leaves_nothing(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    write_documents("text.txt", 30, 0);
    ASSERT_CLOZE_SAYS(0, "", "train", "e.yaml");
    write_documents("long.txt", 60000, 0);
    assert_true(directory_make("temporary", &error));
    setenv("TMPDIR", scratch_path(scratch, "temporary"), 1);
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        pid_t process =
            start_cloze((const char *const[]){"eval", "run", "--data", "long.txt", NULL});
        for (int j = 0; j < 6000 && count_entries("temporary") == 0; j++)
            usleep(1000);
        kill(process, signals[i]);
        assert_int_equal(wait_cloze(process), 128 + signals[i]);
        assert_int_equal(count_entries("temporary"), 0);
    }
    unsetenv("TMPDIR");
}

#define SMALL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(a_single_document_is_trained_on_mlm_alone),
        SMALL_TEST(no_small_corpus_is_refused),
        SMALL_TEST(one_held_out_document_is_evaluated_on_mlm_alone),
        SMALL_TEST(that_nothing_is_held_out_is_said_once_each),
        SMALL_TEST(what_is_said_of_the_text_is_said_once),
        SMALL_TEST(many_epochs_are_warned_of),
        SMALL_TEST(another_number_of_threads_is_said),
        SMALL_TEST(prepare_holds_out_two_documents_or_none),
        SMALL_TEST(an_interrupted_evaluation_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
