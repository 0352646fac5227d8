#include "checkpoint/model_directory.h"

#include "base/directory.h"
#include "support/training_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Expects that the path means the directory, a checkpoint that was found in a run (NULL: it was
 * not). */
static void assert_resolves(struct training *training, const char *path, const char *expected,
                            const char *expected_run)
{
    struct error error = {0};
    char *run, *directory = model_directory_resolve(path, &run, &training->log, &error);
    assert_string_equal(error.message, "");
    assert_string_equal(directory, expected);
    assert_int_equal(run != NULL, expected_run != NULL);
    if (run)
        assert_string_equal(run, expected_run);
    free(run);
    free(directory);
}

static void assert_resolve_fails(const char *path, const char *message)
{
    struct error error = {0};
    char other, *run = &other;
    assert_null(model_directory_resolve(path, &run, NULL, &error));
    assert_null(run);
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_non_null(strstr(error.message, path));
    assert_non_null(strstr(error.message, message));
}

static void test_a_model_is_found_where_the_user_points(void **state)
{
    struct training *training = *state;
    char checkpoint[512], link[512];
    training_save(training, 5, 0);
    snprintf(checkpoint, sizeof checkpoint, "%s", training_path(training, "step-00000005"));
    snprintf(link, sizeof link, "%s", training_path(training, "latest"));
    assert_resolves(training, checkpoint, checkpoint, NULL);
    assert_resolves(training, link, link, NULL);
    assert_resolves(training, training->scratch->directory, checkpoint,
                    training->scratch->directory);
}

static void test_what_is_no_model_is_named(void **state)
{
    struct training *training = *state;
    struct error error = {0};
    assert_resolve_fails("bert-base-uncased",
                         ": no such directory; expected a model directory, a checkpoint or a run");
    assert_resolve_fails(scratch_write_text(training->scratch, "file", ""),
                         ": is not a directory; expected a model directory");
    assert_resolve_fails(training->scratch->directory,
                         ": holds neither config.json (a model directory or checkpoint) nor "
                         "checkpoints/ (a run directory)");
    scratch_write_text(training->scratch, "bert_model.ckpt.index", "");
    assert_resolve_fails(training->scratch->directory,
                         ": expected a model directory with config.json, found bert_model.ckpt, a "
                         "checkpoint of TensorFlow; convert it with transformers 4: ");
    scratch_write_text(training->scratch, "adapter_config.json", "{}");
    assert_resolve_fails(training->scratch->directory,
                         ": expected a model directory with config.json, found "
                         "adapter_config.json, an adapter without its model; merge the two with ");
    assert_true(directory_make(scratch_path(training->scratch, "checkpoints"), &error));
    assert_resolve_fails(training->scratch->directory, "/checkpoints: there is no checkpoint yet");
}

int main(void)
{
#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, training_set_up, training_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_model_is_found_where_the_user_points),
        TEST(test_what_is_no_model_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
