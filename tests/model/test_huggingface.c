#include "model/huggingface.h"

#include "support/model_directory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_loads(struct model_directory *model)
{
    if (!load_tensors(model, 0))
        fail_msg("%s", model->error.message);
    assert_int_equal(model->missing.groups, 0);
    assert_int_equal(model->missing.new_rows, 0);
    expect_groups(model, ALL_GROUPS);
}

static void expect_refusal(struct model_directory *model, const char *message)
{
    model->missing = (struct huggingface_missing){.groups = 99, .new_rows = 99};
    assert_false(load_tensors(model, 0));
    assert_int_equal(model->missing.groups, 99);
    assert_int_equal(model->missing.new_rows, 99);
    expect_message(model, message);
}

#define WORDS     "bert.embeddings.word_embeddings.weight"
#define POSITIONS "bert.embeddings.position_embeddings.weight"
#define QUERY     "bert.encoder.layer.1.attention.self.query.weight"

/* ---- saving and loading ---- */

static void a_saved_model_is_loaded(void **state)
{
    struct model_directory *model = *state;
    struct model_config config;
    const char *directory = model->scratch->directory;
    assert_true(huggingface_save_model(directory, &model->config, &model->table, model->block,
                                       &model->error));
    assert_true(
        model_config_load(scratch_path(model->scratch, "config.json"), &config, &model->error));
    assert_int_equal(config.vocab_size, 11);
    assert_true(load_directory(model, 0));
    assert_int_equal(model->missing.groups, 0);
    expect_groups(model, ALL_GROUPS);
}

static void the_file_holds_the_table(void **state)
{
    struct model_directory *model = *state;
    struct safetensors file;
    assert_true(huggingface_save_model(model->scratch->directory, &model->config, &model->table,
                                       model->block, &model->error));
    assert_true(
        safetensors_open(scratch_path(model->scratch, "model.safetensors"), &file, &model->error));
    assert_int_equal(file.count, model->table.count);
    for (size_t i = 0; i < file.count; i++) {
        assert_string_equal(file.tensors[i].name, model->table.list[i].name);
        assert_int_equal(file.tensors[i].dtype, DTYPE_REAL);
    }
    assert_string_equal(tensor_describe(safetensors_find(&file, WORDS)).text, "F32 [11, 6]");
    assert_string_equal(tensor_describe(safetensors_find(&file, "cls.predictions.bias")).text,
                        "F32 [11]");
    safetensors_close(&file);
}

static void saving_into_no_directory_fails(void **state)
{
    struct model_directory *model = *state;
    char directory[600];
    snprintf(directory, sizeof directory, "%s/absent", model->scratch->directory);
    assert_false(huggingface_save_model(directory, &model->config, &model->table, model->block,
                                        &model->error));
    assert_non_null(strstr(model->error.message, directory));
}

/* ---- other names ---- */

static void names_without_prefix_are_accepted(void **state)
{
    struct model_directory *model = *state;
    for (size_t i = 0; i < model->count; i++)
        if (strncmp(model->tensors[i].name, "bert.", 5) == 0)
            model->tensors[i].name += 5;
    expect_loads(model);
}

static void gamma_and_beta_are_accepted(void **state)
{
    struct model_directory *model = *state;
    find_tensor(model, "cls.predictions.transform.LayerNorm.weight")->name =
        "cls.predictions.transform.LayerNorm.gamma";
    find_tensor(model, "bert.encoder.layer.0.output.LayerNorm.bias")->name =
        "bert.encoder.layer.0.output.LayerNorm.beta";
    expect_loads(model);
}

static void position_ids_are_ignored(void **state)
{
    struct model_directory *model = *state;
    static const int64_t ids[7] = {0, 1, 2, 3, 4, 5, 6};
    add_tensor(model,
               (struct tensor){"embeddings.position_ids", DTYPE_I64, 2, {1, 7}, ids, sizeof ids});
    expect_loads(model);
}

static const char decoder_weight[] = "cls.predictions.decoder.weight";
static const char decoder_bias[] = "cls.predictions.decoder.bias";

