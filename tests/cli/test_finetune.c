/* cloze finetune, the whole command, on small tasks that can be learned: a text is good or bad by
 * one of its words, its number is how often that word occurs, and names are the words "ann" and
 * "new york". */

#include "support/program.h"
#include "support/scratch.h"
#include "support/skipping.h"

#include "base/file.h"
#include "base/random.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ngood\nbad\nfilm\nbook\nwas\n"
                                 "the\nvery\nann\nnew\nyork\nlikes\n";

static const char config_text[] =
    "seed: 5\n"
    "output: run\n"
    "model: {hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2,\n"
    "        num_attention_heads: 2, hidden_dropout_prob: 0.05}\n"
    "tokenizer: {vocab: vocab.txt}\n"
    "task: {train: [train.tsv], valid: [valid.tsv], max_length: 16}\n"
    "train: {steps: 60, batch_size: 16, learning_rate: 3e-3, threads: 1, schedule: constant,\n"
    "        warmup_steps: 1}\n";

/* ---- the data ---- */

static const char *const fillers[] = {"film", "book", "was", "the", "very"};

static void put_fillers(FILE *file, struct random *random, uint32_t at_most)
{
    for (uint32_t i = random_below(random, at_most + 1); i > 0; i--)
        fprintf(file, "%s ", fillers[random_below(random, 5)]);
}

static FILE *open_file(const char *name)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    return file;
}

static void write_classes(const char *name, int examples, uint64_t seed)
{
    FILE *file = open_file(name);
    struct random random = random_begin(seed, RANDOM_TEST, 1, 0);
    fprintf(file, "text\tlabel\n");
    for (int i = 0; i < examples; i++) {
        put_fillers(file, &random, 4);
        fprintf(file, "%s ", i % 2 ? "good" : "bad");
        put_fillers(file, &random, 4);
        fprintf(file, "\t%s\n", i % 2 ? "positive" : "negative");
    }
    fclose(file);
}

static void write_numbers(const char *name, int examples, uint64_t seed)
{
    FILE *file = open_file(name);
    struct random random = random_begin(seed, RANDOM_TEST, 2, 0);
    fprintf(file, "text,label\r\n");
    for (int i = 0; i < examples; i++) {
        put_fillers(file, &random, 4);
        for (int j = 0; j < i % 4; j++)
            fprintf(file, "good ");
        fprintf(file, "film,%d.6\r\n", i % 4);
    }
    fclose(file);
}

static void write_words(const char *name, int texts, uint64_t seed)
{
    FILE *file = open_file(name);
    struct random random = random_begin(seed, RANDOM_TEST, 3, 0);
    for (int i = 0; i < texts; i++) {
        for (uint32_t j = random_below(&random, 3); j > 0; j--)
            fprintf(file, "%s O\n", fillers[random_below(&random, 5)]);
        fprintf(file, i % 2 ? "ann B-PER\nlikes O\n" : "the O\nnew B-LOC\nyork I-LOC\nwas O\n");
        fprintf(file, "\n");
    }
    fclose(file);
}

/* The working directory is the scratch directory. */
static int set_up(void **state)
{
    int status = scratch_set_up(state);
    struct scratch *scratch = *state;
    if (status || chdir(scratch->directory))
        return -1;
    scratch_write_text(scratch, "vocab.txt", vocabulary);
    scratch_write_text(scratch, "run.yaml", config_text);
    write_classes("train.tsv", 120, 1);
    write_classes("valid.tsv", 40, 2);
    return 0;
}

static int tear_down(void **state)
{
    return chdir("/") == 0 ? scratch_tear_down(state) : -1;
}

/* ---- running ---- */

/* Runs `cloze finetune run.yaml --json` with the settings, which end with NULL, and returns what it
 * prints. */
