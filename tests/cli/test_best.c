/* checkpoints/best of a run: the evaluation with the lowest loss, also where no save was due, also
 * after resuming. */

#include "base/directory.h"
#include "support/program.h"
#include "support/sample_text.h"
#include "support/scratch.h"

#include "base/file.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A rate at which the loss soon rises again. */
static const char config_text[] = "seed: 5\n"
                                  "output: run\n"
                                  "model: {size: tiny, hidden_size: 32, intermediate_size: 64,\n"
                                  "        num_hidden_layers: 1, num_attention_heads: 2}\n"
                                  "tokenizer: {vocab_size: 100}\n"
                                  "data: {train: [text.txt], sentences: line, seq_len: 32,\n"
                                  "       valid_fraction: 0.2}\n"
                                  "train: {steps: 20, batch_size: 8, learning_rate: 0.1,\n"
                                  "        schedule: constant, warmup_steps: 12, eval_every: 3,\n"
                                  "        save_every: 5, keep_checkpoints: 1, threads: 1}\n";

static int set_up(void **state)
{
    int status = scratch_set_up(state);
    struct scratch *scratch = *state;
    sample_text_write(scratch, "text.txt", 300);
    scratch_write_text(scratch, "e.yaml", config_text);
    return status || chdir(scratch->directory);
}

static int tear_down(void **state)
{
    return chdir("/") == 0 ? scratch_tear_down(state) : -1;
}

