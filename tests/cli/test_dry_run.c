/* cloze train --dry-run: everything that is wrong at once, what a run will take, and nothing is
 * left of it. */
#include "base/buffer.h"
#include "base/directory.h"
#include "base/file.h"
#include "support/contents.h"
#include "support/program.h"
#include "support/sample_text.h"
#include "support/scratch.h"

#include <dirent.h>
#include <math.h>
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
    return status || chdir(scratch->directory) || setenv("TMPDIR", scratch->directory, 1);
}

static int tear_down(void **state)
{
    unsetenv("TMPDIR");
    return chdir("/") == 0 ? scratch_tear_down(state) : -1;
}

/* The names in the working directory. */
static int count_entries(void)
{
    DIR *directory = opendir(".");
    int count = 0;
    assert_non_null(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static const char config_text[] = "output: runs/new\n"
                                  "model: {size: tiny, hidden_size: 16, intermediate_size: 16,\n"
                                  "        num_hidden_layers: 1, num_attention_heads: 2}\n"
                                  "tokenizer: {vocab_size: 100}\n"
                                  "data: {train: [text.txt], seq_len: 16, valid_fraction: 0.2}\n"
                                  "train: {steps: 1000, batch_size: 4, eval_every: 100,\n"
                                  "        save_every: 250, threads: 1}\n";

static void a_run_is_tried_and_nothing_is_left(void **state)
{
    sample_text_write(*state, "text.txt", 400);
    scratch_write_text(*state, "e.yaml", config_text);
    const int before = count_entries();
    struct program_result result = RUN_CLOZE("train", "e.yaml", "--dry-run");
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.err, "held out at step 3: "));
    assert_null(strstr(result.err, "held out at step 4"));
    assert_non_null(strstr(result.out, "training    about "));
    assert_non_null(strstr(result.out, ": 1,000 steps at "));
    assert_non_null(strstr(result.out, " with 10 evaluations of "));
    assert_non_null(strstr(result.out, "disk        up to "));
    assert_non_null(strstr(result.out, " are free\n"));
    program_result_free(&result);
    assert_int_equal(count_entries(), before);
}

static double bytes_of(double number, char unit)
{
    return unit == 'M' ? number * (1 << 20) : unit == 'K' ? number * (1 << 10) : number;
}

/* Tries the run with the setting, and so that it keeps all checkpoints. Returns the number of
 * checkpoints that fill the disk space which is printed. */
static double checkpoints_with(const char *setting)
{
    double all, data, one;
    char all_unit[4], data_unit[4], one_unit[4];
    struct program_result result = RUN_CLOZE("train", "e.yaml", "--dry-run", "--set", setting,
                                             "--set", "train.keep_checkpoints=0");
    const char *disk = strstr(result.out, "disk        up to ");
    assert_non_null(disk);
    assert_int_equal(
        sscanf(disk, "disk up to %lf %3[KMiB]: %lf %3[KMiB] of data, %lf %3[KMiB] a checkpoint",
               &all, all_unit, &data, data_unit, &one, one_unit),
        6);
    program_result_free(&result);
    return (bytes_of(all, *all_unit) - bytes_of(data, *data_unit)) / bytes_of(one, *one_unit);
}

/* Three are always counted: that of step 0, the best one, and one that is being written. */
static void checkpoints_by_steps_evaluations_and_the_clock_are_counted(void **state)
{
    sample_text_write(*state, "text.txt", 400);
    scratch_write_text(*state, "e.yaml", config_text);
    assert_true(fabs(checkpoints_with("train.save_minutes=0") - (4 + 10 + 3)) < 0.5);
    assert_true(fabs(checkpoints_with("train.eval_every=500") - (4 + 3)) < 0.5);
    assert_true(fabs(checkpoints_with("train.save_minutes=1e-9") - (1000 + 3)) < 20);
}

/* A list that ends before the last error says so. */
static void more_errors_than_are_named_are_mentioned(void **state)
{
    struct buffer text = {0};
    struct error error = {0};
    for (int i = 0; i < 21; i++)
        assert_true(buffer_print(&text, &error, "unknown_%02d: 1\n", i));
    scratch_write(*state, "e.yaml", text.data, text.size);
    buffer_free(&text);
    struct program_result result = RUN_CLOZE("train", "e.yaml", "--dry-run");
    assert_int_equal(result.status, 2);
    assert_non_null(strstr(result.err, "e.yaml:20: unknown key unknown_19"));
    assert_null(strstr(result.err, "unknown_20"));
    assert_non_null(strstr(result.err, "cloze train: e.yaml: more than 20 errors; correct these"));
    program_result_free(&result);
}

