/* Where a command writes is checked before it works: what is in the way costs no hours. */

#include "base/directory.h"
#include "support/contents.h"
#include "support/program.h"
#include "support/sample_text.h"
#include "support/scratch.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char config_text[] = "seed: 5\n"
                                  "output: run\n"
                                  "model: {size: tiny, hidden_size: 32, intermediate_size: 64,\n"
                                  "        num_hidden_layers: 1, num_attention_heads: 2}\n"
                                  "tokenizer: {vocab_size: 100}\n"
                                  "data: {train: text.txt, sentences: line, seq_len: 32,\n"
                                  "       valid_fraction: 0.2}\n"
                                  "train: {steps: 4, batch_size: 8, learning_rate: 1e-3,\n"
                                  "        schedule: constant, warmup_steps: 2, save_every: 2,\n"
                                  "        eval_every: 2, threads: 1}\n";

/* In the scratch directory, which becomes the working directory. */
static int set_up(void **state)
{
    int status = scratch_set_up(state);
    struct scratch *scratch = *state;
    sample_text_write(scratch, "text.txt", 200);
    scratch_write_text(scratch, "e.yaml", config_text);
    return status || chdir(scratch->directory);
}

static int tear_down(void **state)
{
    return chdir("/") == 0 ? scratch_tear_down(state) : -1;
}

/* Refused with this message, and nothing else on stderr: no work was done before. */
static void expect_refusal(const char *message, const char *const *arguments)
{
    struct program_result result = run_cloze(arguments);
    if (result.status != 2 || !strstr(result.err, message) ||
        strchr(result.err, '\n') != result.err + strlen(result.err) - 1)
        fail_msg("status %d, \"%s\"", result.status, result.err);
    program_result_free(&result);
}
#define EXPECT_REFUSAL(message, ...)                                                               \
    expect_refusal(message, (const char *const[]){__VA_ARGS__, NULL})

static void files_that_cannot_be_written(void **state)
{
    (void)state;
    static const struct {
        const char *output, *message;
    } cases[] = {
        {"link", "link: is a link to a file that does not exist"},
        {"absent/v", "absent/v: cannot create: No such file or directory"},
        {"text.txt/v", "text.txt/v: cannot create: Not a directory"},
    };
    struct error error = {0};
    SUCCEED("train", "e.yaml");
    SUCCEED("batches", "e.yaml", "--steps", "1", "--output", "b");
    assert_int_equal(symlink("nowhere", "link"), 0);
    assert_true(directory_make("sub", &error));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        EXPECT_REFUSAL(cases[i].message, "vocab", "--input", "text.txt", "--size", "90", "--output",
                       cases[i].output);
        EXPECT_REFUSAL(cases[i].message, "score", "run", "--batch", "b/step-00000001.safetensors",
                       "--output", cases[i].output);
    }
    EXPECT_REFUSAL("--output: sub is a directory; expected a path like sub/vocab.txt", "vocab",
                   "--input", "text.txt", "--size", "90", "--output", "sub");
    EXPECT_REFUSAL("sub: is a directory; expected a regular file or nothing", "score", "run",
                   "--batch", "b/step-00000001.safetensors", "--output", "sub");
    assert_false(path_is_taken("nowhere"));
    assert_false(path_is_taken("absent"));
}

/* Of the results only those of cloze predict go to the standard output (test_predict.c). */
static void a_dash_is_not_taken_for_a_name(void **state)
{
    (void)state;
    static const char message[] =
        "--output: - is not the standard output here; expected a name, such as ./-";
    EXPECT_REFUSAL(message, "vocab", "--input", "text.txt", "--size", "90", "--output", "-");
    EXPECT_REFUSAL(message, "prepare", "--input", "text.txt", "--vocab", "v", "--output", "-");
    EXPECT_REFUSAL(message, "batches", "e.yaml", "--steps", "1", "--output", "-");
    EXPECT_REFUSAL(message, "score", "run", "--batch", "b", "--output", "-");
    EXPECT_REFUSAL(message, "embed", "run", "text.txt", "--output", "-");
    EXPECT_REFUSAL(message, "report", "run", "--output", "-");
    assert_false(path_is_taken("-"));
    SUCCEED("vocab", "--input", "text.txt", "--size", "90", "--output", "./-");
    assert_true(path_is_taken("-"));
}

static void directories_that_cannot_be_written(void **state)
{
    struct error error = {0};
    assert_int_equal(symlink("nowhere", "link"), 0);
    static const char *const outputs[] = {"link", "text.txt", "text.txt/b"};
    static const char *const messages[] = {
        "link: is not a directory", "text.txt: is not a directory", "text.txt: is not a directory"};
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++)
        EXPECT_REFUSAL(messages[i], "batches", "e.yaml", "--steps", "1", "--output", outputs[i]);
    EXPECT_REFUSAL("--output: the name is empty", "batches", "e.yaml", "--steps", "1", "--output",
                   "");
    assert_true(directory_make("b/step-00000001.safetensors", &error));
    EXPECT_REFUSAL("b/step-00000001.safetensors: is a directory", "batches", "e.yaml", "--steps",
                   "1", "--output", "b");
    assert_false(path_is_taken("run"));
    EXPECT_REFUSAL("b/step-00000001.safetensors: is a directory", "batches", "e.yaml", "--steps",
                   "9000000000000000000", "--output", "b");
    assert_true(directory_remove("b", &error));
    ASSERT_CLOZE_SAYS(2, "--steps: found 9000000000000000000, but the run has only 4 steps",
                      "batches", "e.yaml", "--steps", "9000000000000000000", "--output", "b");
    assert_false(path_is_taken("run")); /* and no text was prepared for it */
    SUCCEED("train", "e.yaml");
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++)
        EXPECT_REFUSAL(messages[i], "export", "run", outputs[i]);
    (void)state;
}

