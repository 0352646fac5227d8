#include "report/metrics.h"

#include "base/file.h"
#include "base/random.h"
#include "support/full_disk.h"
#include "support/scratch.h"

#include <glob.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static const struct train_metrics sample = {.step = 100,
                                            .loss = 9.75,
                                            .mlm_loss = 9.0625,
                                            .nsp_loss = 0.6875,
                                            .mlm_accuracy = 0.04,
                                            .nsp_accuracy = 0.5,
                                            .perplexity = 8625.5,
                                            .predictions = 4812,
                                            .pairs = 256,
                                            .learning_rate = 1e-5,
                                            .grad_norm = 2.5,
                                            .tokens = 3276800,
                                            .tokens_per_second = 8120.25,
                                            .seconds = 403.5,
                                            .save_stall_seconds = 0.25,
                                            .save_stall_steps = 0.5,
                                            .skipped_steps = 3};

static const struct eval_metrics eval_sample = {.step = 100,
                                                .loss = 9.5,
                                                .mlm_loss = 9,
                                                .nsp_loss = 0.5,
                                                .perplexity = 8103.084,
                                                .mlm_accuracy = 0.0625,
                                                .nsp_accuracy = 0.75,
                                                .predictions = 40210,
                                                .pairs = 2048,
                                                .seconds = 410};

static struct metrics_writer *open_metrics(const char *path, int64_t last_step, bool nsp)
{
    struct error error = {0};
    struct metrics_writer *writer =
        metrics_open(path, last_step, nsp ? METRICS_MLM_NSP : METRICS_MLM, &error);
    assert_string_equal(error.message, "");
    assert_non_null(writer);
    return writer;
}

static void assert_file_is(const char *path, const char *expected)
{
    struct buffer text = {0};
    struct error error = {0};
    assert_true(file_read(path, 1 << 20, &text, &error));
    assert_string_equal(text.size ? text.data : "", expected);
    buffer_free(&text);
}

static void write_steps(struct metrics_writer *writer, int64_t first, int64_t last)
{
    struct error error = {0};
    struct train_metrics record = sample;
    for (record.step = first; record.step <= last; record.step++)
        assert_true(metrics_write_train(writer, &record, &error));
}

static void test_records_have_the_documented_keys(void **state)
{
    const char *path = scratch_path(*state, "metrics.jsonl");
    struct error error = {0};
    struct metrics_writer *writer = open_metrics(path, -1, true);
    assert_true(metrics_write_train(writer, &sample, &error));
    assert_true(metrics_write_eval(writer, &eval_sample, &error));
    assert_file_is(path, "{\"step\": 100, \"eval\": false, \"loss\": 9.75, \"mlm_loss\": 9.0625, "
                         "\"nsp_loss\": 0.6875, \"mlm_accuracy\": 0.04, \"nsp_accuracy\": 0.5, "
                         "\"perplexity\": 8625.5, \"predictions\": 4812, \"pairs\": 256, "
                         "\"learning_rate\": 1e-05, \"grad_norm\": 2.5, \"tokens\": 3276800, "
                         "\"tokens_per_second\": 8120.25, \"seconds\": 403.5, "
                         "\"save_stall_seconds\": 0.25, \"save_stall_steps\": 0.5, "
                         "\"skipped_steps\": 3}\n"
                         "{\"step\": 100, \"eval\": true, \"loss\": 9.5, \"mlm_loss\": 9.0, "
                         "\"nsp_loss\": 0.5, \"mlm_accuracy\": 0.0625, \"nsp_accuracy\": 0.75, "
                         "\"perplexity\": 8103.084, \"predictions\": 40210, \"pairs\": 2048, "
                         "\"learning_rate\": null, \"grad_norm\": null, \"tokens\": null, "
                         "\"tokens_per_second\": null, \"seconds\": 410.0, "
                         "\"save_stall_seconds\": null, \"save_stall_steps\": null, "
                         "\"skipped_steps\": null}\n");
    metrics_close(writer);
}

static json_t *read_line(const char *path, int number)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    json_t *record = NULL;
    for (int i = 0; i < number; i++) {
        json_decref(record);
        record = json_loadf(file, JSON_DISABLE_EOF_CHECK, NULL);
        assert_non_null(record);
    }
    fclose(file);
    return record;
}