static void the_tied_decoder_is_accepted(void **state)
{
    struct model_directory *model = *state;
    struct tensor weight = *find_tensor(model, WORDS),
                  bias = *find_tensor(model, "cls.predictions.bias");
    weight.name = decoder_weight;
    bias.name = decoder_bias;
    add_tensor(model, weight);
    add_tensor(model, bias);
    expect_loads(model);
}

/* Asserts that the encoder and the pooler load alone, and the MLM head counts as not used. */
static void expect_encoder(struct model_directory *model)
{
    for (size_t i = 0; i < model->table.total; i++)
        model->loaded[i] = UNTOUCHED;
    assert_true(huggingface_load_encoder(model->scratch->directory, &model->table, model->loaded,
                                         &model->missing, &model->error));
    expect_groups(model, 1U << GROUP_ENCODER | 1U << GROUP_POOLER);
    assert_true(model->missing.unused_groups & 1U << GROUP_MLM_HEAD);
}

/* transformers takes whichever of two tied tensors the file has. */
static void the_decoder_stands_for_what_it_is_tied_to(void **state)
{
    struct model_directory *model = *state;
    find_tensor(model, "cls.predictions.bias")->name = decoder_bias;
    expect_loads(model);
    list_tensors(model);
    find_tensor(model, WORDS)->name = decoder_weight;
    expect_loads(model);
    expect_encoder(model);
}

/* Without the head that uses it, the decoder need not be tied. */
static void the_decoder_is_left_where_only_the_encoder_is_loaded(void **state)
{
    struct model_directory *model = *state;
    static const float other[11 * 6] = {0};
    add_tensor(model, (struct tensor){decoder_weight, DTYPE_F32, 2, {11, 6}, other, sizeof other});
    write_tensors(model, "model.safetensors", 0, model->count);
    expect_encoder(model);
    assert_false(load_directory(model, 0));
    drop_tensors(model, "cls.predictions.");
    add_tensor(model, (struct tensor){decoder_weight, DTYPE_F32, 2, {11, 6}, other, sizeof other});
    write_tensors(model, "model.safetensors", 0, model->count);
    expect_encoder(model);
}

static void an_untied_decoder_is_refused(void **state)
{
    struct model_directory *model = *state;
    struct tensor bias = *find_tensor(model, "cls.predictions.bias");
    float other[11];
    tensor_read_float(&bias, 0, 11, other);
    other[9] = 0.5F;
    add_tensor(model, (struct tensor){decoder_bias, DTYPE_F32, 1, {11}, other, sizeof other});
    char expected[256];
    snprintf(expected, sizeof expected,
             "/model.safetensors: tensor cls.predictions.decoder.bias differs from "
             "cls.predictions.bias at element 9: 0.5; expected %.9g, since the decoder is tied to "
             "the word embeddings",
             (double)((const real *)bias.data)[9]);
    expect_refusal(model, expected);
}

static void a_decoder_of_another_shape_is_refused(void **state)
{
    struct model_directory *model = *state;
    struct tensor weight = *find_tensor(model, WORDS);
    weight.name = decoder_weight;
    weight.shape[0] = 10;
    weight.size -= 6 * sizeof(real);
    add_tensor(model, weight);
    expect_refusal(model, "/model.safetensors: tensor cls.predictions.decoder.weight is "
                          "F32 [10, 6]; expected F32 [11, 6]");
}

/* ---- other dtypes ---- */

