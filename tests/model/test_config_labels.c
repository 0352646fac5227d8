/* config.json of models with labels. */
#include "model/config.h"

#include "base/json.h"
#include "model/heads.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SIZES                                                                                      \
    "\"vocab_size\": 100, \"hidden_size\": 8, \"num_hidden_layers\": 1,"                           \
    "\"num_attention_heads\": 2, \"intermediate_size\": 16, \"max_position_embeddings\": 10"
#define SEQUENCES "{\"architectures\": [\"BertForSequenceClassification\"], " SIZES
#define TOKENS    "{\"architectures\": [\"BertForTokenClassification\"], " SIZES
#define NAMES     ", \"id2label\": {\"1\": \"good\", \"0\": \"bad\", \"2\": \"\\u00fc\"}"

/* The caller frees the labels. */
static struct model_config load(void **state, const char *text)
{
    struct error error = {0};
    struct model_config config;
    if (!model_config_load(scratch_write_text(*state, "config.json", text), &config, &error))
        fail_msg("%s", error.message);
    return config;
}

static void expect_heads(void **state, const char *text, const struct head_list *heads, int labels)
{
    struct model_config config = load(state, text);
    assert_ptr_equal(config.heads, heads);
    assert_int_equal(config.labels.count, labels);
    model_config_free(&config);
    assert_int_equal(config.labels.count, 0);
}

static void the_class_decides_the_heads(void **state)
{
    expect_heads(state, SEQUENCES NAMES "}", &sequence_classification_heads, 3);
    expect_heads(state, TOKENS NAMES "}", &token_classification_heads, 3);
    expect_heads(state, "{" SIZES NAMES "}", &pretraining_heads, 0);
    expect_heads(state, "{\"architectures\": [\"BertForQuestionAnswering\"], " SIZES NAMES "}",
                 &pretraining_heads, 0);
    expect_heads(state, "{\"architectures\": null, " SIZES "}", &pretraining_heads, 0);
}

/* As in transformers: one label without a problem_type is a number. */
static void the_problem_type_decides_between_classes_and_a_number(void **state)
{
    const struct head_list *classes = &sequence_classification_heads,
                           *number = &sequence_regression_heads;
    expect_heads(state, SEQUENCES ", \"problem_type\": null}", classes, 2);
    expect_heads(state, SEQUENCES ", \"problem_type\": \"single_label_classification\"}", classes,
                 2);
    expect_heads(state, SEQUENCES ", \"num_labels\": 1}", number, 1);
    expect_heads(state, SEQUENCES ", \"id2label\": {\"0\": \"score\"}, \"problem_type\": null}",
                 number, 1);
    expect_heads(
        state, SEQUENCES ", \"num_labels\": 1, \"problem_type\": \"single_label_classification\"}",
        classes, 1);
    expect_heads(state, SEQUENCES ", \"num_labels\": 1, \"problem_type\": \"regression\"}", number,
                 1);
    expect_heads(state, TOKENS ", \"num_labels\": 1, \"problem_type\": \"regression\"}",
                 &token_classification_heads, 1);
}

static void labels_have_the_order_of_their_numbers(void **state)
{
    struct model_config config = load(state, SEQUENCES NAMES "}");
    assert_string_equal(config.labels.names[0], "bad");
    assert_string_equal(config.labels.names[1], "good");
    assert_string_equal(config.labels.names[2], "\xc3\xbc");
    assert_int_equal(labels_find(&config.labels, "good"), 1);
    assert_int_equal(labels_find(&config.labels, "better"), -1);
    model_config_free(&config);
    config = load(state, SEQUENCES ", \"num_labels\": null}");
    assert_int_equal(config.labels.count, 2);
    model_config_free(&config);
    config = load(state, SEQUENCES ", \"num_labels\": 3}");
    assert_string_equal(config.labels.names[2], "LABEL_2");
    model_config_free(&config);
}

static void null_dropout_is_that_of_hidden_states(void **state)
{
    struct model_config config =
        load(state, SEQUENCES ", \"classifier_dropout\": null, \"hidden_dropout_prob\": 0.25}");
    assert_true(model_config_classifier_dropout(&config) == 0.25);
    model_config_free(&config);
    config = load(state, SEQUENCES ", \"classifier_dropout\": 0, \"hidden_dropout_prob\": 0.25}");
    assert_true(model_config_classifier_dropout(&config) == 0);
    model_config_free(&config);
}

static void expect_written(void **state, const char *text, const char *expected)
{
    struct error error = {0};
    struct model_config config = load(state, text);
    const char *path = scratch_path(*state, "again.json");
    assert_true(model_config_save_as(path, &config, config.heads->architecture, &error));
    json_t *found = json_read_file(path, &error), *keys = json_loads(expected, 0, NULL);
    const char *key;
    json_t *value;
    assert_non_null(keys);
    json_object_foreach (keys, key, value)
        if (!json_equal(json_object_get(found, key), value))
            fail_msg("%s differs", key);
    json_decref(found);
    json_decref(keys);
    model_config_free(&config);
}