static void test_without_nsp_its_keys_are_null(void **state)
{
    const char *path = scratch_path(*state, "metrics.jsonl");
    struct error error = {0};
    struct metrics_writer *writer = open_metrics(path, -1, false);
    assert_true(metrics_write_train(writer, &sample, &error));
    assert_true(metrics_write_eval(writer, &eval_sample, &error));
    metrics_close(writer);
    for (int number = 1; number <= 2; number++) {
        json_t *record = read_line(path, number);
        assert_true(json_is_null(json_object_get(record, "nsp_loss")));
        assert_true(json_is_null(json_object_get(record, "nsp_accuracy")));
        assert_true(json_is_null(json_object_get(record, "pairs")));
        json_decref(record);
    }
}

/* Held-out text of one document has no pairs: 0 would be read as a perfect loss. */
static void test_an_evaluation_without_pairs_has_no_nsp_values(void **state)
{
    const char *path = scratch_path(*state, "metrics.jsonl");
    struct error error = {0};
    struct eval_metrics evaluation = eval_sample;
    evaluation.pairs = 0;
    struct metrics_writer *writer = open_metrics(path, -1, true);
    assert_true(metrics_write_eval(writer, &evaluation, &error));
    metrics_close(writer);
    json_t *record = read_line(path, 1);
    assert_true(json_is_null(json_object_get(record, "nsp_loss")));
    json_decref(record);
}

/* Readers take a column's type from its first values, and its names from the first record. */
static void test_every_record_has_every_key_with_its_type(void **state)
{
    static const char *const integers[] = {"step", "tokens", "skipped_steps", "predictions",
                                           "pairs"};
    const char *path = scratch_path(*state, "metrics.jsonl");
    struct error error = {0};
    const struct train_metrics whole = {.step = 1, .loss = 1, .tokens_per_second = 1e6, .pairs = 1};
    const struct eval_metrics zeros = {.step = 1, .pairs = 1, .perplexity = 1e9};
    struct metrics_writer *writer = open_metrics(path, -1, true);
    assert_true(metrics_write_train(writer, &whole, &error));
    assert_true(metrics_write_eval(writer, &zeros, &error));
    metrics_close(writer);
    json_t *train = read_line(path, 1), *eval = read_line(path, 2), *value;
    assert_int_equal(json_object_size(train), json_object_size(eval));
    const char *key;
    json_object_foreach (train, key, value) {
        const json_t *other = json_object_get(eval, key);
        bool integer = false;
        for (size_t i = 0; i < sizeof integers / sizeof *integers; i++)
            integer = integer || strcmp(key, integers[i]) == 0;
        assert_non_null(other);
        if (strcmp(key, "eval") == 0)
            continue;
        /* Readers that look at the first lines alone, which are of steps, find all types there. */
        if (json_is_integer(value) != integer || json_is_real(value) == integer)
            fail_msg("%s of a step", key);
        if (!json_is_null(other) && json_is_integer(other) != integer)
            fail_msg("%s of an evaluation", key);
    }
    json_decref(train);
    json_decref(eval);
}

/* The loss of the one record in the file, read by a JSON library. */
static const json_t *read_loss(const char *path, json_t **record)
{
    *record = json_load_file(path, 0, NULL);
    assert_non_null(*record);
    return json_object_get(*record, "loss");
}

static void test_numbers_read_back_as_the_same_float(void **state)
{
    const char *path = scratch_path(*state, "metrics.jsonl");
    struct random random = random_begin(5, RANDOM_TEST, 0, 0);
    for (int i = 0; i < 300; i++) {
        float value = (float)ldexp(random_unit(&random) - 0.5, i % 120 - 60);
        struct train_metrics record = sample;
        struct error error = {0};
        json_t *read;
        record.loss = (double)value;
        struct metrics_writer *writer = open_metrics(path, -1, true);
        assert_true(metrics_write_train(writer, &record, &error));
        metrics_close(writer);
        assert_true((float)json_number_value(read_loss(path, &read)) == value);
        json_decref(read);
    }
}

static void test_what_is_no_number_is_null(void **state)
{
    const char *path = scratch_path(*state, "metrics.jsonl");
    const double values[] = {NAN, INFINITY, -INFINITY, 1e300};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct train_metrics record = sample;
        struct error error = {0};
        json_t *read;
        record.loss = values[i];
        struct metrics_writer *writer = open_metrics(path, -1, true);
        assert_true(metrics_write_train(writer, &record, &error));
        metrics_close(writer);
        const json_t *loss = read_loss(path, &read);
        assert_true(json_is_null(loss));
        json_decref(read);
    }
}

