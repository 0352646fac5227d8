/* cloze finetune --resume: a run that stops and goes on is the same as one that does not stop. And
 * what ends a run before its last step. */

#include "base/file.h"
#include "support/bf16_arrays.h"
#include "support/contents.h"
#include "support/program.h"
#include "support/scratch.h"
#include "support/task_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Trains with the settings, which end with NULL. */
static json_t *train_part(const char *const *settings, const char *output, const char *steps,
                          bool resume)
{
    const char *all[16];
    size_t count = 0;
    while (*settings)
        all[count++] = *settings++;
    all[count++] = output;
    all[count++] = steps;
    all[count++] = "train.eval_every=5";
    all[count++] = "train.keep_checkpoints=0";
    all[count] = NULL;
    return finetune(all, resume);
}

/* A run in two parts, the first of which ends with an evaluation that the whole has, too, and
 * within an epoch. */
static void expect_exact_resume(const char *steps, const char *const *settings)
{
    json_t *whole = train_part(settings, "output=whole", steps, false);
    json_decref(train_part(settings, "output=parts", "train.steps=10", false));
    json_t *parts = train_part(settings, "output=parts", steps, true);
    assert_true(json_equal(whole, parts));
    assert_same_contents("whole/checkpoints/latest/model.safetensors",
                         "parts/checkpoints/latest/model.safetensors");
    assert_same_contents("whole/checkpoints/latest/optimizer.safetensors",
                         "parts/checkpoints/latest/optimizer.safetensors");
    assert_same_contents("whole/predictions.tsv", "parts/predictions.tsv");
    json_decref(whole);
    json_decref(parts);
}
#define EXPECT_EXACT_RESUME(steps, ...)                                                            \
    expect_exact_resume(steps, (const char *const[]){__VA_ARGS__, NULL})

static void resuming_classification_is_exact(void **state)
{
    (void)state;
    EXPECT_EXACT_RESUME("train.steps=30", "task.kind=classification");
}

static void resuming_regression_is_exact(void **state)
{
    (void)state;
    write_numbers("train.csv", 120, 1);
    write_numbers("valid.csv", 40, 2);
    EXPECT_EXACT_RESUME("train.steps=30", "task.kind=regression", "task.train=train.csv",
                        "task.valid=valid.csv");
}

static void resuming_labels_of_words_is_exact(void **state)
{
    (void)state;
    write_words("train.conll", 90, 1);
    write_words("valid.conll", 30, 2);
    EXPECT_EXACT_RESUME("train.steps=30", "task.kind=tokens", "task.train=train.conll",
                        "task.valid=valid.conll", "train.layer_decay=0.8");
}

static void resuming_in_bf16_is_exact(void **state)
{
    (void)state;
    require_bf16();
    EXPECT_EXACT_RESUME("train.steps=30", BF16);
}

/* The evaluations before the stop count. */
static void resuming_with_patience_is_exact(void **state)
{
    (void)state;
    EXPECT_EXACT_RESUME("train.steps=400", "train.patience=3");
    assert_false(path_exists("parts/checkpoints/step-00000400"));
    char *whole = realpath("whole/checkpoints/latest", NULL);
    char *parts = realpath("parts/checkpoints/latest", NULL);
    assert_string_equal(path_name(whole), path_name(parts));
    assert_true(strcmp(path_name(parts), "step-00000010") > 0);
    free(whole), free(parts);
}

static void a_finished_run_gives_its_results_again(void **state)
{
    (void)state;
    json_t *first = FINETUNE("train.steps=20", "task.metric=f1");
    json_t *again = RESUME("train.steps=20", "task.metric=f1");
    assert_int_equal(json_array_size(json_object_get(first, "interval")), 2);
    assert_true(json_equal(first, again));
    json_decref(first);
    json_decref(again);
}

static void other_examples_are_refused_on_resume(void **state)
{
    (void)state;
    json_decref(FINETUNE("train.steps=4"));
    write_classes("train.tsv", 120, 9);
    ASSERT_CLOZE_SAYS(2, "cannot resume: the examples of task.train", "finetune", "run.yaml",
                      "--set", "train.steps=8", "--resume");
    /* The best metric so far is that of the old held-out examples. */
    write_classes("train.tsv", 120, 1);
    write_classes("valid.tsv", 40, 9);
    ASSERT_CLOZE_SAYS(2, "cannot resume: the examples of task.valid", "finetune", "run.yaml",
                      "--set", "train.steps=8", "--resume");
}

