/* cloze_train: the same run as the program's, watched, stopped and resumed. */
#include "cloze/cloze.h"

#include "base/directory.h"
#include "base/file.h"
#include "math/openblas.h"
#include "support/program.h"
#include "support/sample_text.h"
#include "support/scratch.h"
#include "support/skipping.h"

#include <locale.h>
#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { STEPS = 12, EVAL_EVERY = 6 };

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

static const char task_text[] = "output: task\n"
                                "model: {init_from: run}\n"
                                "task: {train: [rows.tsv], valid: [rows.tsv], text: text,\n"
                                "       label: label}\n"
                                "train: {epochs: 1, batch_size: 2, seeds: [7, 9], threads: 2}\n";

static int set_up(void **state)
{
    int status = scratch_set_up(state);
    sample_text_write(*state, "text.txt", 400);
    scratch_write_text(*state, "config.yaml", config_text);
    scratch_write_text(*state, "task.yaml", task_text);
    assert_int_equal(chdir(((struct scratch *)*state)->directory), 0);
    /* On a processor that OpenBLAS does not know the program restarts with better kernels than a
     * library can have: their last bits differ. */
    assert_int_equal(setenv("CLOZE_BLAS_KERNELS", blas_core_type(), 1), 0);
    scratch_write_text(*state, "rows.tsv", "text\tlabel\na b\tx\nb c\ty\nc d\tx\nd e\ty\n");
    return status;
}

static int tear_down(void **state)
{
    assert_int_equal(chdir("/"), 0);
    return scratch_tear_down(state);
}

/* ---- a watcher that remembers ---- */

struct seen {
    int steps;                     /* calls for a step */
    struct cloze_step first, last; /* the first and the last of them */
    int evaluations;
    int stop_at;                   /* step; 0: none */
    bool table, held_out, stopped; /* lines that were seen */
};

static bool see_step(void *context, const struct cloze_step *step)
{
    struct seen *seen = context;
    if (!seen->steps++)
        seen->first = *step;
    seen->last = *step;
    seen->evaluations += step->evaluated;
    assert_true(step->evaluated == !isnan(step->held_out_score));
    assert_true(step->evaluated == !isnan(step->held_out_loss));
    return step->step != seen->stop_at;
}

static void see_line(void *context, const char *line)
{
    struct seen *seen = context;
    assert_null(strchr(line, '\n'));
    seen->table = seen->table || strncmp(line, "   12 ", 6) == 0;
    seen->held_out = seen->held_out || strncmp(line, "held out at step 12", 19) == 0;
    seen->stopped = seen->stopped || strcmp(line, "Stopped at step 5 and saved.") == 0;
}

static struct seen train_watched(struct scratch *scratch, const char *name, const char *output,
                                 bool resume, int stop_at)
{
    struct seen seen = {.stop_at = stop_at};
    const struct cloze_watcher watcher = {see_step, see_line, &seen};
    const char *const settings[] = {output};
    struct cloze_error error;
    char *config = scratch_path_copy(scratch, name);
    char *run = cloze_train(config, settings, 1, resume, &watcher, &error);
    if (!run)
        fail_msg("%s", error.message);
    assert_string_equal(run, scratch_path(scratch, strchr(output, '=') + 1));
    free(run);
    free(config);
    return seen;
}

/* ---- pre-training ---- */

static void assert_same_model(struct scratch *scratch, const char *a, const char *b)
{
    char first[64], second[64];
    snprintf(first, sizeof first, "%s/checkpoints/latest/model.safetensors", a);
    snprintf(second, sizeof second, "%s/checkpoints/latest/model.safetensors", b);
    scratch_assert_same_file(scratch, first, second);
}

static void a_training_is_the_programs_and_is_watched(void **state)
{
    struct scratch *scratch = *state;
    const struct seen seen = train_watched(scratch, "config.yaml", "output=run", false, 0);
    assert_int_equal(seen.steps, STEPS);
    assert_int_equal(seen.first.step, 1);
    assert_int_equal(seen.last.step, STEPS);
    assert_int_equal(seen.last.steps, STEPS);
    assert_int_equal(seen.last.seed, 5);
    assert_int_equal(seen.evaluations, STEPS / EVAL_EVERY);
    assert_true(seen.last.evaluated && seen.last.held_out_score > 0);
    assert_true(seen.last.loss > 0 && seen.last.mlm_loss > 0 && seen.last.nsp_loss > 0);
    assert_true(fabs(seen.last.loss - seen.last.mlm_loss - seen.last.nsp_loss) < 1e-6);
    assert_true(seen.last.grad_norm > 0 && seen.last.tokens_per_second > 0);
    assert_true(isnan(seen.last.accuracy) && seen.last.seconds_left == 0);
    assert_true(seen.first.seconds_left > 0 && seen.first.learning_rate > 0);
    assert_true(seen.table && seen.held_out && !seen.stopped);

    char *config = scratch_path_copy(scratch, "config.yaml");
    SUCCEED("train", config, "--set", "output=program");
    assert_same_model(scratch, "run", "program");
    free(config);
}

