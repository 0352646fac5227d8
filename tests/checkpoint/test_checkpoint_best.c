/* checkpoints/best: which checkpoint it is a link to, and what stays for it. */

#include "support/training_fixture.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void save(struct training *training, int64_t step, int64_t best_step,
                 struct checkpoint_retention retention)
{
    struct error error = {0};
    struct training_state state = training_state_at(step);
    state.best_step = best_step;
    assert_true(checkpoint_save(training->scratch->directory, &training->numbers,
                                training->tokenizer, &state, retention, &training->log, &error));
}

/* NULL: there is no link. */
static void assert_best(struct training *training, const char *name)
{
    char target[64];
    ssize_t size = readlink(training_path(training, "best"), target, sizeof target - 1);
    if (!name) {
        assert_int_equal(size, -1);
        return;
    }
    assert_true(size > 0);
    target[size] = 0;
    assert_string_equal(target, name);
    assert_true(path_exists(training_path(training, "best/config.json")));
}

static bool is_kept(struct training *training, const char *name)
{
    return path_exists(training_path(training, name));
}

static void the_best_stays_with_the_newest(void **state)
{
    struct training *training = *state;
    const struct checkpoint_retention two = {.newest = 2, .best = true};
    save(training, 1, -1, two);
    assert_best(training, NULL);
    save(training, 2, 2, two);
    assert_best(training, "step-00000002");
    for (int64_t step = 3; step <= 6; step++)
        save(training, step, 2, two);
    assert_best(training, "step-00000002");
    assert_false(is_kept(training, "step-00000001"));
    assert_true(is_kept(training, "step-00000002"));
    assert_false(is_kept(training, "step-00000004"));
    assert_true(is_kept(training, "step-00000005"));
    /* A better one takes its place. */
    save(training, 7, 7, two);
    assert_best(training, "step-00000007");
    assert_false(is_kept(training, "step-00000002"));
    assert_true(is_kept(training, "step-00000006"));
    assert_not_warned(training);
}

static void without_best_there_is_no_link(void **state)
{
    struct training *training = *state;
    save(training, 1, 1, (struct checkpoint_retention){.newest = 1, .best = true});
    save(training, 2, 1, (struct checkpoint_retention){.newest = 1});
    assert_best(training, NULL);
    assert_false(is_kept(training, "step-00000001"));
    /* Of the best step no checkpoint is left. */
    save(training, 3, 1, (struct checkpoint_retention){.newest = 1, .best = true});
    assert_best(training, NULL);
    assert_not_warned(training);
}

static void a_link_that_a_crash_left_is_mended(void **state)
{
    struct training *training = *state;
    const struct checkpoint_retention all = {.best = true};
    save(training, 1, 1, all);
    save(training, 2, 2, all);
    assert_int_equal(unlink(training_path(training, "best")), 0);
    assert_int_equal(symlink("step-00000001", training_path(training, "best")), 0);
    struct training_state resumed = training_state_at(2);
    resumed.best_step = 2;
    checkpoint_link_best(training->scratch->directory, &resumed, true, &training->log);
    assert_best(training, "step-00000002");
    checkpoint_link_best(training->scratch->directory, &resumed, false, &training->log);
    assert_best(training, NULL);
}

static void what_is_no_link_is_left(void **state)
{
    struct training *training = *state;
    save(training, 1, -1, (struct checkpoint_retention){.best = true});
    assert_int_equal(unlink(training_path(training, "latest")), 0);
    scratch_write_text(training->scratch, "checkpoints/latest", "mine");
    scratch_write_text(training->scratch, "checkpoints/best", "mine");
    save(training, 2, 2, (struct checkpoint_retention){.best = true});
    assert_warned(training, "checkpoints/latest: is not a link, and is left as it is");
    assert_warned(training, "checkpoints/best: is not a link, and is left as it is");
}

/* Notes that somebody has put into a checkpoint outlive its pruning and its replacement. */
static void files_of_others_are_never_removed(void **state)
{
    struct training *training = *state;
    const struct checkpoint_retention one = {.newest = 1};
    save(training, 1, -1, one);
    scratch_write_text(training->scratch, "checkpoints/step-00000001/notes", "mine");
    save(training, 2, -1, one);
    save(training, 3, -1, one);
    assert_true(is_kept(training, "step-00000001/notes"));
    assert_true(is_kept(training, "step-00000001/config.json"));
    assert_false(is_kept(training, "step-00000002"));

    scratch_write_text(training->scratch, "checkpoints/step-00000003/notes", "mine");
    save(training, 3, -1, one);
    assert_true(is_kept(training, "step-00000003/notes"));
    assert_true(is_kept(training, "step-00000003/config.json"));
    assert_false(is_kept(training, ".step-00000003.partial"));
    assert_not_warned(training);
}

#define BEST_TEST(test) cmocka_unit_test_setup_teardown(test, training_set_up, training_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BEST_TEST(the_best_stays_with_the_newest),     BEST_TEST(without_best_there_is_no_link),
        BEST_TEST(a_link_that_a_crash_left_is_mended), BEST_TEST(what_is_no_link_is_left),
        BEST_TEST(files_of_others_are_never_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
