#include "checkpoint/training_state.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "cloze/version.h"
#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char config_text[] = "seed: -7 # \xc3\xbc \"quoted\"\n";

static const struct training_state sample = {.step = 123456789012,
                                             .tokens = INT64_MAX,
                                             .seconds = 0.1,
                                             .seed = INT64_MIN,
                                             .phase = 2,
                                             .best_step = 99,
                                             .best_score = 1.0 / 3,
                                             .skipped_steps = 12,
                                             .skipped_in_row = 3,
                                             .micro_batch_size = 16,
                                             .ranks = 8,
                                             .norms = {100, 2.0 / 3, 1e-17 / 3},
                                             .config = config_text};

static void write_state(struct scratch *scratch, const struct training_state *state)
{
    struct error error = {0};
    bool written = training_state_write(scratch->directory, state, &error);
    assert_string_equal(error.message, "");
    assert_true(written);
}

static struct training_state read_state(struct scratch *scratch)
{
    struct error error = {0};
    struct training_state state;
    bool read = training_state_read(scratch->directory, &state, &error);
    assert_string_equal(error.message, "");
    assert_true(read);
    return state;
}

static void test_every_value_reads_back_exactly(void **state)
{
    write_state(*state, &sample);
    struct training_state read = read_state(*state);
    assert_true(read.step == sample.step);
    assert_true(read.tokens == sample.tokens);
    assert_true(read.seconds == sample.seconds);
    assert_true(read.seed == sample.seed);
    assert_true(read.phase == sample.phase);
    assert_true(read.best_step == sample.best_step);
    assert_true(read.best_score == sample.best_score);
    assert_true(read.skipped_steps == sample.skipped_steps);
    assert_true(read.skipped_in_row == sample.skipped_in_row);
    assert_true(read.micro_batch_size == sample.micro_batch_size);
    assert_true(read.ranks == sample.ranks);
    assert_memory_equal(&read.norms, &sample.norms, sizeof sample.norms);
    assert_string_equal(read.config, config_text);
    assert_string_equal(read.cloze_version, CLOZE_VERSION);
    assert_int_equal(read.file_count, 0);
    training_state_free(&read);
}

static void test_before_the_first_evaluation_there_is_no_best(void **state)
{
    struct training_state none = sample;
    none.best_step = -1;
    none.best_score = NAN;
    write_state(*state, &none);
    struct training_state read = read_state(*state);
    assert_int_equal(read.best_step, -1);
    training_state_free(&read);
}

static void test_files_are_listed_with_size_and_checksum(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    scratch_write_text(scratch, "b.txt", "hello");
    scratch_write_text(scratch, "a.bin", "");
    scratch_write_text(scratch, ".hidden", "not part of it");
    write_state(scratch, &sample);
    write_state(scratch, &sample); /* does not list itself */
    struct training_state read = read_state(scratch);
    assert_int_equal(read.file_count, 2);
    assert_string_equal(read.files[0].name, "a.bin");
    assert_int_equal(read.files[0].size, 0);
    assert_string_equal(read.files[1].name, "b.txt");
    assert_int_equal(read.files[1].size, 5);
    assert_true(read.files[1].hash == hash_bytes("hello", 5));
    assert_true(checkpoint_file_verify(scratch->directory, &read.files[0], &error));
    assert_true(checkpoint_file_verify(scratch->directory, &read.files[1], &error));

    scratch_write_text(scratch, "b.txt", "hellO");
    assert_false(checkpoint_file_verify(scratch->directory, &read.files[1], &error));
    char expected[64];
    snprintf(expected, sizeof expected, "expected %016llx",
             (unsigned long long)hash_bytes("hello", 5));
    assert_non_null(strstr(error.message, "b.txt: its checksum is "));
    assert_non_null(strstr(error.message, expected));
    training_state_free(&read);
}

static void test_what_json_cannot_hold_is_an_error(void **state)
{
    struct scratch *scratch = *state;
    struct training_state bad = sample;
    struct error error = {0};
    bad.seconds = INFINITY;
    assert_false(training_state_write(scratch->directory, &bad, &error));
    assert_non_null(strstr(error.message, "training_state.json: "));
    assert_false(path_exists(scratch_path(scratch, "training_state.json")));
}

/* ---- changed and damaged files ---- */

static void assert_read_fails(struct scratch *scratch, const char *message)
{
    struct error error = {0};
    struct training_state read;
    assert_false(training_state_read(scratch->directory, &read, &error));
    if (!strstr(error.message, message))
        fail_msg("found \"%s\"; expected \"%s\"", error.message, message);
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_null(read.config);
    assert_null(read.files);
}

/* The sample's file with one key set to another JSON value; NULL: without the key. */
static void write_changed(struct scratch *scratch, const char *key, const char *value)
{
    struct error error = {0};
    write_state(scratch, &sample);
    const char *path = scratch_path(scratch, "training_state.json");
    json_t *object = json_read_sealed(path, false, &error);
    assert_non_null(object);
    if (value)
        json_object_set_new(object, key, json_loads(value, JSON_DECODE_ANY, NULL));
    else
        json_object_del(object, key);
    assert_true(json_write_sealed(path, object, &error));
    json_decref(object);
}

