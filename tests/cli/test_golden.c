/* The program beside what PyTorch and Hugging Face computed (tests/golden): losses, logits,
 * gradients, masks filled, pairs judged, the losses of a training. The tolerances are those of
 * docs/exactness.md. */
#include "base/file.h"
#include "base/json.h"
#include "model/safetensors.h"
#include "support/golden.h"
#include "support/program.h"
#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct program_result run_well(const char *const *arguments)
{
    struct program_result result = run_cloze(arguments);
    if (result.status)
        fail_msg("status %d: %s", result.status, result.err);
    return result;
}

#define RUN_WELL(...) run_well((const char *const[]){__VA_ARGS__, NULL})

/* ---- score ---- */

/* The model with another activation, in the scratch directory. */
static void write_model(struct scratch *scratch, const char *activation)
{
    struct error error = {0};
    struct buffer weights = {0};
    json_t *config = golden_json("bert/config.json");
    json_object_set_new(config, "hidden_act", json_string(activation));
    assert_true(json_write_file(scratch_path(scratch, "config.json"), config, &error));
    json_decref(config);
    assert_true(file_read(GOLDEN_PATH("bert/model.safetensors"), 1 << 20, &weights, &error));
    scratch_write(scratch, "model.safetensors", weights.data, weights.size);
    buffer_free(&weights);
}

static double *read_elements(const struct tensor *tensor, size_t *count)
{
    *count = 1;
    for (int i = 0; i < tensor->axes; i++)
        *count *= (size_t)tensor->shape[i];
    double *elements = calloc(*count + 1, sizeof *elements);
    assert_non_null(elements);
    tensor_read_double(tensor, 0, *count, elements);
    return elements;
}

struct deviation {
    double largest, norm, expected_norm;
};

static struct deviation compare(const struct tensor *found, const struct tensor *expected)
{
    size_t count, expected_count;
    struct deviation deviation = {0};
    if (!found)
        fail_msg("%s is missing", expected->name);
    double *a = read_elements(found, &count), *b = read_elements(expected, &expected_count);
    assert_int_equal(count, expected_count);
    for (size_t i = 0; i < count; i++) {
        deviation.largest = fmax(deviation.largest, fabs(a[i] - b[i]));
        deviation.norm += (a[i] - b[i]) * (a[i] - b[i]);
        deviation.expected_norm += b[i] * b[i];
    }
    deviation.norm = sqrt(deviation.norm);
    deviation.expected_norm = sqrt(deviation.expected_norm);
    free(a);
    free(b);
    return deviation;
}

/* Losses within 1e-5, gradients within 1e-4 of their norm; logits within 1e-4. The gradient of a
 * key bias is zero in exact arithmetic: within 1e-6. */
static void expect_near(const struct tensor *found, const struct tensor *expected)
{
    struct deviation deviation = compare(found, expected);
    bool near = strstr(expected->name, "logits")     ? deviation.largest < 1e-4
                : strstr(expected->name, "key.bias") ? deviation.largest < 1e-6
                : strstr(expected->name, "loss") ? deviation.norm < 1e-5 * deviation.expected_norm
                                                 : deviation.norm < 1e-4 * deviation.expected_norm;
    if (!near)
        fail_msg("%s: differs by %g at most, norm %g of %g", expected->name, deviation.largest,
                 deviation.norm, deviation.expected_norm);
}

static void expect_scores(struct scratch *scratch, const char *activation)
{
    struct error error = {0};
    struct safetensors found, expected;
    char output[600], golden[1024];
    write_model(scratch, activation);
    snprintf(output, sizeof output, "%s", scratch_path(scratch, "score.safetensors"));
    snprintf(golden, sizeof golden, GOLDEN_PATH("score-%s.safetensors"), activation);
    struct program_result result =
        RUN_WELL("score", scratch->directory, "--batch", GOLDEN_PATH("batch.safetensors"),
                 "--output", output, "--gradients");
    program_result_free(&result);
    if (!safetensors_open(output, &found, &error) || !safetensors_open(golden, &expected, &error))
        fail_msg("%s", error.message);
    assert_int_equal(found.count, expected.count);
    for (size_t i = 0; i < expected.count; i++)
        expect_near(safetensors_find(&found, expected.tensors[i].name), &expected.tensors[i]);
    safetensors_close(&found);
    safetensors_close(&expected);
}

static void scores_are_those_of_pytorch(void **state)
{
    static const char *const activations[] = {"gelu", "gelu_new", "relu"};
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        expect_scores(*state, activations[i]);
}

