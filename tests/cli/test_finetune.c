/* cloze finetune, the whole command, on small tasks that can be learned. */

#include "base/file.h"
#include "support/bf16_arrays.h"
#include "support/contents.h"
#include "support/program.h"
#include "support/scratch.h"
#include "support/task_files.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static double value_of(const json_t *object)
{
    const json_t *value = json_object_get(object, "value");
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static size_t count_lines(const char *path)
{
    struct buffer text = contents_of(path);
    size_t lines = 0;
    for (size_t i = 0; i < text.size; i++)
        lines += text.data[i] == '\n';
    buffer_free(&text);
    return lines;
}

/* ---- each kind of task ---- */

static void classification_is_learned(void **state)
{
    (void)state;
    json_t *printed = FINETUNE("output=run");
    assert_string_equal(json_string_value(json_object_get(printed, "metric")), "accuracy");
    assert_true(value_of(printed) > 0.9);
    assert_int_equal(json_array_size(json_object_get(printed, "interval")), 2);
    assert_int_equal(json_array_size(json_object_get(printed, "seeds")), 1);
    assert_true(json_is_null(json_object_get(printed, "spread")));
    json_decref(printed);
    assert_int_equal(count_lines("run/predictions.tsv"), 41);
    assert_in_file("run/predictions.tsv", "file\tline\tlabel\tpredicted\tprobability\n"
                                          "valid.tsv\t2\tnegative\tnegative\t");
    assert_in_file("run/checkpoints/best/config.json", "BertForSequenceClassification");
    assert_in_file("run/checkpoints/best/config.json", "\"0\": \"negative\"");
    assert_in_file("run/metrics.jsonl", "\"matthews\": ");
    assert_in_file("run/checkpoints/latest/training_state.json", "\"best_metric\": ");
    SUCCEED("info", "run");
}

static void regression_is_learned(void **state)
{
    (void)state;
    write_numbers("train.csv", 120, 1);
    write_numbers("valid.csv", 40, 2);
    json_t *printed = FINETUNE("task.kind=regression", "task.train=train.csv",
                               "task.valid=valid.csv", "task.metric=spearman", "train.steps=150");
    assert_string_equal(json_string_value(json_object_get(printed, "metric")), "spearman");
    assert_true(value_of(printed) > 0.8);
    json_decref(printed);
    assert_in_file("run/predictions.tsv", "file\tline\tlabel\tpredicted\nvalid.csv\t2\t0.6\t");
    assert_in_file("run/checkpoints/latest/config.json", "\"regression\"");
    assert_in_file("run/metrics.jsonl", "\"accuracy\": null, \"f1\": null");
}

static void labels_of_words_are_learned(void **state)
{
    (void)state;
    write_words("train.conll", 80, 1);
    write_words("valid.conll", 30, 2);
    json_t *printed = FINETUNE("task.kind=tokens", "task.train=train.conll",
                               "task.valid=valid.conll", "train.steps=80");
    assert_string_equal(json_string_value(json_object_get(printed, "metric")), "f1");
    assert_true(value_of(printed) > 0.9);
    json_decref(printed);
    assert_in_file("run/predictions.tsv", "file\tline\tword\tlabel\tpredicted\tprobability\n"
                                          "valid.conll\t1\t");
    assert_in_file("run/predictions.tsv", "\tnew\tB-LOC\tB-LOC\t0.");
    assert_in_file("run/predictions.tsv", "\tann\tB-PER\tB-PER\t0.");
    assert_in_file("run/checkpoints/latest/config.json", "BertForTokenClassification");
}

static void bf16_is_a_precision_of_it(void **state)
{
    (void)state;
    require_bf16();
    json_t *printed = FINETUNE(BF16);
    assert_true(value_of(printed) > 0.9);
    json_decref(printed);
}

/* ---- seeds ---- */

#define MODEL_AT(run, step) run "/checkpoints/step-000000" step "/model.safetensors"

static void several_seeds_have_a_directory_each(void **state)
{
    (void)state;
    json_t *printed = FINETUNE("train.seeds=[3, 8]", "train.steps=20");
    const json_t *seeds = json_object_get(printed, "seeds");
    double values[2];
    assert_int_equal(json_array_size(seeds), 2);
    for (size_t i = 0; i < 2; i++)
        values[i] = value_of(json_array_get(seeds, i));
    assert_int_equal(json_integer_value(json_object_get(json_array_get(seeds, 1), "seed")), 8);
    assert_true(fabs(value_of(printed) - (values[0] + values[1]) / 2) < 1e-6);
    const double spread = json_number_value(json_object_get(printed, "spread"));
    assert_true(fabs(spread - fabs(values[0] - values[1]) / sqrt(2)) < 1e-6);
    const char *best =
        values[1] > values[0] ? "run/seed-8/predictions.tsv" : "run/seed-3/predictions.tsv";
    assert_same_contents("run/best/predictions.tsv", best);
    json_decref(printed);
    /* As a model it is its best run. */
    struct program_result result = RUN_CLOZE("info", "run");
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.out, "directory        run/best/checkpoints/step-000000"));
    assert_non_null(strstr(result.out, "\n  step 0 "));
    assert_non_null(strstr(result.out, "\n  step 20 "));
    program_result_free(&result);
    ASSERT_CLOZE_SAYS(2, "run/seed-3 already contains a run", "finetune", "run.yaml", "--set",
                      "train.seeds=[3, 8]");
    assert_int_equal(system("rm run/best && mkdir run/best"), 0);
    ASSERT_CLOZE_SAYS(0, "; without this link, run stands for no model\n", "finetune", "run.yaml",
                      "--resume", "--set", "train.seeds=[3, 8]", "--set", "train.steps=20");
}