/* Three keys, on their lines, and a setting; then what does not go together. */
static void everything_that_is_wrong_is_named_at_once(void **state)
{
    scratch_write_text(*state, "e.yaml",
                       "output: run\n"
                       "model: {sise: tiny}\n"
                       "data: {train: [text.txt], seq_len: 4}\n"
                       "train: {batch_size: many}\n");
    struct program_result result =
        RUN_CLOZE("train", "e.yaml", "--dry-run", "--set", "train.steps=0");
    assert_int_equal(result.status, 2);
    assert_non_null(strstr(result.err, "e.yaml:2: unknown key model.sise; did you mean"));
    assert_non_null(strstr(result.err, "e.yaml:3: data.seq_len: "));
    assert_non_null(strstr(result.err, "e.yaml:4: train.batch_size: "));
    assert_non_null(strstr(result.err, "--set train.steps=0: "));
    assert_non_null(strstr(result.err, "cloze train: e.yaml: 4 errors\n"));
    program_result_free(&result);
    scratch_write_text(*state, "e.yaml",
                       "output: run\n"
                       "data: {seq_len: 128}\n"
                       "model: {max_position_embeddings: 64}\n"
                       "train: {micro_batch_size: 8, batch_size: 4}\n");
    result = RUN_CLOZE("train", "e.yaml", "--dry-run");
    assert_int_equal(result.status, 2);
    assert_non_null(strstr(result.err, "data.train: is missing"));
    assert_non_null(strstr(result.err, "data.seq_len: is 128, more than"));
    assert_non_null(strstr(result.err, "train.micro_batch_size: is 8, more than"));
    assert_non_null(strstr(result.err, "cloze train: e.yaml: 3 errors\n"));
    program_result_free(&result);
    /* Without --dry-run the first one ends it. */
    ASSERT_CLOZE_SAYS(2, "cloze train: e.yaml: data.train: is missing", "train", "e.yaml");
    ASSERT_CLOZE_SAYS(2, "remove --resume", "train", "e.yaml", "--dry-run", "--resume");
}

static void every_contradiction_is_named(void **state)
{
    scratch_write_text(*state, "e.yaml", "output: run\ntrain: {hours: 1, steps: 10}\n");
    struct program_result result = RUN_CLOZE("train", "e.yaml", "--dry-run");
    assert_non_null(strstr(result.err, "data.train: is missing"));
    assert_non_null(strstr(result.err, "train.hours: cannot be combined with train.steps"));
    assert_non_null(strstr(result.err, "cloze train: e.yaml: 2 errors\n"));
    program_result_free(&result);
    scratch_write_text(*state, "e.yaml",
                       "output: run\ndata: {train: [text.txt]}\n"
                       "model: {max_position_embeddings: 64}\n"
                       "train: {micro_batch_size: 8, batch_size: 4, min_learning_rate: 1e-3,\n"
                       "        patience: 2, eval_every: 0,\n"
                       "        phases: [{seq_len: 128, steps: 2}, {seq_len: 256, steps: 2}]}\n");
    result = RUN_CLOZE("train", "e.yaml", "--dry-run");
    assert_non_null(strstr(result.err, "train.micro_batch_size: is 8"));
    assert_non_null(strstr(result.err, "train.min_learning_rate: is 0.001"));
    assert_non_null(strstr(result.err, "train.eval_every is 0"));
    assert_non_null(strstr(result.err, "train.phases: is 128, more than"));
    assert_non_null(strstr(result.err, "train.phases: is 256, more than"));
    program_result_free(&result);
}

/* A list without items is no value; a key with a wrong value is not missing as well. */
static void keys_without_a_value_are_missing(void **state)
{
    scratch_write_text(*state, "e.yaml", "output: [a, b]\ndata: {train: []}\n");
    struct program_result result = RUN_CLOZE("train", "e.yaml", "--dry-run");
    assert_int_equal(result.status, 2);
    assert_non_null(strstr(result.err, "e.yaml:1: output: found a list; expected a path"));
    assert_non_null(strstr(result.err, "e.yaml:2: data.train: is missing"));
    assert_non_null(strstr(result.err, "cloze train: e.yaml: 2 errors\n"));
    program_result_free(&result);
    scratch_write_text(*state, "e.yaml", "output: run\ndata: {train: []}\n");
    ASSERT_CLOZE_SAYS(2, "cloze train: e.yaml:2: data.train: is missing", "train", "e.yaml",
                      "--dry-run");
}

static void a_configuration_of_a_task_is_named(void **state)
{
    scratch_write_text(*state, "e.yaml", "output: run\ntask: {train: [a.tsv], valid: [b.tsv]}\n");
    ASSERT_CLOZE_SAYS(2, "cloze train: e.yaml: has a section task, which is of 'cloze finetune'",
                      "train", "e.yaml", "--dry-run");
}

/* The output is not written, but it must be one that the run can use. */
static void an_output_that_a_run_would_refuse_is_refused(void **state)
{
    struct error error = {0};
    sample_text_write(*state, "text.txt", 400);
    scratch_write_text(*state, "e.yaml", config_text);
    assert_true(directory_make("runs/new", &error));
    scratch_write_text(*state, "runs/new/vocab.txt", "mine\n");
    ASSERT_CLOZE_SAYS(2, "runs/new/vocab.txt: ", "train", "e.yaml", "--dry-run");
    assert_in_file("runs/new/vocab.txt", "mine\n");
    assert_false(path_exists("runs/new/.lock"));
    assert_true(directory_make("old/checkpoints/step-00000004", &error));
    ASSERT_CLOZE_SAYS(2, "old already contains a run", "train", "e.yaml", "--dry-run", "--set",
                      "output=old");
}

static void a_failure_leaves_nothing_either(void **state)
{
    scratch_write_text(*state, "text.txt", "\n");
    scratch_write_text(*state, "e.yaml", config_text);
    const int before = count_entries();
    struct program_result result = RUN_CLOZE("train", "e.yaml", "--dry-run");
    assert_int_equal(result.status, 2);
    program_result_free(&result);
    assert_int_equal(count_entries(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_run_is_tried_and_nothing_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(checkpoints_by_steps_evaluations_and_the_clock_are_counted,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(everything_that_is_wrong_is_named_at_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(every_contradiction_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_errors_than_are_named_are_mentioned, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(keys_without_a_value_are_missing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_configuration_of_a_task_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_output_that_a_run_would_refuse_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_failure_leaves_nothing_either, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
