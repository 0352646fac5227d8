/* Tests models in several files: model.safetensors.index.json and its shards. */
#include "model/huggingface.h"

#include "base/buffer.h"
#include "support/model_directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Writes two shards, divided at the fifth tensor, and an index of both. */
static void write_shards(struct model_directory *model)
{
    struct buffer index = {0};
    struct error *error = &model->error;
    assert_true(buffer_print(&index, error, "{\"metadata\":{},\"weight_map\":{"));
    for (size_t i = 0; i < model->count; i++)
        assert_true(buffer_print(&index, error, "%s\"%s\":\"part-%d\"", i ? "," : "",
                                 model->tensors[i].name, i < 5 ? 1 : 2));
    assert_true(buffer_print(&index, error, "}}"));
    write_tensors(model, "part-1", 0, 5);
    write_tensors(model, "part-2", 5, model->count);
    scratch_write(model->scratch, "model.safetensors.index.json", index.data, index.size);
    buffer_free(&index);
}

static void shards_are_joined(void **state)
{
    struct model_directory *model = *state;
    write_shards(model);
    if (!load_directory(model, 0))
        fail_msg("%s", model->error.message);
    assert_int_equal(model->missing.groups, 0);
    expect_groups(model, ALL_GROUPS);
}

static void a_tensor_in_two_shards_is_refused(void **state)
{
    struct model_directory *model = *state;
    write_shards(model);
    write_tensors(model, "part-2", 4, model->count);
    char expected[256];
    snprintf(expected, sizeof expected,
             "/part-2: tensor bert.embeddings.LayerNorm.bias is a duplicate of "
             "bert.embeddings.LayerNorm.bias in %s/part-1",
             model->scratch->directory);
    assert_false(load_directory(model, 0));
    expect_message(model, expected);
}

static void a_shard_must_hold_what_the_index_says(void **state)
{
    struct model_directory *model = *state;
    write_shards(model);
    write_tensors(model, "part-1", 0, 4);
    assert_false(load_directory(model, 0));
    expect_message(model, "/part-1: tensor bert.embeddings.LayerNorm.bias is missing; "
                          "model.safetensors.index.json says it is there");
}

static void a_missing_shard_is_named(void **state)
{
    struct model_directory *model = *state;
    write_shards(model);
    remove(scratch_path(model->scratch, "part-2"));
    assert_false(load_directory(model, 0));
    assert_int_equal(model->error.kind, ERROR_INPUT);
    assert_non_null(strstr(model->error.message, model->scratch->path));
}

static void an_index_must_stay_in_its_directory(void **state)
{
    struct model_directory *model = *state;
    const char *names[] = {"../part-1", "/etc/passwd", "a/b", "..", ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[128], expected[256];
        snprintf(text, sizeof text, "{\"weight_map\":{\"a\":\"%s\"}}", names[i]);
        snprintf(expected, sizeof expected,
                 "/model.safetensors.index.json: the file of tensor a is \"%s\"; expected the name "
                 "of a file in the directory of the index",
                 names[i]);
        scratch_write_text(model->scratch, "model.safetensors.index.json", text);
        assert_false(load_directory(model, 0));
        expect_message(model, expected);
    }
}

static void an_index_must_map_tensors_to_files(void **state)
{
    struct model_directory *model = *state;
    const char *texts[] = {"{}", "{\"weight_map\":[\"a\"]}", "{\"weight_map\":{}}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        scratch_write_text(model->scratch, "model.safetensors.index.json", texts[i]);
        assert_false(load_directory(model, 0));
        expect_message(model, "/model.safetensors.index.json: expected weight_map, an object "
                              "from tensors to files");
    }
    scratch_write_text(model->scratch, "model.safetensors.index.json",
                       "{\"weight_map\":{\"a\":1}}");
    assert_false(load_directory(model, 0));
    expect_message(model, "/model.safetensors.index.json: the file of tensor a is \"\"; expected "
                          "the name of a file in the directory of the index");
}

int main(void)
{
#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, model_directory_set_up, model_directory_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(shards_are_joined),
        TEST(a_tensor_in_two_shards_is_refused),
        TEST(a_shard_must_hold_what_the_index_says),
        TEST(a_missing_shard_is_named),
        TEST(an_index_must_stay_in_its_directory),
        TEST(an_index_must_map_tensors_to_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