static void other_floating_dtypes_are_converted(void **state)
{
    struct model_directory *model = *state;
    double doubles[11];
    uint16_t halves[10], bfloats[42];
    for (int i = 0; i < 11; i++)
        doubles[i] = i;
    for (int i = 0; i < 10; i++)
        halves[i] = (uint16_t)(0x3C00 + i); /* 1 + i / 1024 */
    for (int i = 0; i < 42; i++)
        bfloats[i] = (uint16_t)(0x3F80 + i); /* 1 + i / 128 */
    const char *names[] = {find_tensor(model, "cls.predictions.bias")->name,
                           find_tensor(model, "bert.encoder.layer.1.intermediate.dense.bias")->name,
                           find_tensor(model, POSITIONS)->name};
    *find_tensor(model, names[0]) =
        (struct tensor){names[0], DTYPE_F64, 1, {11}, doubles, sizeof doubles};
    *find_tensor(model, names[1]) =
        (struct tensor){names[1], DTYPE_F16, 1, {10}, halves, sizeof halves};
    *find_tensor(model, names[2]) =
        (struct tensor){names[2], DTYPE_BF16, 2, {7, 6}, bfloats, sizeof bfloats};
    assert_true(load_tensors(model, 0));
    const real *out[3];
    for (int i = 0; i < 3; i++)
        out[i] = model->loaded + parameter_find(&model->table, names[i])->offset;
    for (int i = 0; i < 11; i++)
        assert_true(out[0][i] == (real)i);
    for (int i = 0; i < 10; i++)
        assert_true(out[1][i] == 1 + (real)i / 1024);
    for (int i = 0; i < 42; i++)
        assert_true(out[2][i] == 1 + (real)i / 128);
}

static void integers_are_refused(void **state)
{
    struct model_directory *model = *state;
    static const int32_t integers[6];
    struct tensor *tensor = find_tensor(model, "bert.pooler.dense.bias");
    *tensor = (struct tensor){tensor->name, DTYPE_I32, 1, {6}, integers, sizeof integers};
    expect_refusal(model, "/model.safetensors: tensor bert.pooler.dense.bias is I32 [6]; "
                          "expected F32, F16, BF16 or F64");
}

static void values_that_are_not_finite_are_refused(void **state)
{
    struct model_directory *model = *state;
    const size_t at = parameter_find(&model->table, QUERY)->offset + 35;
    const char *message =
        "/model.safetensors: tensor " QUERY " holds a value that is not a finite number";
    model->block[at] = (real)NAN;
    expect_refusal(model, message);
    model->block[at] = (real)-INFINITY;
    expect_refusal(model, message);
}

static void values_too_large_for_the_model_are_refused(void **state)
{
    struct model_directory *model = *state;
    static const double doubles[6] = {[5] = 1e39};
    struct tensor *tensor = find_tensor(model, "bert.pooler.dense.bias");
    *tensor = (struct tensor){tensor->name, DTYPE_F64, 1, {6}, doubles, sizeof doubles};
    expect_refusal(model, "/model.safetensors: tensor bert.pooler.dense.bias holds a value that "
                          "is not a finite number");
}

/* ---- missing and extra tensors ---- */

static void an_encoder_alone_is_accepted(void **state)
{
    struct model_directory *model = *state;
    drop_tensors(model, "bert.pooler");
    drop_tensors(model, "cls.");
    assert_true(load_tensors(model, 0));
    assert_int_equal(model->missing.groups,
                     1 << GROUP_POOLER | 1 << GROUP_MLM_HEAD | 1 << GROUP_NSP_HEAD);
    expect_groups(model, 1 << GROUP_ENCODER);
}

static void a_masked_language_model_has_no_pooler(void **state)
{
    struct model_directory *model = *state;
    drop_tensors(model, "bert.pooler");
    drop_tensors(model, "cls.seq_relationship");
    assert_true(load_tensors(model, 0));
    assert_int_equal(model->missing.groups, 1 << GROUP_POOLER | 1 << GROUP_NSP_HEAD);
    expect_groups(model, 1 << GROUP_ENCODER | 1 << GROUP_MLM_HEAD);
}

static void half_a_part_is_refused(void **state)
{
    struct model_directory *model = *state;
    drop_tensors(model, "cls.predictions.transform.dense.weight");
    expect_refusal(model, ": tensor cls.predictions.transform.dense.weight is missing; expected "
                          "F32 [6, 6]");
    list_tensors(model);
    drop_tensors(model, "cls.seq_relationship.bias");
    expect_refusal(model, ": tensor cls.seq_relationship.bias is missing; expected F32 [2]");
}

static void a_decoder_alone_is_half_a_head(void **state)
{
    struct model_directory *model = *state;
    struct tensor weight = *find_tensor(model, WORDS);
    weight.name = decoder_weight;
    drop_tensors(model, "cls.predictions");
    add_tensor(model, weight);
    expect_refusal(model, ": tensor cls.predictions.transform.dense.weight is missing; expected "
                          "F32 [6, 6]");
}