static void test_every_key_is_checked(void **state)
{
    static const struct {
        const char *key, *value, *message;
    } cases[] = {
        {"format_version", "2", "\"format_version\" is 2; expected 1, the only version"},
        {"format_version", NULL, "no key \"format_version\"; expected 1"},
        {"step", "-1", "\"step\" is -1; expected a whole number, at least 0"},
        {"step", "1.5", "\"step\" is 1.5; expected a whole number, at least 0"},
        {"step", NULL, "no key \"step\"; expected a whole number"},
        {"tokens", "\"7\"", "\"tokens\" is \"7\"; expected a whole number"},
        {"seed", "null", "\"seed\" is null; expected a whole number"},
        {"phase", "[]", "\"phase\" is []; expected a whole number"},
        {"seconds", "true", "\"seconds\" is true; expected a number"},
        {"skipped_steps", "-1", "\"skipped_steps\" is -1; expected a whole number, at least 0"},
        {"micro_batch_size", "0", "\"micro_batch_size\" is 0; expected a whole number, at least 1"},
        {"ranks", "0", "\"ranks\" is 0; expected a whole number, at least 1"},
        {"ranks", "\"2\"", "\"ranks\" is \"2\"; expected a whole number, at least 1"},
        {"grad_norm_count", NULL, "no key \"grad_norm_count\"; expected a whole number"},
        {"grad_norm_mean", "null", "\"grad_norm_mean\" is null; expected a number"},
        {"config", "{}", "\"config\" is {}; expected a text"},
        {"cloze_version", "1", "\"cloze_version\" is 1; expected a text"},
        {"best_step", "null", "\"best_step\" is null; expected a whole number, at least 0"},
        {"best_mlm_loss", "null", "\"best_mlm_loss\" is null; expected a number"},
        {"files", "[]", "\"files\" is []; expected an object"},
        {"files", "{\"../x\": {}}", "files: \"../x\"; expected the plain name of a file"},
        {"files", "{\"a/b\": {}}", "files: \"a/b\"; expected the plain name of a file"},
        {"files", "{\"x\": {\"size\": 1}}", "files: \"x\": expected {\"size\": bytes, \"xxh3\""},
        {"files", "{\"x\": {\"size\": -1, \"xxh3\": \"0123456789abcdef\"}}", "files: \"x\""},
        {"files", "{\"x\": {\"size\": 1, \"xxh3\": \"0123456789abcdeg\"}}", "files: \"x\""},
        {"files", "{\"x\": 3}", "files: \"x\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_changed(*state, cases[i].key, cases[i].value);
        assert_read_fails(*state, cases[i].message);
    }
}

/* Older versions trained in one process, and have not recorded it. */
static void test_without_ranks_there_was_one(void **state)
{
    write_changed(*state, "ranks", NULL);
    struct training_state read = read_state(*state);
    assert_int_equal(read.ranks, 1);
    training_state_free(&read);
}

static void test_a_torn_or_missing_file_is_an_error(void **state)
{
    struct scratch *scratch = *state;
    assert_read_fails(scratch, "training_state.json: cannot open: No such file or directory");
    scratch_write_text(scratch, "training_state.json", "{\"format_version\": 1,\n \"step\"");
    assert_read_fails(scratch,
                      "training_state.json: is damaged: it does not end with its checksum");
}

static void test_every_changed_byte_and_every_cut_is_noticed(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    struct buffer bytes = {0};
    write_state(scratch, &sample);
    assert_true(file_read(scratch_path(scratch, "training_state.json"), 1 << 20, &bytes, &error));
    for (size_t i = 0; i < bytes.size; i++)
        for (int bit = 0; bit < 8; bit++) {
            bytes.data[i] = (char)(bytes.data[i] ^ 1 << bit);
            scratch_write(scratch, "training_state.json", bytes.data, bytes.size);
            assert_read_fails(scratch, "training_state.json: is damaged: ");
            bytes.data[i] = (char)(bytes.data[i] ^ 1 << bit);
        }
    for (size_t size = 0; size < bytes.size; size++) {
        scratch_write(scratch, "training_state.json", bytes.data, size);
        assert_read_fails(scratch, "training_state.json: is damaged: ");
    }
    buffer_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_every_value_reads_back_exactly),
        SCRATCH_TEST(test_before_the_first_evaluation_there_is_no_best),
        SCRATCH_TEST(test_files_are_listed_with_size_and_checksum),
        SCRATCH_TEST(test_what_json_cannot_hold_is_an_error),
        SCRATCH_TEST(test_every_key_is_checked),
        SCRATCH_TEST(test_without_ranks_there_was_one),
        SCRATCH_TEST(test_a_torn_or_missing_file_is_an_error),
        SCRATCH_TEST(test_every_changed_byte_and_every_cut_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