/* The step of the lowest loss among the records of evaluations of steps after `first`. */
static int64_t best_of_records_after(const char *path, int64_t first)
{
    struct buffer text = {0};
    struct error error = {0};
    int64_t best = -1;
    double lowest = 0;
    assert_true(file_read(path, 1 << 20, &text, &error));
    for (char *line = strtok(text.data, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *record = json_loads(line, 0, NULL);
        assert_non_null(record);
        double loss = json_number_value(json_object_get(record, "mlm_loss"));
        int64_t step = json_integer_value(json_object_get(record, "step"));
        bool evaluation = json_is_true(json_object_get(record, "eval"));
        if (evaluation && step > first && (best < 0 || loss < lowest)) {
            best = step;
            lowest = loss;
        }
        json_decref(record);
    }
    buffer_free(&text);
    return best;
}

static int64_t best_of_records(const char *path)
{
    return best_of_records_after(path, 0);
}

static void assert_best(const char *run, int64_t step)
{
    char path[100], target[64] = "", expected[64];
    snprintf(path, sizeof path, "%s/checkpoints/best", run);
    snprintf(expected, sizeof expected, "step-%08lld", (long long)step);
    assert_true(readlink(path, target, sizeof target - 1) > 0);
    assert_string_equal(target, expected);
    SUCCEED("info", path);
}

static void the_lowest_loss_is_kept(void **state)
{
    (void)state;
    SUCCEED("train", "e.yaml");
    int64_t best = best_of_records("run/metrics.jsonl");
    assert_in_range(best, 1, 19); /* otherwise this proves nothing */
    assert_int_not_equal(best % 5, 0);
    assert_best("run", best);
    assert_true(path_exists("run/checkpoints/step-00000020"));
    assert_false(path_exists("run/checkpoints/step-00000015"));
}

static void a_resumed_run_has_the_same_best(void **state)
{
    (void)state;
    SUCCEED("train", "e.yaml", "--set", "output=whole");
    int64_t best = best_of_records("whole/metrics.jsonl");
    static const char *const steps[] = {"train.steps=7", "train.steps=13", "train.steps=20"};
    /* Evaluations at the end of a part are not those of the whole: eval_every alone decides. */
    for (int i = 0; i < 3; i++)
        SUCCEED("train", "e.yaml", "--resume", "--set", steps[i], "--set", "train.warmup_steps=12");
    int64_t own = best_of_records("run/metrics.jsonl");
    assert_best("whole", best);
    assert_best("run", own);
    char path[100];
    snprintf(path, sizeof path, "run/checkpoints/step-%08lld", (long long)own);
    assert_true(path_is_directory(path));
}

/* Also where the run is finished already. */
static void the_end_names_the_best_that_is_not_the_last(void **state)
{
    (void)state;
    char expected[100];
    for (int i = 0; i < 2; i++) {
        struct program_result result = RUN_CLOZE("train", "e.yaml", "--resume");
        assert_int_equal(result.status, 0);
        snprintf(expected, sizeof expected,
                 "\nmodel: run/checkpoints/latest\nbest: run/checkpoints/best (step %lld)\n",
                 (long long)best_of_records("run/metrics.jsonl"));
        if (!strstr(result.err, expected))
            fail_msg("no \"%s\" in %s", expected, result.err);
        program_result_free(&result);
    }
    /* The last one is the best, and the best is not kept. */
    static const char *const settings[] = {"train.learning_rate=1e-3", "train.keep_best=false"};
    static const char *const outputs[] = {"output=low", "output=none"};
    for (int i = 0; i < 2; i++) {
        struct program_result result =
            RUN_CLOZE("train", "e.yaml", "--set", settings[i], "--set", outputs[i]);
        assert_int_equal(result.status, 0);
        assert_non_null(strstr(result.err, "\nmodel: "));
        assert_null(strstr(result.err, "\nbest: "));
        program_result_free(&result);
    }
}

static void without_held_out_text_or_the_key_there_is_none(void **state)
{
    (void)state;
    SUCCEED("train", "e.yaml", "--set", "data.valid_fraction=0");
    assert_false(path_exists("run/checkpoints/best"));
    SUCCEED("train", "e.yaml", "--set", "output=two", "--set", "train.keep_best=false");
    assert_false(path_exists("two/checkpoints/best"));
    assert_false(path_exists("two/checkpoints/step-00000003"));
}

/* Removes the checkpoints after a step, as if the run had been stopped there. */
static void go_back(const char *run, int64_t step)
{
    struct error error = {0};
    char path[100];
    for (int64_t i = step + 1; i <= 20; i++) {
        snprintf(path, sizeof path, "%s/checkpoints/step-%08lld", run, (long long)i);
        assert_true(!path_exists(path) || directory_remove(path, &error));
    }
}

/* Losses of sequences of 32 and of 16 tokens are not comparable. */
static void a_phase_of_another_length_has_a_best_of_its_own(void **state)
{
    (void)state;
#define PHASES                                                                                     \
    "--set", "train.phases=[{seq_len: 32, steps: 11}, {seq_len: 16, steps: 9}]", "--set",          \
        "train.steps=", "--set", "train.keep_checkpoints=0", "--set", "train.learning_rate=1"
    SUCCEED("train", "e.yaml", PHASES);
    int64_t all = best_of_records("run/metrics.jsonl"),
            second = best_of_records_after("run/metrics.jsonl", 11);
    assert_in_range(all, 1, 11); /* otherwise this proves nothing */
    assert_in_range(second, 12, 20);
    assert_best("run", second);
    /* Stopped in the first phase, at its last step with a checkpoint, and in the second. */
    for (int64_t step = 5; step <= 15; step += 5) {
        go_back("run", step);
        SUCCEED("train", "e.yaml", "--resume", PHASES);
        assert_best("run", second);
    }
}

#define BEST_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void patience_ends_a_run(void **state)
{
    char last[64];
    (void)state;
    SUCCEED("train", "e.yaml", "--set", "train.steps=400", "--set", "train.patience=2");
    const int64_t best = best_of_records("run/metrics.jsonl");
    snprintf(last, sizeof last, "run/checkpoints/step-%08lld", (long long)best + 6);
    assert_true(path_exists(last));
    assert_best("run", best);
    ASSERT_CLOZE_SAYS(2, "train.patience: needs held-out text", "train", "e.yaml", "--set",
                      "output=b", "--set", "train.patience=2", "--set", "data.valid_fraction=0");
    ASSERT_CLOZE_SAYS(2, "train.eval_every is 0", "train", "e.yaml", "--set", "output=b", "--set",
                      "train.patience=2", "--set", "train.eval_every=0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BEST_TEST(the_lowest_loss_is_kept),
        BEST_TEST(a_resumed_run_has_the_same_best),
        BEST_TEST(a_phase_of_another_length_has_a_best_of_its_own),
        BEST_TEST(the_end_names_the_best_that_is_not_the_last),
        BEST_TEST(without_held_out_text_or_the_key_there_is_none),
        BEST_TEST(patience_ends_a_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
