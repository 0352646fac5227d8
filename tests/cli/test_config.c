/* `cloze config` as a user runs it. What it prints is tested in train/test_run_config.c. */

#include "support/program.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_prints_the_effective_configuration(void **state)
{
    struct scratch *scratch = *state;
    const char *path =
        scratch_write_text(scratch, "run.yaml", "seed: 5\noutput: run\ndata: {train: [a.txt]}\n");
    struct program_result result = RUN_CLOZE("config", path, "--set", "train.steps=7");
    assert_int_equal(result.status, 0);
    assert_string_equal(result.err, "");
    assert_non_null(strstr(result.out, "run.yaml:1\n"));
    assert_non_null(strstr(result.out, "  steps: 7                                  # --set\n"));
    program_result_free(&result);
}

static void test_help_lists_the_keys(void **state)
{
    (void)state;
    struct program_result result = RUN_CLOZE("config", "--help");
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.out, "usage: cloze config CONFIG [--set KEY=VALUE]..."));
    assert_non_null(strstr(result.out, "  train.steps: an integer from 1 to "));
    program_result_free(&result);
}

static void test_reference_is_the_page(void **state)
{
    (void)state;
    struct program_result result = RUN_CLOZE("config", "--reference");
    assert_int_equal(result.status, 0);
    assert_memory_equal(result.out, "# Configuration\n", 16);
    program_result_free(&result);
}

static void test_wrong_usage(void **state)
{
    (void)state;
    ASSERT_CLOZE_SAYS(2, "CONFIG is missing; usage: cloze config CONFIG", "config");
    ASSERT_CLOZE_SAYS(2, "absent.yaml: cannot open", "config", "absent.yaml");
    ASSERT_CLOZE_SAYS(2, "unexpected argument \"b\"", "config", "a", "b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_prints_the_effective_configuration),
        cmocka_unit_test(test_help_lists_the_keys),
        cmocka_unit_test(test_reference_is_the_page),
        cmocka_unit_test(test_wrong_usage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