static void the_encoder_must_be_complete(void **state)
{
    struct model_directory *model = *state;
    drop_tensors(model, "bert.encoder.layer.1.");
    expect_refusal(model, ": tensor " QUERY " is missing; expected F32 [6, 6]");
    list_tensors(model);
    drop_tensors(model, "bert.e");
    expect_refusal(model, ": tensor " WORDS " is missing; expected F32 [11, 6]");
}

static void heads_of_other_tasks_are_not_used(void **state)
{
    struct model_directory *model = *state;
    struct tensor tensor = *find_tensor(model, "cls.seq_relationship.weight");
    static const char *const names[] = {"classifier.weight", "qa_outputs.weight", "a.b", "a.c"};
    for (int i = 0; i < 4; i++) {
        tensor.name = names[i];
        add_tensor(model, tensor);
    }
    expect_loads(model);
    assert_int_equal(model->missing.unused_groups, 1U << GROUP_CLASSIFIER);
    assert_int_equal(model->missing.unused_count, 3);
    assert_string_equal(huggingface_unused(&model->missing).text,
                        "the classifier, qa_outputs.weight, a.b, a.c");
}

static void more_layers_than_the_configuration_has_are_refused(void **state)
{
    struct model_directory *model = *state;
    struct tensor tensor = *find_tensor(model, QUERY);
    tensor.name = "bert.encoder.layer.2.attention.self.query.weight";
    add_tensor(model, tensor);
    expect_refusal(model, "/model.safetensors: tensor "
                          "bert.encoder.layer.2.attention.self.query.weight, F32 [6, 6], does "
                          "not belong to the encoder that config.json describes");
}

static void names_of_wrappers_are_accepted(void **state)
{
    static const char *const wrappers[] = {"module.", "model.", "_orig_mod.", "module._orig_mod."};
    struct model_directory *model = *state;
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++) {
        static char names[64][160];
        list_tensors(model);
        assert_true(model->count <= 64);
        for (size_t j = 0; j < model->count; j++) {
            snprintf(names[j], sizeof names[j], "%s%s", wrappers[i], model->tensors[j].name);
            model->tensors[j].name = names[j];
        }
        expect_loads(model);
        assert_int_equal(model->missing.unused_count, 0);
    }
}

static void one_tensor_under_two_names_is_refused(void **state)
{
    struct model_directory *model = *state;
    struct tensor tensor = *find_tensor(model, "bert.pooler.dense.bias");
    tensor.name += 5;
    add_tensor(model, tensor);
    char expected[256];
    snprintf(expected, sizeof expected,
             "/model.safetensors: tensor pooler.dense.bias is a duplicate of "
             "bert.pooler.dense.bias in %s/model.safetensors",
             model->scratch->directory);
    expect_refusal(model, expected);
}

static void other_shapes_are_refused(void **state)
{
    struct model_directory *model = *state;
    struct tensor *tensor = find_tensor(model, QUERY);
    tensor->shape[0] = 4;
    tensor->shape[1] = 9;
    expect_refusal(model,
                   "/model.safetensors: tensor " QUERY " is F32 [4, 9]; expected F32 [6, 6]");
    tensor->axes = 1;
    tensor->shape[0] = 36;
    expect_refusal(model, "/model.safetensors: tensor " QUERY " is F32 [36]; expected F32 [6, 6]");
}

static void very_long_names_are_extra(void **state)
{
    struct model_directory *model = *state;
    static char name[TENSOR_MAX_NAME + 1] = "encoder.";
    static const char suffix[] = "LayerNorm.gamma";
    memset(name + 8, 'x', TENSOR_MAX_NAME - 8);
    memcpy(name + TENSOR_MAX_NAME - strlen(suffix), suffix, strlen(suffix));
    struct tensor tensor = *find_tensor(model, "bert.pooler.dense.bias");
    tensor.name = name;
    add_tensor(model, tensor);
    char expected[512];
    snprintf(expected, sizeof expected,
             "/model.safetensors: tensor %s, F32 [6], does not belong to the encoder that "
             "config.json describes",
             name);
    expect_refusal(model, expected);
}

