/* `cloze train` as a user runs it, on a made-up text: what it leaves on disk, stopping and
 * resuming, refusals. */

#include "base/directory.h"
#include "support/hot_model.h"
#include "support/program.h"
#include "support/sample_text.h"
#include "support/scratch.h"

#include "base/buffer.h"
#include "base/file.h"

#include <glob.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char config_text[] = "seed: 5\n"
                                  "output: run\n"
                                  "model: {size: tiny, hidden_size: 32, intermediate_size: 64,\n"
                                  "        num_hidden_layers: 2, num_attention_heads: 2}\n"
                                  "tokenizer: {vocab_size: 100}\n"
                                  "data: {train: [text.txt], sentences: line, seq_len: 32,\n"
                                  "       valid_fraction: 0.1}\n"
                                  "train: {steps: 12, batch_size: 8, learning_rate: 1e-3,\n"
                                  "        warmup_steps: 2, log_every: 1, eval_every: 6,\n"
                                  "        save_every: 4, keep_checkpoints: 0, threads: 2}\n";

static int set_up(void **state)
{
    int status = scratch_set_up(state);
    sample_text_write(*state, "text.txt", 400);
    scratch_write_text(*state, "config.yaml", config_text);
    return status;
}

/* A setting that puts the run under a name of the directory. */
struct output_setting {
    char text[600];
};

static struct output_setting output_setting(struct scratch *scratch, const char *name)
{
    struct output_setting setting;
    snprintf(setting.text, sizeof setting.text, "output=%s", scratch_path(scratch, name));
    return setting;
}

static void a_run_leaves_what_the_manual_says(void **state)
{
    struct scratch *scratch = *state;
    char *config = scratch_path_copy(scratch, "config.yaml");
    struct program_result result = RUN_CLOZE("train", config);
    assert_int_equal(result.status, 0);
    assert_string_equal(result.out, "");
    assert_non_null(strstr(result.err, "\n"
                                       "   12 "));
    assert_non_null(strstr(result.err, "held out at step 12"));
    static const char *const names[] = {
        "run/config.yaml",
        "run/vocab.txt",
        "run/metrics.jsonl",
        "run/fills.jsonl",
        "run/data/manifest.json",
        "run/checkpoints/step-00000000/model.safetensors",
        "run/checkpoints/step-00000004/training_state.json",
        "run/checkpoints/latest/config.json",
        "run/checkpoints/latest/tokenizer.json",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!path_exists(scratch_path(scratch, names[i])))
            fail_msg("%s is missing", names[i]);
    program_result_free(&result);
    free(config);
}

static void killed_and_resumed_it_ends_with_the_same_model(void **state)
{
    struct scratch *scratch = *state;
    char *config = scratch_path_copy(scratch, "config.yaml");
    const struct output_setting whole = output_setting(scratch, "other-whole"),
                                parts = output_setting(scratch, "other-parts");
    SUCCEED("train", config, "--set", whole.text);
    /* Killed once there is a checkpoint, wherever the run stands then. */
    char *checkpoint = scratch_path_copy(scratch, "other-parts/checkpoints/step-00000004");
    pid_t process = start_cloze((const char *const[]){"train", config, "--set", parts.text, NULL});
    for (int i = 0; i < 6000 && !path_exists(checkpoint); i++)
        usleep(10000);
    kill(process, SIGKILL);
    int status = wait_cloze(process);
    assert_true(status == 0 || status == 128 + SIGKILL);
    struct program_result result = RUN_CLOZE("train", config, "--set", parts.text, "--resume");
    if (result.status)
        fail_msg("status %d: %s", result.status, result.err);
    program_result_free(&result);
    scratch_assert_same_file(scratch, "other-whole/checkpoints/step-00000012/model.safetensors",
                             "other-parts/checkpoints/step-00000012/model.safetensors");
    scratch_assert_same_file(scratch, "other-whole/checkpoints/step-00000012/optimizer.safetensors",
                             "other-parts/checkpoints/step-00000012/optimizer.safetensors");
    free(checkpoint);
    free(config);
}

