/* The free space that a dry run finds is that before its own files. */
#include "support/sample_text.h"
#include "support/scratch.h"
#include "train/dry_run.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
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

static void free_space_is_that_without_the_trial(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    struct dry_run result;
    sample_text_write(scratch, "text.txt", 400);
    scratch_write_text(scratch, "e.yaml",
                       "output: runs/new\n"
                       "model: {size: tiny, hidden_size: 16, intermediate_size: 16,\n"
                       "        num_hidden_layers: 1, num_attention_heads: 2}\n"
                       "tokenizer: {vocab_size: 100}\n"
                       "data: {train: [text.txt], seq_len: 16, valid_fraction: 0.2}\n"
                       "train: {steps: 10, batch_size: 4, threads: 1}\n");
    assert_true(chdir(scratch->directory) == 0 && setenv("TMPDIR", scratch->directory, 1) == 0);
    struct run_config *config =
        run_config_load(&run_config_schema, "e.yaml", NULL, 0, NULL, &error);
    assert_non_null(config);
    assert_true(dry_run(config, &result, NULL, &error));
    assert_true(result.data_bytes > 0 && result.checkpoint_bytes > 0);
    assert_int_equal(calls, 1);
    assert_int_equal(with_files, 0);
    run_config_free(config);
    assert_int_equal(chdir("/"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {SCRATCH_TEST(free_space_is_that_without_the_trial)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