static void a_stopped_training_is_saved_and_resumed_exactly(void **state)
{
    struct scratch *scratch = *state;
    train_watched(scratch, "config.yaml", "output=whole", false, 0);
    const struct seen stopped = train_watched(scratch, "config.yaml", "output=run", false, 5);
    assert_int_equal(stopped.last.step, 5);
    assert_true(stopped.stopped);
    assert_true(path_is_directory(scratch_path(scratch, "run/checkpoints/step-00000005")));
    const struct seen resumed = train_watched(scratch, "config.yaml", "output=run", true, 0);
    assert_int_equal(resumed.first.step, 6);
    assert_int_equal(resumed.last.step, STEPS);
    assert_same_model(scratch, "run", "whole");
}

/* Who stops at the last step has a finished run. */
static void the_last_step_is_the_end(void **state)
{
    const struct seen seen = train_watched(*state, "config.yaml", "output=run", false, STEPS);
    assert_int_equal(seen.steps, STEPS);
    assert_false(seen.stopped);
}

static void stopping_at_the_end_of_a_seed_ends_all(void **state)
{
    train_watched(*state, "config.yaml", "output=run", false, 0);
    const struct seen seen = train_watched(*state, "task.yaml", "output=task", false, 2);
    assert_int_equal(seen.steps, 2);
    assert_int_equal(seen.last.seed, 7);
    assert_false(path_exists(scratch_path(*state, "task/seed-9")));
}

static void nobody_has_to_watch(void **state)
{
    struct scratch *scratch = *state;
    struct cloze_error error;
    char *config = scratch_path_copy(scratch, "config.yaml");
    char *run = cloze_train(config, NULL, 0, false, NULL, &error);
    assert_non_null(run);
    struct cloze_model *model = cloze_open(run, &error);
    assert_non_null(model);
    assert_int_equal(cloze_trained_length(model), 32);
    cloze_close(model);
    assert_null(cloze_train(config, NULL, 0, false, NULL, &error));
    assert_true(error.bad_input);
    assert_non_null(strstr(error.message, "already contains a run"));
    free(run);
    free(config);
}

static void a_setting_that_is_wrong_is_bad_input(void **state)
{
    struct scratch *scratch = *state;
    const char *const settings[] = {"train.stepz=1"};
    struct cloze_error error;
    char *config = scratch_path_copy(scratch, "config.yaml");
    assert_null(cloze_train(config, settings, 1, false, NULL, &error));
    assert_true(error.bad_input);
    assert_non_null(strstr(error.message, "train.steps"));
    assert_false(path_exists(scratch_path(scratch, "run")));
    free(config);
}

/* ---- fine-tuning ---- */

static void each_seed_of_fine_tuning_is_watched(void **state)
{
    struct scratch *scratch = *state;
    train_watched(scratch, "config.yaml", "output=run", false, 0);
    const struct seen seen = train_watched(scratch, "task.yaml", "output=task", false, 0);
    assert_int_equal(seen.steps, 4);
    assert_int_equal(seen.first.seed, 7);
    assert_int_equal(seen.last.seed, 9);
    assert_true(isnan(seen.last.mlm_loss) && isnan(seen.last.nsp_loss));
    assert_true(seen.last.accuracy >= 0 && seen.last.held_out_score >= 0);

    struct cloze_error error;
    struct cloze_model *model = cloze_open(scratch_path(scratch, "task"), &error);
    assert_non_null(model);
    assert_int_equal(cloze_label_count(model), 2);
    cloze_close(model);
}

/* ---- the process ---- */

static void the_caller_keeps_its_threads_and_signals(void **state)
{
    const int threads = omp_get_max_threads();
    struct sigaction action;
    omp_set_num_threads(3);
    train_watched(*state, "config.yaml", "output=run", false, 2);
    assert_int_equal(omp_get_max_threads(), 3);
    assert_int_equal(sigaction(SIGINT, NULL, &action), 0);
    assert_true(action.sa_handler == SIG_DFL);
    omp_set_num_threads(threads);
}

/* Makes a locale whose decimal point is a comma, and sets it. */
static void speak_german(struct scratch *scratch)
{
    char command[600];
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s >/dev/null 2>&1",
             scratch_path(scratch, "de_DE.UTF-8"));
    if (system(command) != 0)
        skip_test("the locale de_DE cannot be made (Debian package locales)");
    assert_int_equal(setenv("LOCPATH", scratch->directory, 1), 0);
    assert_non_null(setlocale(LC_ALL, "de_DE.UTF-8"));
    assert_string_equal(localeconv()->decimal_point, ",");
}

static void a_decimal_comma_of_the_caller_changes_nothing(void **state)
{
    struct scratch *scratch = *state;
    train_watched(scratch, "config.yaml", "output=plain", false, 0);
    speak_german(scratch);
    train_watched(scratch, "config.yaml", "output=comma", false, 0);
    assert_string_equal(localeconv()->decimal_point, ",");
    setlocale(LC_ALL, "C");
    unsetenv("LOCPATH");
    assert_same_model(scratch, "plain", "comma");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_training_is_the_programs_and_is_watched),
        TEST(a_stopped_training_is_saved_and_resumed_exactly),
        TEST(the_last_step_is_the_end),
        TEST(stopping_at_the_end_of_a_seed_ends_all),
        TEST(nobody_has_to_watch),
        TEST(a_setting_that_is_wrong_is_bad_input),
        TEST(each_seed_of_fine_tuning_is_watched),
        TEST(the_caller_keeps_its_threads_and_signals),
        TEST(a_decimal_comma_of_the_caller_changes_nothing),
    };
    return group_status(cmocka_run_group_tests(tests, NULL, NULL), sizeof tests / sizeof *tests);
}