/* The steps of the file's records as "1 2 3e ", e for an evaluation. */
static void assert_steps(const char *path, const char *expected)
{
    char steps[256] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    json_t *record;
    while ((record = json_loadf(file, JSON_DISABLE_EOF_CHECK, NULL))) {
        size_t used = strlen(steps);
        snprintf(steps + used, sizeof steps - used, "%lld%s ",
                 json_integer_value(json_object_get(record, "step")),
                 json_is_true(json_object_get(record, "eval")) ? "e" : "");
        json_decref(record);
    }
    fclose(file);
    assert_string_equal(steps, expected);
}

static void test_resuming_cuts_off_later_records(void **state)
{
    const char *path = scratch_path(*state, "metrics.jsonl");
    struct error error = {0};
    struct eval_metrics evaluation = eval_sample;
    struct metrics_writer *writer = open_metrics(path, -1, true);
    write_steps(writer, 1, 3);
    evaluation.step = 3;
    assert_true(metrics_write_eval(writer, &evaluation, &error));
    write_steps(writer, 4, 5);
    evaluation.step = 5;
    assert_true(metrics_write_eval(writer, &evaluation, &error));
    metrics_close(writer);
    assert_steps(path, "1 2 3 3e 4 5 5e ");

    writer = open_metrics(path, 3, true);
    assert_steps(path, "1 2 3 3e ");
    write_steps(writer, 4, 4);
    assert_steps(path, "1 2 3 3e 4 ");
    metrics_close(writer);

    metrics_close(open_metrics(path, -1, true));
    assert_file_is(path, "");
}

static void test_a_torn_last_line_is_removed(void **state)
{
    const char *text = "{\"step\": 1}\n{\"step\": 2}\n{\"step\": 3, \"lo";
    const char *path = scratch_write_text(*state, "metrics.jsonl", text);
    struct metrics_writer *writer = open_metrics(path, 10, true);
    assert_file_is(path, "{\"step\": 1}\n{\"step\": 2}\n");
    write_steps(writer, 3, 3);
    assert_steps(path, "1 2 3 ");
    metrics_close(writer);
}

static void test_a_file_with_nothing_to_remove_is_left_alone(void **state)
{
    const char *path = scratch_write_text(*state, "metrics.jsonl", "{\"step\": 1}\n");
    struct stat before, after;
    assert_int_equal(stat(path, &before), 0);
    metrics_close(open_metrics(path, 1, true));
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
}

static void test_a_foreign_line_is_an_error_with_its_number(void **state)
{
    const char *lines[] = {"epoch 1", "{\"loss\": 1}", "[1]", "", "{\"step\": \"2\"}"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[64], expected[256];
        struct error error = {0};
        snprintf(text, sizeof text, "{\"step\": 1}\n%s\n{\"step\": 3}\n", lines[i]);
        const char *path = scratch_write_text(*state, "metrics.jsonl", text);
        assert_null(metrics_open(path, 10, METRICS_MLM_NSP, &error));
        snprintf(expected, sizeof expected,
                 "%s:2: expected a JSON object with an integer \"step\"; found \"%s\". "
                 "Remove the line, or rename the file to start another",
                 path, lines[i]);
        assert_string_equal(error.message, expected);
        assert_int_equal(error.kind, ERROR_INPUT);
        assert_file_is(path, text);
    }
}

static void test_a_missing_directory_is_an_error(void **state)
{
    const char *path = scratch_path(*state, "absent/metrics.jsonl");
    struct error error = {0};
    assert_null(metrics_open(path, -1, METRICS_MLM_NSP, &error));
    assert_non_null(strstr(error.message, "absent/metrics.jsonl: cannot open for appending: No "
                                          "such file or directory"));
}

/* A limit on the size of files stands for a full disk. */
static void test_a_write_that_fails_is_an_error(void **state)
{
    const char *path = scratch_path(*state, "metrics.jsonl");
    struct error error = {0};
    struct metrics_writer *writer = open_metrics(path, -1, true);
    write_steps(writer, 1, 1);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);

    const struct full_disk disk = full_disk_begin((size_t)status.st_size + 10);
    bool written = metrics_write_train(writer, &sample, &error);
    full_disk_end(&disk);
    metrics_close(writer);
    assert_false(written);
    assert_non_null(strstr(error.message, "metrics.jsonl: cannot write: File too large"));

    metrics_close(open_metrics(path, 100, true)); /* the torn line goes */
    assert_steps(path, "1 ");
}

/* ---- TensorBoard ---- */

