/* Two processes that want the same directory or file: one works, the other says why it does not,
 * and the result is that of one alone. */

#include "base/directory.h"
#include "support/program.h"
#include "support/sample_text.h"

#include "base/file.h"
#include "base/partial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROUNDS = 6 };

static const char config_text[] =
    "seed: 5\n"
    "output: run\n"
    "model: {size: tiny, hidden_size: 8, intermediate_size: 16, num_hidden_layers: 1,\n"
    "        num_attention_heads: 2, max_position_embeddings: 16}\n"
    "tokenizer: {vocab_size: 100}\n"
    "data: {train: [text.txt], sentences: line, seq_len: 16, valid_fraction: 0}\n"
    "train: {steps: 40, batch_size: 2, learning_rate: 1e-3, save_every: 10, threads: 1}\n";

static void run_alone(const char *const *arguments)
{
    struct program_result result = run_cloze(arguments);
    if (result.status)
        fail_msg("status %d: %s", result.status, result.err);
    program_result_free(&result);
}

/* Starts the command twice; at least one must work, and the other may be refused. */
static void run_twice(const char *const *arguments)
{
    pid_t first = start_cloze(arguments), second = start_cloze(arguments);
    int statuses[] = {wait_cloze(first), wait_cloze(second)};
    assert_true(statuses[0] == 0 || statuses[1] == 0);
    for (int i = 0; i < 2; i++)
        assert_true(statuses[i] == 0 || statuses[i] == 1);
}

static void two_preparations_of_one_directory(void **state)
{
    struct scratch *scratch = *state;
    sample_text_write(scratch, "text.txt", 4000);
    char *text = scratch_path_copy(scratch, "text.txt"),
         *vocab = scratch_path_copy(scratch, "vocab.txt");
    char *alone = scratch_path_copy(scratch, "alone"), *both = scratch_path_copy(scratch, "both");
    run_alone(
        (const char *const[]){"vocab", "--input", text, "--size", "100", "--output", vocab, NULL});
    run_alone((const char *const[]){"prepare", "--input", text, "--vocab", vocab, "--output", alone,
                                    NULL});
    for (int i = 0; i < ROUNDS; i++) {
        struct error error = {0};
        run_twice((const char *const[]){"prepare", "--input", text, "--vocab", vocab, "--output",
                                        both, NULL});
        scratch_assert_same_file(scratch, "alone/train-00000.shard", "both/train-00000.shard");
        assert_true(directory_remove(both, &error));
    }
    free(text);
    free(vocab);
    free(alone);
    free(both);
}

static void two_vocabularies_of_one_name(void **state)
{
    struct scratch *scratch = *state;
    sample_text_write(scratch, "text.txt", 400);
    char *text = scratch_path_copy(scratch, "text.txt");
    char *alone = scratch_path_copy(scratch, "alone.txt"),
         *both = scratch_path_copy(scratch, "both.txt");
    run_alone(
        (const char *const[]){"vocab", "--input", text, "--size", "100", "--output", alone, NULL});
    for (int i = 0; i < ROUNDS; i++) {
        run_twice((const char *const[]){"vocab", "--input", text, "--size", "100", "--output", both,
                                        NULL});
        scratch_assert_same_file(scratch, "alone.txt", "both.txt");
        assert_int_equal(unlink(both), 0);
    }
    free(text);
    free(alone);
    free(both);
}

static void two_runs_in_one_directory(void **state)
{
    struct scratch *scratch = *state;
    sample_text_write(scratch, "text.txt", 60);
    char *config = strdup(scratch_write_text(scratch, "config.yaml", config_text));
    char *both = scratch_path_copy(scratch, "both"), setting[300];
    snprintf(setting, sizeof setting, "output=%s", both);
    run_alone((const char *const[]){"train", config, NULL});
    for (int i = 0; i < ROUNDS; i++) {
        struct error error = {0};
        run_twice((const char *const[]){"train", config, "--resume", "--set", setting, NULL});
        scratch_assert_same_file(scratch, "run/checkpoints/step-00000040/model.safetensors",
                                 "both/checkpoints/step-00000040/model.safetensors");
        assert_true(directory_remove(both, &error));
    }
    free(config);
    free(both);
}

/* What a process leaves that was killed, or whose machine stopped: the file, but no lock on it. */
static void the_lock_of_a_dead_process_is_taken_over(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    sample_text_write(scratch, "text.txt", 60);
    char *config = strdup(scratch_write_text(scratch, "config.yaml", config_text));
    assert_true(directory_make(scratch_path(scratch, "run/data"), &error));
    scratch_write_text(scratch, "run/.lock", "999999\n");
    scratch_write_text(scratch, "run/data/.lock", "999999\n");
    char *partial = partial_path("run/vocab.txt", &error);
    assert_non_null(partial);
    scratch_write_text(scratch, partial, "half a word");
    run_alone((const char *const[]){"train", config, NULL});
    struct buffer number = {0};
    assert_true(file_read(scratch_path(scratch, "run/.lock"), 100, &number, &error));
    assert_string_not_equal(number.data, "999999\n");
    assert_false(path_exists(scratch_path(scratch, partial)));
    free(partial);
    buffer_free(&number);
    free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(two_preparations_of_one_directory),
        SCRATCH_TEST(two_vocabularies_of_one_name),
        SCRATCH_TEST(two_runs_in_one_directory),
        SCRATCH_TEST(the_lock_of_a_dead_process_is_taken_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
