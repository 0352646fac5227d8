/* cloze info, run as a user runs it. */

#include "base/file.h"
#include "checkpoint/training_state.h"
#include "model/huggingface.h"
#include "model/model.h"
#include "support/scratch.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

/* The exit status of `cloze info ARGUMENTS`; *output gets what it printed on the stream with that
 * number. */
static int run_info(const char *arguments, int stream, struct buffer *output)
{
    char command[1024], chunk[4096];
    struct error error = {0};
    snprintf(command, sizeof command, "%s info %s %s", TEST_PROGRAM, arguments,
             stream == 1 ? "2>/dev/null" : "2>&1 >/dev/null");
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t size;
    while ((size = fread(chunk, 1, sizeof chunk, pipe)) > 0)
        assert_true(buffer_append(output, chunk, size, &error));
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* A model without tokenizer in the scratch directory. */
static void write_model(struct scratch *scratch)
{
    struct error error = {0};
    struct model_config config;
    assert_true(model_config_size("tiny", &config));
    config.vocab_size = 50;
    config.hidden_size = 8;
    config.num_attention_heads = 2;
    config.intermediate_size = 16;
    config.max_position_embeddings = 12;
    assert_true(model_config_check(&config, "test", &error));
    struct model *model = model_create(&config, &error);
    assert_non_null(model);
    assert_true(huggingface_save_model(scratch->directory, &config, &model->table,
                                       model->parameters.values, &error));
    model_free(model);
}

static void write_state(struct scratch *scratch)
{
    char config[] = "seed: 1\n";
    struct error error = {0};
    struct training_state state = {.step = 1200,
                                   .tokens = 5000,
                                   .micro_batch_size = 16,
                                   .ranks = 1,
                                   .best_step = -1,
                                   .config = config};
    assert_true(training_state_write(scratch->directory, &state, &error));
}

static json_t *info_json(struct scratch *scratch, int expected_status)
{
    char arguments[128];
    struct buffer output = {0};
    snprintf(arguments, sizeof arguments, "%s --json", scratch->directory);
    assert_int_equal(run_info(arguments, 1, &output), expected_status);
    json_t *report = json_loadb(output.data, output.size, 0, NULL);
    assert_non_null(report);
    buffer_free(&output);
    return report;
}

static const char *status_of(const json_t *report, const char *name)
{
    size_t i;
    const json_t *file;
    json_array_foreach (json_object_get(report, "files"), i, file)
        if (strcmp(json_string_value(json_object_get(file, "name")), name) == 0)
            return json_string_value(json_object_get(file, "status"));
    return "absent";
}

static void test_a_model_directory(void **state)
{
    write_model(*state);
    json_t *report = info_json(*state, 0);
    json_t *architecture = json_object_get(report, "architecture");
    assert_int_equal(json_integer_value(json_object_get(architecture, "hidden_size")), 8);
    assert_int_equal(json_integer_value(json_object_get(architecture, "vocab_size")), 50);
    /* embeddings (50 + 12 + 2 + 2) 8; two layers of 4 (64 + 8) + 2 (8 * 16) + 16 + 8 + 4 * 8;
     * pooler 72; heads 72 + 16 + 50 and 18 */
    const int expected = 66 * 8 + 2 * (288 + 256 + 24 + 32) + 72 + 138 + 18;
    assert_int_equal(json_integer_value(json_object_get(report, "parameters")), expected);
    assert_int_equal(json_array_size(json_object_get(report, "parts")), 4);
    assert_string_equal(status_of(report, "model.safetensors"), "no checksum");
    assert_null(json_object_get(report, "training"));
    json_decref(report);
}

static void test_a_checkpoint_is_compared_with_its_checksums(void **state)
{
    write_model(*state);
    write_state(*state);
    json_t *report = info_json(*state, 0);
    const json_t *training = json_object_get(report, "training");
    assert_int_equal(json_integer_value(json_object_get(training, "step")), 1200);
    assert_int_equal(json_integer_value(json_object_get(training, "tokens")), 5000);
    assert_string_equal(status_of(report, "model.safetensors"), "intact");
    assert_string_equal(status_of(report, "config.json"), "intact");
    json_decref(report);
}

static void test_damage_is_reported_and_an_error(void **state)
{
    struct scratch *scratch = *state;
    struct buffer output = {0};
    write_model(scratch);
    write_state(scratch);
    scratch_write_text(scratch, "model.safetensors", "damaged");
    json_t *report = info_json(scratch, 2);
    assert_string_equal(status_of(report, "model.safetensors"), "damaged");
    assert_string_equal(status_of(report, "config.json"), "intact");
    json_decref(report);
    assert_int_equal(run_info(scratch->directory, 2, &output), 2);
    assert_non_null(strstr(output.data, "model.safetensors: holds 7 bytes; expected "));
    buffer_free(&output);
}

/* The directory is named by a byte that is not UTF-8. */
static void test_damage_is_an_error_whatever_the_path(void **state)
{
    struct scratch *scratch = *state;
    struct buffer output = {0};
    char path[100];
    write_model(scratch);
    write_state(scratch);
    scratch_write_text(scratch, "model.safetensors", "damaged");
    snprintf(path, sizeof path, "%s\xff", scratch->directory);
    assert_int_equal(rename(scratch->directory, path), 0);
    const int status = run_info(path, 2, &output);
    assert_int_equal(rename(path, scratch->directory), 0);
    assert_int_equal(status, 2);
    assert_non_null(strstr(output.data, "model.safetensors: holds 7 bytes; expected "));
    buffer_free(&output);
}

static void test_the_text_names_what_matters(void **state)
{
    struct scratch *scratch = *state;
    struct buffer output = {0};
    write_model(scratch);
    write_state(scratch);
    assert_int_equal(run_info(scratch->directory, 1, &output), 0);
    assert_non_null(strstr(output.data, "2 layers, hidden size 8, 2 heads, intermediate size 16"));
    assert_non_null(strstr(output.data, "step             1,200\n"));
    assert_non_null(strstr(output.data, "parameters       1,956 in encoder, pooler, mlm_head"));
    buffer_free(&output);
}

static void test_what_is_no_model_is_an_error(void **state)
{
    (void)state;
    struct buffer output = {0};
    assert_int_equal(run_info("no/such/model", 2, &output), 2);
    assert_non_null(strstr(output.data, "cloze info: no/such/model: no such directory; expected a "
                                        "model directory, a checkpoint or a run directory"));
    buffer_free(&output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_a_model_directory),
        SCRATCH_TEST(test_a_checkpoint_is_compared_with_its_checksums),
        SCRATCH_TEST(test_damage_is_reported_and_an_error),
        SCRATCH_TEST(test_damage_is_an_error_whatever_the_path),
        SCRATCH_TEST(test_the_text_names_what_matters),
        SCRATCH_TEST(test_what_is_no_model_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