/* ---- fill and nsp ---- */

static json_t *parse(const char *text)
{
    json_error_t problem;
    json_t *value = json_loads(text, 0, &problem);
    if (!value)
        fail_msg("%s: %s", problem.text, text);
    return value;
}

static void expect_candidate(const json_t *found, const json_t *expected)
{
    static const char *const texts[] = {"token_str", "sequence"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_string_equal(golden_string(found, texts[i]), golden_string(expected, texts[i]));
    assert_int_equal(json_integer_value(golden_member(found, "token")),
                     json_integer_value(golden_member(expected, "token")));
    assert_true(fabs(json_real_value(golden_member(found, "score")) -
                     json_real_value(golden_member(expected, "score"))) < 1e-5);
}

static void expect_masks(const json_t *answer)
{
    struct program_result result = RUN_WELL("fill", GOLDEN_PATH("bert"),
                                            golden_string(answer, "text"), "--top", "5", "--json");
    json_t *found = parse(result.out);
    const json_t *masks = golden_member(answer, "masks"), *mask, *candidate;
    size_t i, j;
    assert_int_equal(json_array_size(found), json_array_size(masks));
    json_array_foreach (masks, i, mask) {
        const json_t *ours = json_array_get(found, i);
        assert_int_equal(json_array_size(ours), 5);
        json_array_foreach (mask, j, candidate)
            expect_candidate(json_array_get(ours, j), candidate);
    }
    json_decref(found);
    program_result_free(&result);
}

static void masks_are_filled_as_by_the_pipeline(void **state)
{
    (void)state;
    json_t *golden = golden_json("fill.json");
    const json_t *answer;
    size_t i;
    json_array_foreach (golden_member(golden, "answers"), i, answer)
        expect_masks(answer);
    assert_true(i >= 4);
    json_decref(golden);
}

static void pairs_are_judged_as_by_hugging_face(void **state)
{
    (void)state;
    json_t *golden = golden_json("nsp.json");
    const json_t *answer;
    size_t i;
    json_array_foreach (golden_member(golden, "answers"), i, answer) {
        const json_t *pair = golden_member(answer, "pair");
        struct program_result result =
            RUN_WELL("nsp", GOLDEN_PATH("bert"), json_string_value(json_array_get(pair, 0)),
                     json_string_value(json_array_get(pair, 1)), "--json");
        json_t *found = parse(result.out);
        assert_true(fabs(json_real_value(golden_member(found, "is_next")) -
                         json_real_value(golden_member(answer, "is_next"))) < 1e-5);
        json_decref(found);
        program_result_free(&result);
    }
    assert_true(i >= 3);
    json_decref(golden);
}

/* ---- train ---- */

static void expect_losses(const char *records, const json_t *losses)
{
    size_t step = 0;
    for (const char *line = records; *line; line = strchr(line, '\n') + 1) {
        json_t *record = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
        assert_non_null(record);
        if (!json_is_true(json_object_get(record, "eval"))) {
            double found = json_real_value(golden_member(record, "loss"));
            double expected = json_real_value(json_array_get(losses, step++));
            if (!(fabs(found / expected - 1) < 1e-4))
                fail_msg("step %zu: loss %.7f, expected %.7f", step, found, expected);
        }
        json_decref(record);
    }
    assert_int_equal(step, json_array_size(losses));
}

static void a_training_has_the_losses_of_pytorch(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    struct buffer records = {0};
    json_t *golden = golden_json("training.json"), *config = golden_member(golden, "config");
    json_object_set_new(config, "output", json_string("run"));
    json_object_set_new(config, "seed", json_integer(1));
    json_object_set_new(golden_member(config, "model"), "init_from",
                        json_string(GOLDEN_PATH("bert")));
    json_object_set_new(golden_member(config, "data"), "train",
                        json_pack("[s]", GOLDEN_PATH("text.txt")));
    assert_true(json_write_file(scratch_path(scratch, "config.yaml"), config, &error));
    struct program_result result = RUN_WELL("train", scratch->path);
    program_result_free(&result);
    assert_true(file_read(scratch_path(scratch, "run/metrics.jsonl"), 1 << 20, &records, &error));
    expect_losses(records.data, golden_member(golden, "losses"));
    buffer_free(&records);
    json_decref(golden);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(scores_are_those_of_pytorch),
        cmocka_unit_test(masks_are_filled_as_by_the_pipeline),
        cmocka_unit_test(pairs_are_judged_as_by_hugging_face),
        SCRATCH_TEST(a_training_has_the_losses_of_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
