/* The free space that a dry run finds is that before its own files. */
#include "support/sample_text.h"
#include "support/scratch.h"
#include "train/dry_run.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>

static int calls, with_files;

/* Names of the linker, which these functions are called by (--wrap). */
int __real_statvfs(const char *path, struct statvfs *system);
int __wrap_statvfs(const char *path, struct statvfs *system);

int __wrap_statvfs(const char *path, struct statvfs *system)
{
    glob_t found;
    calls++;
    with_files += glob("cloze-dry-run-*/run/data/*", 0, NULL, &found) == 0;
    globfree(&found);
    return __real_statvfs(path, system);
}

/* Tries a run of a small model with these keys of the section train, in the scratch directory. */
static struct dry_run try_run(struct scratch *scratch, const char *keys)
{
    struct error error = {0};
    struct dry_run result;
    char text[1000];
    sample_text_write(scratch, "text.txt", 400);
    sample_text_write(scratch, "valid.txt", 2000);
    snprintf(text, sizeof text,
             "output: runs/new\n"
             "model: {size: tiny, hidden_size: 16, intermediate_size: 16,\n"
             "        num_hidden_layers: 1, num_attention_heads: 2}\n"
             "tokenizer: {vocab_size: 100}\n"
             "data: {train: [text.txt], valid: [valid.txt], seq_len: 16}\n"
             "train: {batch_size: 4, threads: 1, %s}\n",
             keys);
    scratch_write_text(scratch, "e.yaml", text);
    assert_true(chdir(scratch->directory) == 0 && setenv("TMPDIR", scratch->directory, 1) == 0);
    struct run_config *config =
        run_config_load(&run_config_schema, "e.yaml", NULL, 0, NULL, &error);
    assert_non_null(config);
    assert_true(dry_run(config, &result, NULL, &error));
    run_config_free(config);
    assert_true(chdir("/") == 0 && unsetenv("TMPDIR") == 0);
    return result;
}

static void free_space_is_that_without_the_trial(void **state)
{
    const struct dry_run result = try_run(*state, "steps: 10");
    assert_true(result.data_bytes > 0 && result.checkpoint_bytes > 0);
    assert_int_equal(calls, 1);
    assert_int_equal(with_files, 0);
}

/* The trial evaluates after three steps, the run only at its end. An evaluation takes as long as
 * some twenty-five steps. */
static void hours_are_planned_for_the_evaluations_of_the_run(void **state)
{
    const struct dry_run often = try_run(*state, "hours: 0.001, eval_every: 3");
    const struct dry_run once = try_run(*state, "hours: 0.001, eval_every: 0");
    assert_true(once.evaluation_seconds > 0);
    assert_int_equal(once.evaluations, 1);
    assert_true(once.steps > 3 * often.steps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(free_space_is_that_without_the_trial),
        SCRATCH_TEST(hours_are_planned_for_the_evaluations_of_the_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