/* ---- what is not there ---- */

static void what_is_missing_is_said(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    struct log log = log_open(stream);
    struct huggingface_missing missing = {0};
    huggingface_log_missing("dir", &missing, &log);
    fflush(stream);
    assert_string_equal(text, "");
    missing.groups = 1U << GROUP_POOLER | 1U << GROUP_NSP_HEAD;
    missing.new_rows = 3;
    missing.unused_count = 4;
    snprintf(missing.unused, sizeof missing.unused, "a, b, c");
    missing.unused_groups = 1U << GROUP_NSP_HEAD | 1U << GROUP_CLASSIFIER;
    huggingface_log_missing("dir", &missing, &log);
    huggingface_log_missing("dir", &missing, NULL);
    fclose(stream);
    assert_string_equal(text, "dir has no pooler; initializing a new one\n"
                              "the NSP head of dir is not used; initializing a new one\n"
                              "dir has a smaller vocabulary; initializing the last 3 tokens\n"
                              "not used of dir: the classifier, a, b, c and 1 more\n");
    free(text);
}

static void a_directory_without_a_model_is_refused(void **state)
{
    struct model_directory *model = *state;
    assert_false(load_directory(model, 0));
    expect_message(model, ": found neither model.safetensors nor model.safetensors.index.json");
}

static void other_formats_are_named_with_the_way_out(void **state)
{
    static const struct {
        const char *file, *message;
    } formats[] = {
        {"model.onnx", ": expected model.safetensors, found model.onnx"},
        {"flax_model.msgpack", ": expected model.safetensors, found flax_model.msgpack, weights of "
                               "Flax; convert them with transformers 4"},
        {"tf_model.h5", ": expected model.safetensors, found tf_model.h5, weights of TensorFlow; "
                        "convert them with transformers 4"},
        {"pytorch_model.bin", ": expected model.safetensors, found pytorch_model.bin; make "
                              "model.safetensors of it, in its directory: python3 -c \"import "},
        {"adapter_config.json", ": expected model.safetensors, found adapter_config.json, an "
                                "adapter without its model; merge the two"},
    };
    struct model_directory *model = *state;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const char *directory = model->scratch->directory;
        scratch_write_text(model->scratch, formats[i].file, "");
        assert_false(load_directory(model, 0));
        assert_memory_equal(model->error.message + strlen(directory), formats[i].message,
                            strlen(formats[i].message));
    }
}

int main(void)
{
#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, model_directory_set_up, model_directory_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_saved_model_is_loaded),
        TEST(the_file_holds_the_table),
        TEST(saving_into_no_directory_fails),
        TEST(names_without_prefix_are_accepted),
        TEST(gamma_and_beta_are_accepted),
        TEST(position_ids_are_ignored),
        TEST(the_tied_decoder_is_accepted),
        TEST(an_untied_decoder_is_refused),
        TEST(a_decoder_of_another_shape_is_refused),
        TEST(other_floating_dtypes_are_converted),
        TEST(integers_are_refused),
        TEST(values_that_are_not_finite_are_refused),
        TEST(values_too_large_for_the_model_are_refused),
        TEST(an_encoder_alone_is_accepted),
        TEST(a_masked_language_model_has_no_pooler),
        TEST(half_a_part_is_refused),
        TEST(a_decoder_alone_is_half_a_head),
        TEST(the_encoder_must_be_complete),
        TEST(heads_of_other_tasks_are_not_used),
        TEST(more_layers_than_the_configuration_has_are_refused),
        TEST(names_of_wrappers_are_accepted),
        TEST(the_decoder_stands_for_what_it_is_tied_to),
        TEST(the_decoder_is_left_where_only_the_encoder_is_loaded),
        TEST(one_tensor_under_two_names_is_refused),
        TEST(other_shapes_are_refused),
        TEST(very_long_names_are_extra),
        cmocka_unit_test(what_is_missing_is_said),
        TEST(a_directory_without_a_model_is_refused),
        TEST(other_formats_are_named_with_the_way_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