static void labels_are_written_as_transformers_reads_them(void **state)
{
    expect_written(state, SEQUENCES NAMES ", \"classifier_dropout\": 0.5}",
                   "{\"architectures\": [\"BertForSequenceClassification\"],"
                   "\"problem_type\": \"single_label_classification\", \"classifier_dropout\": 0.5,"
                   "\"id2label\": {\"0\": \"bad\", \"1\": \"good\", \"2\": \"\\u00fc\"},"
                   "\"label2id\": {\"bad\": 0, \"good\": 1, \"\\u00fc\": 2}}");
    expect_written(state, SEQUENCES ", \"num_labels\": 1}",
                   "{\"problem_type\": \"regression\", \"id2label\": {\"0\": \"LABEL_0\"}}");
    expect_written(state, TOKENS NAMES "}",
                   "{\"architectures\": [\"BertForTokenClassification\"], \"problem_type\": null}");
}

/* A class without a classifier has no labels. */
static void an_exported_encoder_has_no_labels(void **state)
{
    struct error error = {0};
    struct model_config config = load(state, SEQUENCES NAMES "}");
    const char *path = scratch_path(*state, "again.json");
    assert_true(model_config_save_as(path, &config, "BertModel", &error));
    json_t *found = json_read_file(path, &error);
    assert_null(json_object_get(found, "id2label"));
    assert_null(json_object_get(found, "problem_type"));
    json_decref(found);
    model_config_free(&config);
}

/* Expects `message` after the path of a file that holds `text`. */
static void expect_unreadable(void **state, const char *text, const char *message)
{
    struct error error = {0};
    struct model_config config;
    const char *path = scratch_write_text(*state, "config.json", text);
    assert_false(model_config_load(path, &config, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_memory_equal(error.message, path, strlen(path));
    assert_string_equal(error.message + strlen(path), message);
    /* A training that begins with it brings its own heads and labels. */
    if (!strstr(message, "classifier_dropout"))
        assert_true(model_config_load_for(path, &pretraining_heads, &config, &error));
}

static void unusable_labels_are_refused(void **state)
{
    expect_unreadable(state, SEQUENCES ", \"id2label\": {\"0\": \"a\", \"2\": \"b\"}}",
                      ": id2label has no name for \"1\"; expected a text for each number from 0 "
                      "to 1");
    expect_unreadable(state, TOKENS ", \"id2label\": {\"0\": 7}}",
                      ": id2label has no name for \"0\"; expected a text for each number from 0 "
                      "to 0");
    expect_unreadable(state, TOKENS ", \"id2label\": [\"a\"]}",
                      ": id2label is not an object of names, one for each label");
    expect_unreadable(state, TOKENS ", \"id2label\": {}}",
                      ": id2label is not an object of names, one for each label");
    expect_unreadable(state, TOKENS ", \"num_labels\": 0}",
                      ": num_labels is 0; expected 1 to 1048576");
    expect_unreadable(state, TOKENS ", \"num_labels\": \"3\"}",
                      ": num_labels is \"3\"; expected a 32-bit integer");
    expect_unreadable(state, TOKENS ", \"num_labels\": 2.5}",
                      ": num_labels is 2.5; expected a 32-bit integer");
    expect_unreadable(state, SEQUENCES ", \"problem_type\": \"multi_label_classification\"}",
                      ": problem_type is \"multi_label_classification\"; expected \"regression\" "
                      "or \"single_label_classification\"");
    expect_unreadable(state, SEQUENCES NAMES ", \"problem_type\": \"regression\"}",
                      ": problem_type is \"regression\" of 3 numbers; expected 1");
    expect_unreadable(state, SEQUENCES ", \"classifier_dropout\": -1}",
                      ": classifier_dropout is -1; expected null, or a number that is at least 0 "
                      "and below 1");
    expect_unreadable(state, SEQUENCES ", \"classifier_dropout\": 1}",
                      ": classifier_dropout is 1; expected at least 0 and below 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(the_class_decides_the_heads),
        SCRATCH_TEST(the_problem_type_decides_between_classes_and_a_number),
        SCRATCH_TEST(labels_have_the_order_of_their_numbers),
        SCRATCH_TEST(null_dropout_is_that_of_hidden_states),
        SCRATCH_TEST(labels_are_written_as_transformers_reads_them),
        SCRATCH_TEST(an_exported_encoder_has_no_labels),
        SCRATCH_TEST(unusable_labels_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
