#include "support/model_directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char names[64][200];

/* Puts `wrapper` before each name of the list, and replaces "bert." by `encoder` in the names of
 * the encoder. */
static void rename_tensors(struct model_directory *model, const char *encoder, const char *wrapper)
{
    list_tensors(model);
    assert_true(model->count <= 64);
    for (size_t i = 0; i < model->count; i++) {
        const char *name = model->tensors[i].name;
        bool in_encoder = strncmp(name, "bert.", 5) == 0;
        snprintf(names[i], sizeof names[i], "%s%s", in_encoder ? encoder : wrapper,
                 in_encoder ? name + 5 : name);
        model->tensors[i].name = names[i];
    }
}

static void expect_prefix(struct model_directory *model, const char *prefix)
{
    if (!load_tensors(model, 0))
        fail_msg("%s", model->error.message);
    assert_int_equal(model->missing.groups, 0);
    assert_int_equal(model->missing.unused_count, 0);
    assert_string_equal(model->missing.prefix, prefix);
    expect_groups(model, ALL_GROUPS);
}

static void usual_names_are_not_worth_a_word(void **state)
{
    static const char *const encoders[] = {"bert.", ""};
    for (int i = 0; i < 2; i++) {
        rename_tensors(*state, encoders[i], "");
        expect_prefix(*state, "");
    }
}

/* A row has the prefix of the encoder and that of the heads. */
static void whatever_holds_an_encoder_is_accepted(void **state)
{
    static const char *const prefixes[][2] = {
        {"0.auto_model.", ""},         {"student.", ""},
        {"bert_model.", ""},           {"encoder.", ""},
        {"bert.bert.", "bert."},       {"model.bert.", "model."},
        {"model.bert.", ""},           {"model.model.bert.", "model.model."},
        {"encoder.bert.", "encoder."}, {"encoder.encoder.", ""},
        {"bert.encoder.", "bert."},    {"pooler.bert.", "pooler."},
        {"text.embeddings.", "text."}};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        rename_tensors(*state, prefixes[i][0], prefixes[i][1]);
        expect_prefix(*state, prefixes[i][0]);
    }
}

/* The names have the wrappers of DataParallel, compile and FSDP, around the whole model and around
 * parts of it. */
static void wrappers_within_names_are_accepted(void **state)
{
    struct model_directory *model = *state;
    rename_tensors(model, "_fsdp_wrapped_module.student._orig_mod.", "module.");
    find_tensor(model, "_fsdp_wrapped_module.student._orig_mod.encoder.layer.1.output.dense.bias")
        ->name = "student.encoder.layer.1._fsdp_wrapped_module._checkpoint_wrapped_module."
                 "output.dense.bias";
    expect_prefix(model, "_fsdp_wrapped_module.student._orig_mod.");
}

static void the_encoder_is_found_without_its_words(void **state)
{
    struct model_directory *model = *state;
    rename_tensors(model, "student.", "student.");
    find_tensor(model, "student.embeddings.word_embeddings.weight")->name =
        "student.cls.predictions.decoder.weight";
    find_tensor(model, "student.embeddings.LayerNorm.weight")->name =
        "student.embeddings.LayerNorm.gamma";
    expect_prefix(model, "student.");
}

static void a_pooler_of_a_bare_encoder_is_its_own(void **state)
{
    struct model_directory *model = *state;
    rename_tensors(model, "net.bert.", "net.");
    find_tensor(model, "net.bert.pooler.dense.bias")->name = "net.pooler.dense.bias";
    find_tensor(model, "net.bert.pooler.dense.weight")->name = "net.pooler.dense.weight";
    expect_prefix(model, "net.bert.");
}

static void two_encoders_are_named(void **state)
{
    struct model_directory *model = *state;
    rename_tensors(model, "student.", "");
    struct tensor other = *find_tensor(model, "student.embeddings.word_embeddings.weight");
    other.name = "module.teacher.bert.embeddings.word_embeddings.weight";
    add_tensor(model, other);
    assert_false(load_tensors(model, 0));
    expect_message(model, ": holds two encoders: names of tensors begin with \"student.\" and "
                          "with \"module.teacher.bert.\"; expected one: save the one to be used "
                          "by itself");
}

static void other_tensors_are_listed(void **state)
{
    struct model_directory *model = *state;
    rename_tensors(model, "0.auto_model.", "");
    drop_tensors(model, "cls.");
    struct tensor dense = *find_tensor(model, "0.auto_model.pooler.dense.weight");
    dense.name = "2.linear.weight";
    add_tensor(model, dense);
    assert_true(load_tensors(model, 0));
    assert_string_equal(model->missing.unused, "2.linear.weight");
    assert_int_equal(model->missing.groups, 1 << GROUP_MLM_HEAD | 1 << GROUP_NSP_HEAD);
}

/* A student may be saved with its teacher's head, or with both heads. */
static void heads_of_another_encoder_are_not_taken(void **state)
{
    struct model_directory *model = *state;
    rename_tensors(model, "bert.", "teacher.");
    assert_true(load_tensors(model, 0));
    assert_int_equal(model->missing.groups, 1 << GROUP_MLM_HEAD | 1 << GROUP_NSP_HEAD);
    assert_true(model->missing.unused_count > 0);
    assert_true(strncmp(model->missing.unused, "teacher.cls.", 12) == 0);
}

static void the_encoder_has_its_own_heads_of_two(void **state)
{
    struct model_directory *model = *state;
    rename_tensors(model, "student.bert.", "student.");
    struct tensor other = *find_tensor(model, "student.cls.predictions.bias");
    other.name = "teacher.cls.predictions.bias";
    add_tensor(model, other);
    if (!load_tensors(model, 0))
        fail_msg("%s", model->error.message);
    assert_int_equal(model->missing.groups, 0);
    assert_int_equal(model->missing.unused_count, 1);
    assert_string_equal(model->missing.unused, "teacher.cls.predictions.bias");
}

/* An encoder with too many tensors is refused under any prefix. */
static void a_larger_encoder_is_refused_under_its_prefix(void **state)
{
    struct model_directory *model = *state;
    rename_tensors(model, "student.", "");
    struct tensor more = *find_tensor(model, "student.encoder.layer.1.output.dense.bias");
    more.name = "student.encoder.layer.2.output.dense.bias";
    add_tensor(model, more);
    assert_false(load_tensors(model, 0));
    expect_message(model, "/model.safetensors: tensor student.encoder.layer.2.output.dense.bias, "
                          "F32 [6], does not belong to the encoder that config.json describes");
}

static void the_prefix_is_said(void **state)
{
    (void)state;
    struct huggingface_missing missing = {.prefix = "0.auto_model."};
    char text[200] = "";
    FILE *stream = fmemopen(text, sizeof text, "w");
    struct log log = log_open(stream);
    huggingface_log_missing("DIR", &missing, &log);
    fclose(stream);
    assert_string_equal(text, "the encoder: tensors whose names begin with \"0.auto_model.\"\n");
}

int main(void)
{
#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, model_directory_set_up, model_directory_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(usual_names_are_not_worth_a_word),
        TEST(whatever_holds_an_encoder_is_accepted),
        TEST(wrappers_within_names_are_accepted),
        TEST(the_encoder_is_found_without_its_words),
        TEST(a_pooler_of_a_bare_encoder_is_its_own),
        TEST(two_encoders_are_named),
        TEST(other_tensors_are_listed),
        TEST(heads_of_another_encoder_are_not_taken),
        TEST(the_encoder_has_its_own_heads_of_two),
        TEST(a_larger_encoder_is_refused_under_its_prefix),
        cmocka_unit_test(the_prefix_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