static void patience_ends_a_run(void **state)
{
    (void)state;
    json_decref(FINETUNE("train.steps=400", "train.eval_every=5", "train.patience=3"));
    assert_false(path_exists("run/checkpoints/step-00000400"));
    struct buffer text = contents_of("run/checkpoints/latest/training_state.json");
    json_t *saved = json_loadb(text.data, text.size, 0, NULL);
    const json_int_t step = json_integer_value(json_object_get(saved, "step"));
    assert_int_equal(step - json_integer_value(json_object_get(saved, "best_step")), 15);
    assert_int_equal(json_integer_value(json_object_get(saved, "evaluations_since_best")), 3);
    json_decref(saved);
    buffer_free(&text);
    char best[64];
    snprintf(best, sizeof best, "run/checkpoints/step-%08d/model.safetensors", (int)step - 15);
    assert_same_contents(best, "run/checkpoints/best/model.safetensors");
    /* As a model the run is the one that has the results. */
    SUCCEED("export", "run", "exported", "--for", "encoder");
    SUCCEED("export", "run/checkpoints/best", "exported-best", "--for", "encoder");
    SUCCEED("export", "run/checkpoints/latest", "exported-latest", "--for", "encoder");
    assert_same_contents("exported/model.safetensors", "exported-best/model.safetensors");
    struct buffer of_run = contents_of("exported/model.safetensors");
    struct buffer of_latest = contents_of("exported-latest/model.safetensors");
    assert_int_equal(of_run.size, of_latest.size);
    assert_memory_not_equal(of_run.data, of_latest.data, of_run.size);
    buffer_free(&of_run);
    buffer_free(&of_latest);
    /* It stays at its end. */
    json_decref(RESUME("train.steps=400", "train.eval_every=5", "train.patience=3"));
    assert_false(path_exists("run/checkpoints/step-00000400"));
}

/* Whatever is kept of the others. */
static void without_keep_best_a_run_is_its_last_step(void **state)
{
    (void)state;
    json_decref(FINETUNE("train.steps=400", "train.eval_every=5", "train.save_every=5",
                         "train.patience=3", "train.keep_best=false", "train.keep_checkpoints=0"));
    SUCCEED("export", "run", "exported", "--for", "encoder");
    SUCCEED("export", "run/checkpoints/latest", "exported-latest", "--for", "encoder");
    assert_same_contents("exported/model.safetensors", "exported-latest/model.safetensors");
}

/* What the results are said to be of is what was read. */
static void a_best_checkpoint_that_is_damaged_or_gone(void **state)
{
    (void)state;
    json_decref(FINETUNE("train.steps=40", "train.eval_every=5", "train.patience=3"));
    const char *const again[] = {"finetune", "run.yaml",
                                 "--set",    "train.steps=40",
                                 "--set",    "train.eval_every=5",
                                 "--set",    "train.patience=3",
                                 "--resume", NULL};
    char *best = realpath("run/checkpoints/best", NULL);
    char *file = path_join(best, "model.safetensors", NULL);
    assert_non_null(file);
    FILE *damaged = fopen(file, "r+b");
    assert_non_null(damaged);
    assert_int_equal(fseek(damaged, -4, SEEK_END), 0);
    const int byte = fgetc(damaged);
    assert_int_equal(fseek(damaged, -4, SEEK_END), 0);
    fputc(byte ^ 1, damaged);
    assert_int_equal(fclose(damaged), 0);
    assert_cloze_says(2, "model.safetensors: its checksum is", again);
    assert_int_equal(truncate(file, 5000), 0);
    assert_cloze_says(2, "model.safetensors", again);
    assert_int_equal(rename(best, "run/elsewhere"), 0);
    assert_cloze_says(0, "is gone; the results are those of the last step", again);
    free(file), free(best);
}

/* Matthews' correlation is not defined where all held-out examples have one label. */
static void patience_ends_a_run_without_a_result(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "valid.tsv", "text\tlabel\ngood film\tpositive\n");
    ASSERT_CLOZE_SAYS(0, "no evaluation had a result to compare (train.patience)", "finetune",
                      "run.yaml", "--set", "task.metric=matthews", "--set", "train.eval_every=2",
                      "--set", "train.patience=2");
    assert_true(path_exists("run/checkpoints/step-00000004"));
}

#define RESUME_TEST(name)                                                                          \
    cmocka_unit_test_setup_teardown(name, task_files_set_up, task_files_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RESUME_TEST(resuming_classification_is_exact),
        RESUME_TEST(resuming_regression_is_exact),
        RESUME_TEST(resuming_labels_of_words_is_exact),
        RESUME_TEST(resuming_in_bf16_is_exact),
        RESUME_TEST(resuming_with_patience_is_exact),
        RESUME_TEST(a_finished_run_gives_its_results_again),
        RESUME_TEST(other_examples_are_refused_on_resume),
        RESUME_TEST(patience_ends_a_run),
        RESUME_TEST(without_keep_best_a_run_is_its_last_step),
        RESUME_TEST(a_best_checkpoint_that_is_damaged_or_gone),
        RESUME_TEST(patience_ends_a_run_without_a_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