static void an_interrupt_saves_and_ends_with_130(void **state)
{
    struct scratch *scratch = *state;
    char *config = scratch_path_copy(scratch, "config.yaml");
    pid_t process = start_cloze(
        (const char *const[]){"train", config, "--set", "train.steps=100000", "--set",
                              "train.warmup_steps=2", "--set", "train.save_every=0", NULL});
    char *records = scratch_path_copy(scratch, "run/metrics.jsonl");
    struct error error = {0};
    struct buffer text = {0};
    for (int i = 0; i < 6000 && text.size == 0; i++) {
        usleep(10000);
        if (path_exists(records))
            assert_true(file_read(records, 1 << 20, &text, &error));
    }
    buffer_free(&text);
    kill(process, SIGINT);
    assert_int_equal(wait_cloze(process), 130);
    ASSERT_CLOZE_SAYS(2, "already contains a run", "train", config);
    ASSERT_CLOZE_SAYS(2,
                      "changed since this run started: train.learning_rate is 0.002, was 0.001. "
                      "Restore it, or choose another output",
                      "train", config, "--resume", "--set", "train.learning_rate=2e-3");
    free(records);
    free(config);
}

static void levels_of_threads_change_nothing(void **state)
{
    struct scratch *scratch = *state;
    char *config = scratch_path_copy(scratch, "config.yaml");
    const struct output_setting plain = output_setting(scratch, "o-plain"),
                                levels = output_setting(scratch, "o-levels");
    SUCCEED("train", config, "--set", plain.text, "--set", "train.threads=1");
    setenv("OMP_NUM_THREADS", "1,4", 1);
    SUCCEED("train", config, "--set", levels.text, "--set", "train.threads=1");
    unsetenv("OMP_NUM_THREADS");
    scratch_assert_same_file(scratch, "o-plain/checkpoints/step-00000012/model.safetensors",
                             "o-levels/checkpoints/step-00000012/model.safetensors");
    free(config);
}

/* ---- numbers ---- */

static void what_is_not_finite_is_skipped_until_it_is_too_much(void **state)
{
    struct scratch *scratch = *state;
    char *config = scratch_path_copy(scratch, "config.yaml");
    SUCCEED("train", config, "--set", "train.steps=4");
    write_hot_model(scratch, "run/checkpoints/step-00000004", "hot");
    char init[600], output[600];
    snprintf(init, sizeof init, "model.init_from=%s", scratch_path(scratch, "hot"));
    snprintf(output, sizeof output, "output=%s", scratch_path(scratch, "broken"));
    struct program_result result =
        RUN_CLOZE("train", config, "--set", init, "--set", output, "--set", "model.size=", "--set",
                  "tokenizer.vocab_size=", "--set", "train.max_skipped_steps=6", "--set",
                  "train.save_every=2");
    assert_int_equal(result.status, 1);
    if (!strstr(result.err, "warning: step 3 (batch 3, examples 16 to 23 of phase 1):\n"
                            "  loss ") ||
        !strstr(result.err,
                "6 steps in a row had an unusable loss or gradient, the last one step 6 (batch 6, "
                "examples 40 to 47 of phase 1); the checkpoint of step 4 is kept"))
        fail_msg("%s", result.err);
    program_result_free(&result);
    /* Nothing has been learnt, but also nothing broken. */
    scratch_assert_same_file(scratch, "broken/checkpoints/step-00000000/model.safetensors",
                             "broken/checkpoints/step-00000004/model.safetensors");
    free(config);
}