static void several_seeds_do_not_mix_with_a_single_one(void **state)
{
    (void)state;
    json_decref(FINETUNE("train.seeds=[3]", "train.steps=2"));
    assert_true(path_exists("run/checkpoints"));
    ASSERT_CLOZE_SAYS(2, "run already contains a run", "finetune", "run.yaml", "--set",
                      "train.seeds=[3, 8]");
    assert_false(path_exists("run/seed-3"));
}

static void a_single_seed_is_the_run_itself(void **state)
{
    (void)state;
    json_decref(FINETUNE("train.seeds=[8]", "train.steps=10", "output=single"));
    json_decref(FINETUNE("train.seeds=[3, 8]", "train.steps=10", "output=several"));
    json_decref(FINETUNE("seed=8", "train.steps=10", "output=plain"));
    assert_same_contents(MODEL_AT("single", "10"), MODEL_AT("plain", "10"));
    assert_same_contents(MODEL_AT("single", "10"), MODEL_AT("several/seed-8", "10"));
}

static void resuming_finishes_the_seeds_that_are_left(void **state)
{
    (void)state;
    json_decref(FINETUNE("train.seeds=[3, 8]", "train.steps=10", "output=whole"));
    json_decref(FINETUNE("seed=3", "train.steps=4", "output=parts/seed-3"));
    json_decref(RESUME("train.seeds=[3, 8]", "train.steps=10", "output=parts"));
    assert_same_contents(MODEL_AT("whole/seed-3", "10"), MODEL_AT("parts/seed-3", "10"));
    assert_same_contents(MODEL_AT("whole/seed-8", "10"), MODEL_AT("parts/seed-8", "10"));
}

/* ---- what it begins with, and what it trains ---- */

static void a_model_is_taken_up(void **state)
{
    (void)state;
    json_decref(FINETUNE("train.steps=40", "output=first"));
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "run.yaml",
                       "output: second\nmodel: {init_from: first}\n"
                       "task: {train: [train.tsv], valid: [valid.tsv]}\n"
                       "train: {steps: 10, batch_size: 16, threads: 1, learning_rate: 1e-3}\n");
    json_t *printed = FINETUNE("output=second");
    assert_true(value_of(printed) > 0.9);
    json_decref(printed);
    /* task.max_length follows the model's positions. */
    assert_in_file("second/config.yaml", "  max_length: 16\n");
}

/* Returns the values of a tensor in a file of safetensors as bytes; NULL ends the test. */
static char *tensor_bytes(const char *path, const char *name, size_t *size)
{
    struct buffer text = contents_of(path);
    uint64_t length;
    memcpy(&length, text.data, sizeof length);
    json_t *header = json_loadb(text.data + 8, (size_t)length, 0, NULL);
    const json_t *offsets = json_object_get(json_object_get(header, name), "data_offsets");
    assert_int_equal(json_array_size(offsets), 2);
    const size_t begin = (size_t)json_integer_value(json_array_get(offsets, 0));
    *size = (size_t)json_integer_value(json_array_get(offsets, 1)) - begin;
    char *bytes = malloc(*size);
    assert_non_null(bytes);
    memcpy(bytes, text.data + 8 + length + begin, *size);
    json_decref(header);
    buffer_free(&text);
    return bytes;
}

static bool is_unchanged(const char *name)
{
    size_t before_size, after_size;
    char *before = tensor_bytes(MODEL_AT("run", "00"), name, &before_size);
    char *after = tensor_bytes(MODEL_AT("run", "10"), name, &after_size);
    assert_int_equal(before_size, after_size);
    bool same = memcmp(before, after, before_size) == 0;
    free(before);
    free(after);
    return same;
}

static void frozen_layers_keep_their_bytes(void **state)
{
    (void)state;
    json_decref(FINETUNE("train.steps=10", "train.frozen_layers=1"));
    assert_true(is_unchanged("bert.embeddings.word_embeddings.weight"));
    assert_true(is_unchanged("bert.embeddings.LayerNorm.weight"));
    assert_true(is_unchanged("bert.encoder.layer.0.attention.self.query.weight"));
    assert_true(is_unchanged("bert.encoder.layer.0.output.LayerNorm.bias"));
    assert_false(is_unchanged("bert.encoder.layer.1.attention.self.query.weight"));
    assert_false(is_unchanged("bert.pooler.dense.weight"));
    assert_false(is_unchanged("classifier.weight"));
}

/* ---- bad input ---- */