/* A value of a summary is its tag, then the byte 0x15 and a float (report/tensorboard.h). */
static bool events_hold(const struct buffer *events, const char *tag, double value)
{
    const char *found = memmem(events->data, events->size, tag, strlen(tag));
    float stored;
    if (!found)
        return false;
    found += strlen(tag);
    assert_int_equal(*found, 0x15);
    memcpy(&stored, found + 1, sizeof stored);
    assert_true(stored == (float)value);
    return true;
}

static void assert_event_tags(struct scratch *scratch, bool nsp, int64_t pairs)
{
    const struct {
        const char *tag;
        double value;
        bool nsp;
    } tags[] = {
        {"train/loss", sample.loss, false},
        {"train/mlm_loss", sample.mlm_loss, false},
        {"train/nsp_loss", sample.nsp_loss, true},
        {"train/mlm_accuracy", sample.mlm_accuracy, false},
        {"train/nsp_accuracy", sample.nsp_accuracy, true},
        {"train/learning_rate", sample.learning_rate, false},
        {"train/grad_norm", sample.grad_norm, false},
        {"train/tokens_per_second", sample.tokens_per_second, false},
        {"eval/mlm_loss", eval_sample.mlm_loss, false},
        {"eval/nsp_loss", eval_sample.nsp_loss, true},
        {"eval/mlm_accuracy", eval_sample.mlm_accuracy, false},
        {"eval/nsp_accuracy", eval_sample.nsp_accuracy, true},
        {"eval/perplexity", eval_sample.perplexity, false},
    };
    struct error error = {0};
    struct buffer events = {0};
    struct train_metrics train = sample;
    struct eval_metrics eval = eval_sample;
    train.pairs = eval.pairs = pairs;
    char *path = scratch_path_copy(scratch, "metrics.jsonl");
    struct event_writer *event_writer = event_writer_open(scratch->directory, 1e9, 1, &error);
    assert_non_null(event_writer);
    struct metrics_writer *writer = open_metrics(path, -1, nsp);
    metrics_send_events(writer, event_writer);
    assert_true(metrics_write_train(writer, &train, &error));
    assert_true(metrics_write_eval(writer, &eval, &error));
    metrics_close(writer);
    event_writer_close(event_writer);
    glob_t found;
    assert_int_equal(glob(scratch_path(scratch, "events.out.tfevents.*"), 0, NULL, &found), 0);
    assert_true(file_read(found.gl_pathv[found.gl_pathc - 1], 1 << 20, &events, &error));
    globfree(&found);
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        assert_int_equal(events_hold(&events, tags[i].tag, tags[i].value),
                         !tags[i].nsp || (nsp && pairs));
    buffer_free(&events);
    free(path);
}

static void test_events_have_the_values_that_apply(void **state)
{
    assert_event_tags(*state, false, 0);
    assert_event_tags(*state, true, 0); /* a step may have no pair with a label */
    assert_event_tags(*state, true, 8);
}

static void test_an_evaluation_without_any_number_has_no_event(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    const struct eval_metrics record = {.step = 3,
                                        .loss = NAN,
                                        .accuracy = NAN,
                                        .f1 = NAN,
                                        .matthews = NAN,
                                        .pearson = NAN,
                                        .spearman = NAN};
    char *path = scratch_path_copy(scratch, "metrics.jsonl");
    struct event_writer *events = event_writer_open(scratch->directory, 1e9, 1, &error);
    struct metrics_writer *writer = metrics_open(path, -1, METRICS_TASK, &error);
    metrics_send_events(writer, events);
    assert_true(metrics_write_eval(writer, &record, &error));
    metrics_close(writer);
    event_writer_close(events);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_records_have_the_documented_keys),
        SCRATCH_TEST(test_without_nsp_its_keys_are_null),
        SCRATCH_TEST(test_an_evaluation_without_pairs_has_no_nsp_values),
        SCRATCH_TEST(test_every_record_has_every_key_with_its_type),
        SCRATCH_TEST(test_numbers_read_back_as_the_same_float),
        SCRATCH_TEST(test_what_is_no_number_is_null),
        SCRATCH_TEST(test_resuming_cuts_off_later_records),
        SCRATCH_TEST(test_a_torn_last_line_is_removed),
        SCRATCH_TEST(test_a_file_with_nothing_to_remove_is_left_alone),
        SCRATCH_TEST(test_a_foreign_line_is_an_error_with_its_number),
        SCRATCH_TEST(test_a_missing_directory_is_an_error),
        SCRATCH_TEST(test_a_write_that_fails_is_an_error),
        SCRATCH_TEST(test_events_have_the_values_that_apply),
        SCRATCH_TEST(test_an_evaluation_without_any_number_has_no_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