/* A threshold that every other step exceeds; the resumed run skips the same ones. */
static void spikes_are_skipped_alike_after_resuming(void **state)
{
    struct scratch *scratch = *state;
    char *config = scratch_path_copy(scratch, "config.yaml");
    const struct output_setting whole = output_setting(scratch, "spikes-whole"),
                                parts = output_setting(scratch, "spikes-parts");
    const char *const runs[][2] = {{whole.text, "train.steps=12"},
                                   {parts.text, "train.steps=7"},
                                   {parts.text, "train.steps=12"}};
    for (int i = 0; i < 3; i++) {
        struct program_result result =
            RUN_CLOZE("train", config, "--resume", "--set", runs[i][0], "--set", runs[i][1],
                      "--set", "train.schedule=constant", "--set", "train.spike_window=3", "--set",
                      "train.spike_z_score=0.5");
        if (result.status ||
            !strstr(result.err, "standard deviations above its mean;\n"
                                "  skipping the update") ||
            !strstr(result.err, " skipped because of the loss or gradient"))
            fail_msg("status %d: %s", result.status, result.err);
        program_result_free(&result);
    }
    scratch_assert_same_file(scratch, "spikes-whole/checkpoints/step-00000012/model.safetensors",
                             "spikes-parts/checkpoints/step-00000012/model.safetensors");
    free(config);
}

/* ---- the run directory ---- */

/* Until the run's events are open: the handlers are in place before. */
static void wait_for_events(struct scratch *scratch, int count)
{
    glob_t found = {0};
    char *pattern = scratch_path_copy(scratch, "run/events/*");
    for (int i = 0; i < 6000 && found.gl_pathc < (size_t)count; i++) {
        globfree(&found);
        usleep(10000);
        glob(pattern, 0, NULL, &found);
    }
    assert_int_equal(found.gl_pathc, count);
    globfree(&found);
    free(pattern);
}

static void a_run_in_use_is_refused_and_untouched(void **state)
{
    struct scratch *scratch = *state;
    char *config = scratch_path_copy(scratch, "config.yaml"),
         *batches = scratch_path_copy(scratch, "batches"), message[128];
    pid_t process = start_cloze((const char *const[]){
        "train", config, "--set", "train.steps=1000000", "--set", "train.warmup_steps=2", NULL});
    wait_for_events(scratch, 1);
    snprintf(message, sizeof message, "/run: is in use by another process (number %d, from ",
             (int)process);
    ASSERT_CLOZE_SAYS(1, message, "train", config);
    ASSERT_CLOZE_SAYS(1, message, "train", config, "--resume", "--set", "train.log_every=5");
    ASSERT_CLOZE_SAYS(1, message, "batches", config, "--steps", "1", "--output", batches);
    assert_false(path_exists(batches));
    /* It is not even looked whether files could be written. */
    char *metrics = scratch_path_copy(scratch, "run/metrics.jsonl"),
         *moved = scratch_path_copy(scratch, "run/moved");
    assert_int_equal(rename(metrics, moved), 0);
    assert_int_equal(mkdir(metrics, 0777), 0);
    ASSERT_CLOZE_SAYS(1, message, "train", config, "--resume");
    assert_int_equal(rmdir(metrics), 0);
    assert_int_equal(rename(moved, metrics), 0);
    free(metrics);
    free(moved);
    struct buffer text = {0};
    struct error error = {0};
    assert_true(file_read(scratch_path(scratch, "run/config.yaml"), 1 << 20, &text, &error));
    assert_non_null(strstr(text.data, "log_every: 1\n")); /* the first process's, still */
    buffer_free(&text);
    /* The lock of a process that was killed is free. */
    kill(process, SIGKILL);
    assert_int_equal(wait_cloze(process), 128 + SIGKILL);
    process = start_cloze((const char *const[]){"train", config, "--resume", "--set",
                                                "train.steps=1000000", "--set",
                                                "train.warmup_steps=2", NULL});
    wait_for_events(scratch, 2);
    kill(process, SIGTERM);
    assert_int_equal(wait_cloze(process), 130);
    free(batches);
    free(config);
}

static void resuming_nothing_says_so_and_begins(void **state)
{
    char *config = scratch_path_copy(*state, "config.yaml");
    ASSERT_CLOZE_SAYS(0, "no checkpoint in ", "train", config, "--resume");
    free(config);
}

