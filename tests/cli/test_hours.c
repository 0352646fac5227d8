/* train.hours: the steps are measured once; then the run is as one with so many steps. */
#include "support/contents.h"
#include "support/program.h"
#include "support/sample_text.h"
#include "support/scratch.h"

#include <jansson.h>
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
    sample_text_write(scratch, "text.txt", 400);
    scratch_write_text(scratch, "e.yaml",
                       "output: run\n"
                       "model: {size: tiny, hidden_size: 16, intermediate_size: 16,\n"
                       "        num_hidden_layers: 1, num_attention_heads: 2}\n"
                       "tokenizer: {vocab_size: 100}\n"
                       "data: {train: [text.txt], seq_len: 16, valid_fraction: 0}\n"
                       "train: {batch_size: 4, threads: 1, keep_checkpoints: 0}\n");
    return status || chdir(scratch->directory);
}

static int tear_down(void **state)
{
    return chdir("/") == 0 ? scratch_tear_down(state) : -1;
}

static long long planned_steps(void)
{
    json_t *object = json_load_file("run/checkpoints/latest/training_state.json", 0, NULL);
    long long steps = json_integer_value(json_object_get(object, "planned_steps"));
    assert_int_equal(json_integer_value(json_object_get(object, "step")), steps);
    json_decref(object);
    return steps;
}

/* A second holds some thousand steps of this model, and one at least on any machine. */
static void the_run_is_one_of_the_measured_steps(void **state)
{
    char setting[64];
    (void)state;
    struct program_result result = RUN_CLOZE("train", "e.yaml", "--set", "train.hours=0.00005");
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.err, "5e-05 hours are "));
    program_result_free(&result);
    const long long steps = planned_steps();
    assert_true(steps >= 1);
    snprintf(setting, sizeof setting, "train.steps=%lld", steps);
    SUCCEED("train", "e.yaml", "--set", "output=plain", "--set", setting);
    assert_same_contents("run/checkpoints/latest/model.safetensors",
                         "plain/checkpoints/latest/model.safetensors");
    assert_same_contents("run/checkpoints/latest/optimizer.safetensors",
                         "plain/checkpoints/latest/optimizer.safetensors");
    /* Resumed from its first checkpoint it has as many steps, without measuring again. */
    assert_int_equal(system("cd run/checkpoints && mv step-00000000 zero && rm -r step-* latest && "
                            "mv zero step-00000000"),
                     0);
    result = RUN_CLOZE("train", "e.yaml", "--set", "train.hours=0.00005", "--resume");
    assert_int_equal(result.status, 0);
    assert_null(strstr(result.err, " hours are "));
    program_result_free(&result);
    assert_int_equal(planned_steps(), steps);
    assert_same_contents("run/checkpoints/latest/model.safetensors",
                         "plain/checkpoints/latest/model.safetensors");
    ASSERT_CLOZE_SAYS(0, "; train.hours cannot be extended:\n", "train", "e.yaml", "--set",
                      "train.hours=0.00005", "--resume");
    ASSERT_CLOZE_SAYS(2, "train.hours is 1", "train", "e.yaml", "--set", "train.hours=1",
                      "--resume");
}

static long long steps_with(const char *every)
{
    SUCCEED("train", "e.yaml", "--set", "train.hours=0.0005", "--set", "data.valid=[valid.txt]",
            "--set", every);
    const long long steps = planned_steps();
    assert_int_equal(system("rm -r run"), 0);
    return steps;
}

/* The held-out tokens take as long as some thirty steps of 64. */
static void evaluations_take_their_share_of_the_hours(void **state)
{
    sample_text_write(*state, "valid.txt", 800);
    assert_true(5 * steps_with("train.eval_every=1") < steps_with("train.eval_every=0"));
}

static void hours_stand_alone(void **state)
{
    (void)state;
    ASSERT_CLOZE_SAYS(2, "train.hours: cannot be combined with train.steps", "train", "e.yaml",
                      "--set", "train.hours=1", "--set", "train.steps=10");
    ASSERT_CLOZE_SAYS(2, "train.hours: cannot be combined with train.epochs", "train", "e.yaml",
                      "--set", "train.hours=1", "--set", "train.epochs=10");
    ASSERT_CLOZE_SAYS(2, "train.hours: cannot be combined with train.phases", "train", "e.yaml",
                      "--set", "train.hours=1", "--set", "train.phases=[{seq_len: 16, steps: 10}]");
    SUCCEED("batches", "e.yaml", "--set", "train.hours=1", "--steps", "2", "--output", "batches");
    assert_int_equal(access("batches/step-00000002.safetensors", R_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_run_is_one_of_the_measured_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(evaluations_take_their_share_of_the_hours, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(hours_stand_alone, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