static json_t *finetune(const char *const *settings, bool resume)
{
    const char *arguments[40] = {"finetune", "run.yaml", "--json"};
    size_t count = 3;
    for (; *settings; settings++) {
        arguments[count++] = "--set";
        arguments[count++] = *settings;
    }
    if (resume)
        arguments[count++] = "--resume";
    struct program_result result = run_cloze(arguments);
    if (result.status)
        fail_msg("status %d: %s", result.status, result.err);
    json_t *printed = json_loads(result.out, 0, NULL);
    assert_non_null(printed);
    program_result_free(&result);
    return printed;
}
#define FINETUNE(...) finetune((const char *const[]){__VA_ARGS__, NULL}, false)
#define RESUME(...)   finetune((const char *const[]){__VA_ARGS__, NULL}, true)

static double value_of(const json_t *object)
{
    const json_t *value = json_object_get(object, "value");
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static struct buffer contents(const char *path)
{
    struct buffer text = {0};
    struct error error = {0};
    if (!file_read(path, 1 << 26, &text, &error))
        fail_msg("%s", error.message);
    return text;
}

static void assert_same_file(const char *a, const char *b)
{
    struct buffer x = contents(a), y = contents(b);
    assert_int_equal(x.size, y.size);
    assert_memory_equal(x.data, y.data, x.size);
    buffer_free(&x);
    buffer_free(&y);
}

static void assert_in_file(const char *path, const char *text)
{
    struct buffer buffer = contents(path);
    struct error error = {0};
    assert_true(buffer_append(&buffer, "", 1, &error));
    if (!strstr(buffer.data, text))
        fail_msg("%s: no %s in\n%s", path, text, buffer.data);
    buffer_free(&buffer);
}

static size_t count_lines(const char *path)
{
    struct buffer text = contents(path);
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
    /* bf16 needs heads of a multiple of 32. */
    struct program_result result =
        RUN_CLOZE("finetune", "run.yaml", "--set", "train.precision=bf16", "--set",
                  "train.steps=60", "--set", "model.num_attention_heads=1");
    const bool absent = result.status == 2 && strstr(result.err, "bf16 cannot be used");
    if (!absent && result.status)
        fail_msg("status %d: %s", result.status, result.err);
    if (!absent)
        assert_non_null(strstr(result.out, "accuracy on the held-out examples\n  seed 5 "));
    program_result_free(&result);
    if (absent)
        skip_test("this processor has no bf16 products");
}

/* ---- stopping and going on ---- */

#define MODEL_AT(run, step)     run "/checkpoints/step-000000" step "/model.safetensors"
#define OPTIMIZER_AT(run, step) run "/checkpoints/step-000000" step "/optimizer.safetensors"

static void resuming_is_exact(void **state)
{
    (void)state;
    json_decref(FINETUNE("output=whole", "train.steps=30", "train.keep_checkpoints=0"));
    json_decref(FINETUNE("output=parts", "train.steps=11", "train.keep_checkpoints=0"));
    json_decref(RESUME("output=parts", "train.steps=30", "train.keep_checkpoints=0"));
    assert_same_file(MODEL_AT("whole", "30"), MODEL_AT("parts", "30"));
    assert_same_file(OPTIMIZER_AT("whole", "30"), OPTIMIZER_AT("parts", "30"));
    assert_same_file("whole/predictions.tsv", "parts/predictions.tsv");
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
    struct buffer text = contents("run/checkpoints/latest/training_state.json");
    json_t *saved = json_loadb(text.data, text.size, 0, NULL);
    const json_int_t step = json_integer_value(json_object_get(saved, "step"));
    assert_int_equal(step - json_integer_value(json_object_get(saved, "best_step")), 15);
    assert_int_equal(json_integer_value(json_object_get(saved, "evaluations_since_best")), 3);
    json_decref(saved);
    buffer_free(&text);
    char best[64];
    snprintf(best, sizeof best, "run/checkpoints/step-%08d/model.safetensors", (int)step - 15);
    assert_same_file(best, "run/checkpoints/best/model.safetensors");
    /* As a model the run is the one that has the results. */
    SUCCEED("export", "run", "exported", "--for", "encoder");
    SUCCEED("export", "run/checkpoints/best", "exported-best", "--for", "encoder");
    SUCCEED("export", "run/checkpoints/latest", "exported-latest", "--for", "encoder");
    assert_same_file("exported/model.safetensors", "exported-best/model.safetensors");
    struct buffer of_run = contents("exported/model.safetensors");
    struct buffer of_latest = contents("exported-latest/model.safetensors");
    assert_int_equal(of_run.size, of_latest.size);
    assert_memory_not_equal(of_run.data, of_latest.data, of_run.size);
    buffer_free(&of_run);
    buffer_free(&of_latest);
    /* It stays at its end. */
    json_decref(RESUME("train.steps=400", "train.eval_every=5", "train.patience=3"));
    assert_false(path_exists("run/checkpoints/step-00000400"));
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

/* ---- seeds ---- */

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
    assert_same_file("run/best/predictions.tsv", best);
    json_decref(printed);
    SUCCEED("info", "run"); /* as a model it is its best run */
    ASSERT_CLOZE_SAYS(2, "run/seed-3 already contains a run", "finetune", "run.yaml", "--set",
                      "train.seeds=[3, 8]");
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
    assert_same_file(MODEL_AT("single", "10"), MODEL_AT("plain", "10"));
    assert_same_file(MODEL_AT("single", "10"), MODEL_AT("several/seed-8", "10"));
}

static void resuming_finishes_the_seeds_that_are_left(void **state)
{
    (void)state;
    json_decref(FINETUNE("train.seeds=[3, 8]", "train.steps=10", "output=whole"));
    json_decref(FINETUNE("seed=3", "train.steps=4", "output=parts/seed-3"));
    json_decref(RESUME("train.seeds=[3, 8]", "train.steps=10", "output=parts"));
    assert_same_file(MODEL_AT("whole/seed-3", "10"), MODEL_AT("parts/seed-3", "10"));
    assert_same_file(MODEL_AT("whole/seed-8", "10"), MODEL_AT("parts/seed-8", "10"));
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
    struct buffer text = contents(path);
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

static void bad_input_is_refused(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "strange.tsv", "text\tlabel\ngood film\tpositive\nbook\tso-so\n");
    ASSERT_CLOZE_SAYS(2, "strange.tsv:3", "finetune", "run.yaml", "--set",
                      "task.valid=strange.tsv");
    scratch_write_text(scratch, "one.tsv", "text\tlabel\ngood\tpositive\ngood\tpositive\n");
    ASSERT_CLOZE_SAYS(2, "one.tsv", "finetune", "run.yaml", "--set", "task.train=one.tsv");
    ASSERT_CLOZE_SAYS(2, "task.text", "finetune", "run.yaml", "--set", "task.text=sentence");
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

#define FINETUNE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FINETUNE_TEST(classification_is_learned),
        FINETUNE_TEST(regression_is_learned),
        FINETUNE_TEST(labels_of_words_are_learned),
        FINETUNE_TEST(bf16_is_a_precision_of_it),
        FINETUNE_TEST(resuming_is_exact),
        FINETUNE_TEST(a_finished_run_gives_its_results_again),
        FINETUNE_TEST(other_examples_are_refused_on_resume),
        FINETUNE_TEST(patience_ends_a_run),
        FINETUNE_TEST(a_best_checkpoint_that_is_damaged_or_gone),
        FINETUNE_TEST(patience_ends_a_run_without_a_result),
        FINETUNE_TEST(several_seeds_have_a_directory_each),
        FINETUNE_TEST(several_seeds_do_not_mix_with_a_single_one),
        FINETUNE_TEST(a_single_seed_is_the_run_itself),
        FINETUNE_TEST(resuming_finishes_the_seeds_that_are_left),
        FINETUNE_TEST(a_model_is_taken_up),
        FINETUNE_TEST(frozen_layers_keep_their_bytes),
        FINETUNE_TEST(bad_input_is_refused),
        FINETUNE_TEST(commands_tell_the_two_configurations_apart),
        FINETUNE_TEST(a_metric_that_is_not_defined_is_null),
        FINETUNE_TEST(help_describes_the_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