static void what_does_not_fit_in_memory_is_refused(void **state)
{
    char *config = scratch_path_copy(*state, "config.yaml");
    ASSERT_CLOZE_SAYS(2, "of memory", "train", config, "--set", "model.hidden_size=16384", "--set",
                      "model.num_hidden_layers=48");
    ASSERT_CLOZE_SAYS(2, "train.batch_size or train.phases needs less", "train", config, "--set",
                      "model.hidden_size=16384", "--set", "model.num_hidden_layers=48", "--set",
                      "train.steps=", "--set", "train.phases=[{seq_len: 16, steps: 1}]");
    free(config);
}

/* OpenBLAS alone and the kernels of cloze round sums differently. */
static void other_kernels_are_said_when_resuming(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    struct buffer text = {0};
    char *config = scratch_path_copy(scratch, "config.yaml");
    SUCCEED("train", config, "--set", "train.steps=2");
    assert_true(
        file_read(scratch_path(scratch, "run/checkpoints/step-00000002/training_state.json"),
                  1 << 20, &text, &error));
    const char *kernels = strstr(text.data, "\"kernels\"");
    assert_non_null(kernels);
    bool alone = strncmp(kernels + strlen("\"kernels\": "), "\"OpenBLAS", 9) == 0;
    buffer_free(&text);
    struct program_result result = RUN_CLOZE("train", config, "--resume", "--set", "train.steps=3");
    assert_int_equal(result.status, 0);
    assert_null(strstr(result.err, "kernels: "));
    program_result_free(&result);
    setenv("CLOZE_FP32_KERNELS", "openblas", 1);
    result = RUN_CLOZE("train", config, "--resume", "--set", "train.steps=4");
    unsetenv("CLOZE_FP32_KERNELS");
    assert_int_equal(result.status, 0);
    const char *said = strstr(result.err, "warning: kernels: OpenBLAS ");
    if (!alone && (!said || !strstr(said, ", before ") || !strstr(said, "in the last bits")))
        fail_msg("%s", result.err);
    program_result_free(&result);
    free(config);
}

static void stale_data_are_prepared_again(void **state)
{
    struct scratch *scratch = *state;
    char *config = scratch_path_copy(scratch, "config.yaml");
    SUCCEED("train", config, "--set", "train.steps=2");
    /* Those of a run are not, whatever else the command is given. */
    ASSERT_CLOZE_SAYS(2, "data.sentences is split, was line", "batches", config, "--steps", "1",
                      "--set", "data.sentences=split", "--output", scratch->directory);
    struct error error = {0};
    assert_true(directory_remove(scratch_path(scratch, "run/checkpoints"), &error));
    ASSERT_CLOZE_SAYS(0, " again:\n", "batches", config, "--steps", "1", "--set",
                      "data.sentences=split", "--output", scratch->directory);
    free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_run_leaves_what_the_manual_says, set_up,
                                        scratch_tear_down),
        cmocka_unit_test_setup_teardown(killed_and_resumed_it_ends_with_the_same_model, set_up,
                                        scratch_tear_down),
        cmocka_unit_test_setup_teardown(an_interrupt_saves_and_ends_with_130, set_up,
                                        scratch_tear_down),
        cmocka_unit_test_setup_teardown(resuming_nothing_says_so_and_begins, set_up,
                                        scratch_tear_down),
        cmocka_unit_test_setup_teardown(levels_of_threads_change_nothing, set_up,
                                        scratch_tear_down),
        cmocka_unit_test_setup_teardown(what_does_not_fit_in_memory_is_refused, set_up,
                                        scratch_tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_finite_is_skipped_until_it_is_too_much, set_up,
                                        scratch_tear_down),
        cmocka_unit_test_setup_teardown(spikes_are_skipped_alike_after_resuming, set_up,
                                        scratch_tear_down),
        cmocka_unit_test_setup_teardown(a_run_in_use_is_refused_and_untouched, set_up,
                                        scratch_tear_down),
        cmocka_unit_test_setup_teardown(other_kernels_are_said_when_resuming, set_up,
                                        scratch_tear_down),
        cmocka_unit_test_setup_teardown(stale_data_are_prepared_again, set_up, scratch_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