/* Those that have begun do not. */
static void a_seed_that_has_not_begun_needs_its_model(void **state)
{
    json_decref(FINETUNE("train.steps=10", "output=first"));
    scratch_write_text(*state, "second.yaml",
                       "output: second\nmodel: {init_from: first}\n"
                       "task: {train: [train.tsv], valid: [valid.tsv]}\n"
                       "train: {steps: 4, batch_size: 16, threads: 1}\n");
    SUCCEED("finetune", "second.yaml", "--set", "train.seeds=[3, 8]");
    assert_int_equal(rename("first", "elsewhere"), 0);
    SUCCEED("finetune", "second.yaml", "--set", "train.seeds=[3, 8]", "--resume");
    ASSERT_CLOZE_SAYS(2, "first: no such directory (model.init_from)", "finetune", "second.yaml",
                      "--set", "train.seeds=[3, 8, 9]", "--resume");
}

static void bad_input_is_refused(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "strange.tsv", "text\tlabel\ngood film\tpositive\nbook\tso-so\n");
    ASSERT_CLOZE_SAYS(2, "strange.tsv:3", "finetune", "run.yaml", "--set",
                      "task.valid=strange.tsv");
    scratch_write_text(scratch, "one.tsv", "text\tlabel\ngood\tpositive\ngood\tpositive\n");
    ASSERT_CLOZE_SAYS(2, "one.tsv", "finetune", "run.yaml", "--set", "task.train=one.tsv");
    ASSERT_CLOZE_SAYS(2, "task.text", "finetune", "run.yaml", "--set", "task.text=sentence");
    ASSERT_CLOZE_SAYS(2, "strange.tsv:3", "finetune", "run.yaml", "--set", "task.valid=strange.tsv",
                      "--set", "train.seeds=[3, 8]");
    assert_false(path_exists("run"));
}

static void commands_tell_the_two_configurations_apart(void **state)
{
    (void)state;
    ASSERT_CLOZE_SAYS(2, "run.yaml: has a section task, which is of 'cloze finetune'", "train",
                      "run.yaml");
    ASSERT_CLOZE_SAYS(2, "unknown key data.train; did you mean task.train?", "finetune", "run.yaml",
                      "--set", "data.train=a.txt");
}

/* A constant label in the held-out examples: Matthews' correlation is not defined. */
static void a_metric_that_is_not_defined_is_null(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "one.tsv", "text\tlabel\ngood\tpositive\ngood film\tpositive\n");
    json_t *printed = FINETUNE("task.valid=one.tsv", "task.metric=matthews", "train.steps=5");
    assert_true(json_is_null(json_object_get(printed, "value")));
    assert_true(json_is_null(json_object_get(printed, "interval")));
    json_decref(printed);
    assert_in_file("run/metrics.jsonl", "\"matthews\": null");
    assert_false(path_exists("run/checkpoints/best"));
}

static void help_describes_the_command(void **state)
{
    (void)state;
    struct program_result result = RUN_CLOZE("finetune", "--help");
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.out, "task:"));
    program_result_free(&result);
    result = RUN_CLOZE("config", "--help");
    assert_non_null(strstr(result.out, "task.max_length"));
    program_result_free(&result);
    result = RUN_CLOZE("config", "run.yaml");
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.out, "task:\n  kind: classification"));
    program_result_free(&result);
}

/* With the examples, which are in memory. */
static void the_plan_of_memory_is_printed(void **state)
{
    (void)state;
    ASSERT_CLOZE_SAYS(0, "about 3.0 epochs of 120 examples", "finetune", "run.yaml", "--set",
                      "train.epochs=3", "--set", "train.steps=", "--set", "train.batch_size=500",
                      "--set", "output=one-batch");
    ASSERT_CLOZE_SAYS(0, ", examples 1", "finetune", "run.yaml", "--set", "train.steps=1");
}

#define FINETUNE_TEST(name)                                                                        \
    cmocka_unit_test_setup_teardown(name, task_files_set_up, task_files_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FINETUNE_TEST(classification_is_learned),
        FINETUNE_TEST(regression_is_learned),
        FINETUNE_TEST(labels_of_words_are_learned),
        FINETUNE_TEST(bf16_is_a_precision_of_it),
        FINETUNE_TEST(several_seeds_have_a_directory_each),
        FINETUNE_TEST(several_seeds_do_not_mix_with_a_single_one),
        FINETUNE_TEST(a_single_seed_is_the_run_itself),
        FINETUNE_TEST(resuming_finishes_the_seeds_that_are_left),
        FINETUNE_TEST(a_model_is_taken_up),
        FINETUNE_TEST(frozen_layers_keep_their_bytes),
        FINETUNE_TEST(a_seed_that_has_not_begun_needs_its_model),
        FINETUNE_TEST(bad_input_is_refused),
        FINETUNE_TEST(commands_tell_the_two_configurations_apart),
        FINETUNE_TEST(a_metric_that_is_not_defined_is_null),
        FINETUNE_TEST(help_describes_the_command),
        FINETUNE_TEST(the_plan_of_memory_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