/* Of a new run and of one that goes on. */
static void expect_in_the_way(const char *name, const char *message)
{
    EXPECT_REFUSAL(message, "train", "e.yaml");
    struct error error = {0};
    char kept[64];
    snprintf(kept, sizeof kept, "kept/%s", name + strlen("run/"));
    assert_int_equal(rename("run", "mine"), 0);
    SUCCEED("train", "e.yaml");
    assert_int_equal(rename("run", "kept"), 0);
    if (path_is_taken(kept))
        assert_int_equal(rename(kept, "aside"), 0);
    snprintf(kept, sizeof kept, "mine/%s", name + strlen("run/"));
    char *place = strdup(kept);
    memcpy(place, "kept", 4);
    assert_int_equal(rename(kept, place), 0);
    free(place);
    assert_int_equal(rename("kept", "run"), 0);
    EXPECT_REFUSAL(message, "train", "e.yaml", "--resume", "--set", "train.steps=6");
    assert_true(directory_remove("run", &error) && directory_remove("mine", &error));
    if (path_is_directory("aside"))
        assert_true(directory_remove("aside", &error));
    unlink("aside");
}

static void files_in_the_place_of_a_runs_directories(void **state)
{
    struct error error = {0};
    static const char *const names[] = {"run/events", "run/data"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char message[64];
        assert_true(directory_make("run", &error));
        scratch_write_text(*state, names[i], "mine");
        snprintf(message, sizeof message, "%s: is not a directory", names[i]);
        expect_in_the_way(names[i], message);
    }
    assert_true(directory_make("run", &error));
    scratch_write_text(*state, "run/checkpoints", "mine");
    EXPECT_REFUSAL("run/checkpoints: is not a directory", "train", "e.yaml");
}

static void directories_in_the_place_of_a_runs_files(void **state)
{
    (void)state;
    struct error error = {0};
    static const char *const names[] = {"run/metrics.jsonl", "run/vocabulary.json", "run/vocab.txt",
                                        "run/config.yaml"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char message[64];
        snprintf(message, sizeof message, "%s: is a directory", names[i]);
        assert_true(directory_make(names[i], &error));
        expect_in_the_way(names[i], message);
    }
    assert_true(directory_make("run", &error));
    assert_int_equal(symlink("nowhere", "run/vocab.txt"), 0);
    EXPECT_REFUSAL("run/vocab.txt: is a link to a file that does not exist", "train", "e.yaml");
}

/* The superuser may write anywhere. Ends the process where nobody else may run the program. */
static void become_another_user(void)
{
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        _exit(1);
    if (access(TEST_PROGRAM, X_OK) != 0)
        _exit(77);
}

static void shards_that_are_whole_are_only_read(void **state)
{
    (void)state;
    int status;
    SUCCEED("train", "e.yaml");
    assert_int_equal(system("chmod -R a+rwX . && chmod a-w run/data"), 0);
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0) {
        become_another_user();
        struct program_result result =
            RUN_CLOZE("train", "e.yaml", "--resume", "--set", "train.steps=6");
        fputs(result.err, stderr);
        _exit(result.status);
    }
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_int_equal(chmod("run/data", 0777), 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

/* As cp -rL leaves them: directories that no save changes. */
static void the_end_names_the_checkpoint_that_was_written(void **state)
{
    (void)state;
    /* At this rate the loss rises. */
    SUCCEED("train", "e.yaml", "--set", "train.learning_rate=0.5");
    assert_int_equal(unlink("run/checkpoints/latest"), 0);
    assert_int_equal(unlink("run/checkpoints/best"), 0);
    SUCCEED("export", "run", "run/checkpoints/latest");
    SUCCEED("export", "run", "run/checkpoints/best");
    struct program_result result = RUN_CLOZE("train", "e.yaml", "--resume", "--set",
                                             "train.steps=6", "--set", "train.learning_rate=0.5");
    assert_int_equal(result.status, 0);
    const char *model = strstr(result.err, "\nmodel: run/checkpoints/step-00000006\n");
    if (!model || !strstr(model, "\nbest: run/checkpoints/step-0000000") ||
        !strstr(model + strlen("\nmodel: "), "run/checkpoints/step-00000006 ") ||
        strstr(model, "checkpoints/latest") || strstr(model, "checkpoints/best"))
        fail_msg("%s", result.err);
    program_result_free(&result);
}

#define OUTPUT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OUTPUT_TEST(files_that_cannot_be_written),
        OUTPUT_TEST(a_dash_is_not_taken_for_a_name),
        OUTPUT_TEST(directories_that_cannot_be_written),
        OUTPUT_TEST(files_in_the_place_of_a_runs_directories),
        OUTPUT_TEST(directories_in_the_place_of_a_runs_files),
        OUTPUT_TEST(shards_that_are_whole_are_only_read),
        OUTPUT_TEST(the_end_names_the_checkpoint_that_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
