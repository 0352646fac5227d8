#include "model/batch_file.h"

#include "model/heads.h"
#include "model/safetensors.h"
#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct model_config config = {
    .heads = &pretraining_heads,
    .vocab_size = 50,
    .max_position_embeddings = 6,
    .type_vocab_size = 2,
};

/* ---- support ---- */

enum { INPUT_IDS, ATTENTION_MASK, TOKEN_TYPE_IDS, LABELS, NEXT_SENTENCE_LABEL, TENSORS };

/* The contents of a file of two sequences of up to four tokens, which tests make invalid. A tensor
 * with 0 axes is not written. */
struct contents {
    int64_t ids[8], mask[8], types[8], labels[8], next[2];
    struct tensor tensors[TENSORS];
};

static void describe(struct contents *contents, int slot, const char *name, const int64_t *values,
                     int axes)
{
    contents->tensors[slot] = (struct tensor){
        .name = name,
        .dtype = DTYPE_I64,
        .axes = axes,
        .shape = {2, 4},
        .data = values,
        .size = axes == 2 ? 64 : 16,
    };
}

static struct contents *make_contents(void)
{
    struct contents *contents = malloc(sizeof *contents);
    assert_non_null(contents);
    *contents = (struct contents){
        .ids = {2, 7, 4, 3, 2, 9, 0, 0},
        .mask = {1, 1, 1, 1, 1, 1, 0, 0},
        .types = {0, 0, 1, 1, 0, 0, 0, 0},
        .labels = {-100, -100, 8, -100, -100, 9, -100, -100},
        .next = {1, -100},
    };
    describe(contents, INPUT_IDS, "input_ids", contents->ids, 2);
    describe(contents, ATTENTION_MASK, "attention_mask", contents->mask, 2);
    describe(contents, TOKEN_TYPE_IDS, "token_type_ids", contents->types, 2);
    describe(contents, LABELS, "labels", contents->labels, 2);
    describe(contents, NEXT_SENTENCE_LABEL, "next_sentence_label", contents->next, 1);
    return contents;
}

/* Writes the tensors of the contents and returns the path. */
static const char *write_contents(struct scratch *scratch, const struct contents *contents)
{
    struct error error = {0};
    struct tensor present[TENSORS];
    size_t count = 0;
    for (int i = 0; i < TENSORS; i++)
        if (contents->tensors[i].axes)
            present[count++] = contents->tensors[i];
    const char *path = scratch_path(scratch, "batch.safetensors");
    if (!safetensors_write(path, present, count, &error))
        fail_msg("%s", error.message);
    return path;
}

static struct batch read_contents(struct scratch *scratch, const struct contents *contents)
{
    struct error error = {0};
    struct batch batch = {0};
    if (!batch_file_read(write_contents(scratch, contents), &config, &batch, &error))
        fail_msg("%s", error.message);
    return batch;
}

/* Expects this message after the path from a model that reads the file; frees the contents. */
static void expect_error_of(const struct model_config *reader, struct scratch *scratch,
                            struct contents *contents, const char *message)
{
    struct error error = {0};
    struct batch batch = {0};
    char expected[1024];
    const char *path = write_contents(scratch, contents);
    snprintf(expected, sizeof expected, "%s: %s", path, message);
    assert_false(batch_file_read(path, reader, &batch, &error));
    assert_string_equal(error.message, expected);
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_int_equal(batch.sequences + batch.tokens + batch.predicted, 0);
    batch_free(&batch);
    free(contents);
}

static void expect_error(struct scratch *scratch, struct contents *contents, const char *message)
{
    expect_error_of(&config, scratch, contents, message);
}

static void assert_ids(const int32_t *found, const int32_t *expected, size_t count)
{
    assert_memory_equal(found, expected, count * sizeof *found);
}

/* ---- reading ---- */

static void padding_is_packed_away(void **state)
{
    struct contents *contents = make_contents();
    struct batch batch = read_contents(*state, contents);
    assert_int_equal(batch.sequences, 2);
    assert_int_equal(batch.tokens, 6);
    assert_int_equal(batch.predicted, 2);
    assert_int_equal(batch.max_length, 4);
    assert_ids(batch.starts, (int32_t[]){0, 4, 6}, 3);
    assert_ids(batch.input_ids, (int32_t[]){2, 7, 4, 3, 2, 9}, 6);
    assert_ids(batch.position_ids, (int32_t[]){0, 1, 2, 3, 0, 1}, 6);
    assert_ids(batch.token_type_ids, (int32_t[]){0, 0, 1, 1, 0, 0}, 6);
    assert_ids(batch.predicted_starts, (int32_t[]){0, 1, 2}, 3);
    assert_ids(batch.predicted_tokens, (int32_t[]){2, 5}, 2);
    assert_ids(batch.predicted_labels, (int32_t[]){8, 9}, 2);
    assert_ids(batch.sequence_labels, (int32_t[]){NOT_NEXT, NO_LABEL}, 2);
    batch_free(&batch);
    free(contents);
}

static void tokens_after_a_hole_keep_their_positions(void **state)
{
    struct contents *contents = make_contents();
    contents->mask[1] = 0;
    contents->mask[7] = 1;
    struct batch batch = read_contents(*state, contents);
    assert_ids(batch.starts, (int32_t[]){0, 3, 6}, 3);
    assert_ids(batch.input_ids, (int32_t[]){2, 4, 3, 2, 9, 0}, 6);
    assert_ids(batch.position_ids, (int32_t[]){0, 2, 3, 0, 1, 3}, 6);
    assert_ids(batch.predicted_tokens, (int32_t[]){1, 4}, 2);
    assert_int_equal(batch.max_length, 3);
    batch_free(&batch);
    free(contents);
}

static void only_ids_are_needed(void **state)
{
    struct contents *contents = make_contents();
    for (int i = ATTENTION_MASK; i < TENSORS; i++)
        contents->tensors[i].axes = 0;
    struct batch batch = read_contents(*state, contents);
    assert_int_equal(batch.tokens, 8);
    assert_int_equal(batch.predicted, 0);
    for (int i = 0; i < 8; i++)
        assert_int_equal(batch.token_type_ids[i], 0);
    assert_int_equal(batch_labelled_sequences(&batch), 0);
    batch_free(&batch);
    free(contents);
}

static void narrow_integers_are_read(void **state)
{
    struct contents *contents = make_contents();
    const int32_t ids[] = {2, 7, 4, 3, 2, 9, 0, 0}, next[] = {0, 1};
    contents->tensors[INPUT_IDS].dtype = DTYPE_I32;
    contents->tensors[INPUT_IDS].data = ids;
    contents->tensors[INPUT_IDS].size = sizeof ids;
    contents->tensors[NEXT_SENTENCE_LABEL].dtype = DTYPE_I32;
    contents->tensors[NEXT_SENTENCE_LABEL].data = next;
    contents->tensors[NEXT_SENTENCE_LABEL].size = sizeof next;
    struct batch batch = read_contents(*state, contents);
    assert_ids(batch.input_ids, (int32_t[]){2, 7, 4, 3, 2, 9}, 6);
    assert_ids(batch.sequence_labels, next, 2);
    batch_free(&batch);
    free(contents);
}

static void what_was_in_the_batch_is_replaced(void **state)
{
    struct contents *contents = make_contents();
    struct batch batch = read_contents(*state, contents);
    struct error error = {0};
    assert_true(batch_file_read(write_contents(*state, contents), &config, &batch, &error));
    assert_int_equal(batch.sequences, 2);
    assert_int_equal(batch.tokens, 6);
    batch_free(&batch);
    free(contents);
}

/* ---- writing ---- */

static void assert_values(const struct safetensors *file, const char *name, const int64_t *expected,
                          uint64_t count)
{
    int64_t values[32];
    const struct tensor *tensor = safetensors_find(file, name);
    assert_non_null(tensor);
    assert_int_equal(tensor->dtype, DTYPE_I64);
    assert_int_equal(tensor_elements(tensor), count);
    tensor_read_int64(tensor, 0, count, values);
    assert_memory_equal(values, expected, count * sizeof *values);
}

static void a_batch_is_written_padded(void **state)
{
    struct scratch *scratch = *state;
    struct contents *contents = make_contents();
    struct batch batch = read_contents(scratch, contents);
    struct error error = {0};
    const char *path = scratch_path(scratch, "written.safetensors");
    assert_true(batch_file_write(path, &batch, 33, &error));

    struct safetensors file;
    assert_true(safetensors_open(path, &file, &error));
    assert_int_equal(file.count, TENSORS);
    contents->ids[6] = contents->ids[7] = 33; /* the padding */
    assert_values(&file, "input_ids", contents->ids, 8);
    assert_values(&file, "attention_mask", contents->mask, 8);
    assert_values(&file, "token_type_ids", contents->types, 8);
    assert_values(&file, "labels", contents->labels, 8);
    assert_values(&file, "next_sentence_label", contents->next, 2);
    assert_int_equal(safetensors_find(&file, "labels")->shape[1], 4);
    safetensors_close(&file);
    batch_free(&batch);
    free(contents);
}

static void holes_survive_writing_and_reading(void **state)
{
    struct scratch *scratch = *state;
    struct contents *contents = make_contents();
    contents->mask[2] = 0; /* a hole, which must not have a label */
    contents->labels[2] = -100;
    contents->labels[3] = 5;
    struct batch batch = read_contents(scratch, contents), again = {0};
    struct error error = {0};
    const char *path = scratch_path(scratch, "written.safetensors");
    assert_true(batch_file_write(path, &batch, 0, &error));
    assert_true(batch_file_read(path, &config, &again, &error));
    assert_int_equal(again.tokens, 5);
    assert_int_equal(again.predicted, 2);
    assert_ids(again.starts, batch.starts, 3);
    assert_ids(again.input_ids, batch.input_ids, 5);
    assert_ids(again.position_ids, (int32_t[]){0, 1, 3, 0, 1}, 5);
    assert_ids(again.token_type_ids, batch.token_type_ids, 5);
    assert_ids(again.predicted_tokens, (int32_t[]){2, 4}, 2);
    assert_ids(again.predicted_labels, (int32_t[]){5, 9}, 2);
    batch_free(&batch);
    batch_free(&again);
    free(contents);
}

static void an_unwritable_path_is_named(void **state)
{
    struct scratch *scratch = *state;
    struct contents *contents = make_contents();
    struct batch batch = read_contents(scratch, contents);
    struct error error = {0};
    assert_false(
        batch_file_write(scratch_path(scratch, "absent/x.safetensors"), &batch, 0, &error));
    assert_non_null(strstr(error.message, "absent/x.safetensors"));
    batch_free(&batch);
    free(contents);
}

/* ---- errors ---- */

static void values_out_of_range_are_named(void **state)
{
    struct contents *contents = make_contents();
    contents->ids[5] = 50;
    expect_error(*state, contents, "input_ids, row 1, column 1: 50; expected 0 to 49");
    contents = make_contents();
    contents->ids[2] = -1;
    expect_error(*state, contents, "input_ids, row 0, column 2: -1; expected 0 to 49");
    contents = make_contents();
    contents->ids[0] = (int64_t)1 << 32;
    expect_error(*state, contents, "input_ids, row 0, column 0: 4294967296; expected 0 to 49");
    contents = make_contents();
    contents->types[3] = 2;
    expect_error(*state, contents, "token_type_ids, row 0, column 3: 2; expected 0 to 1");
    contents = make_contents();
    contents->mask[3] = 2;
    expect_error(*state, contents, "attention_mask, row 0, column 3: 2; expected 0 to 1");
    contents = make_contents();
    contents->labels[1] = 50;
    expect_error(*state, contents, "labels, row 0, column 1: 50; expected 0 to 49 or -100");
    contents = make_contents();
    contents->labels[1] = -99;
    expect_error(*state, contents, "labels, row 0, column 1: -99; expected 0 to 49 or -100");
    contents = make_contents();
    contents->next[1] = 2;
    expect_error(*state, contents,
                 "next_sentence_label, row 1, column 0: 2; expected 0 to 1 or -100");
}

static void padding_where_a_token_is_needed_is_named(void **state)
{
    struct contents *contents = make_contents();
    contents->mask[4] = 0;
    expect_error(*state, contents,
                 "attention_mask, row 1, column 0: 0; the first token of a sequence cannot be "
                 "padding");
    contents = make_contents();
    contents->labels[6] = 3;
    expect_error(*state, contents,
                 "labels, row 1, column 2: 3; expected -100 where attention_mask is 0");
}

static void padding_may_hold_any_id(void **state)
{
    struct contents *contents = make_contents();
    contents->ids[7] = -1;
    struct batch batch = read_contents(*state, contents);
    assert_int_equal(batch.tokens, 6);
    batch_free(&batch);
    free(contents);
}

static void wrong_tensors_are_named(void **state)
{
    struct contents *contents = make_contents();
    contents->tensors[INPUT_IDS].axes = 0;
    expect_error(*state, contents, "there is no tensor \"input_ids\"");

    contents = make_contents();
    contents->tensors[INPUT_IDS].axes = 1;
    contents->tensors[INPUT_IDS].size = 16;
    expect_error(*state, contents,
                 "input_ids is I64 [2]; expected [sequences, length], both at least 1");

    contents = make_contents();
    contents->tensors[INPUT_IDS].shape[1] = 0;
    contents->tensors[INPUT_IDS].size = 0;
    expect_error(*state, contents,
                 "input_ids is I64 [2, 0]; expected [sequences, length], both at least 1");

    contents = make_contents();
    contents->tensors[INPUT_IDS].shape[0] = 1;
    contents->tensors[INPUT_IDS].shape[1] = 8;
    expect_error(*state, contents, "input_ids is I64 [1, 8]; the model has 6 positions");

    contents = make_contents();
    contents->tensors[LABELS].shape[0] = 4;
    contents->tensors[LABELS].shape[1] = 2;
    expect_error(*state, contents, "labels is I64 [4, 2]; expected [2, 4], as input_ids");

    contents = make_contents();
    contents->tensors[NEXT_SENTENCE_LABEL].axes = 2;
    contents->tensors[NEXT_SENTENCE_LABEL].shape[1] = 1;
    expect_error(*state, contents,
                 "next_sentence_label is I64 [2, 1]; expected [2], a value for each sequence");

    contents = make_contents();
    contents->tensors[LABELS].axes = 1;
    contents->tensors[LABELS].size = 16;
    expect_error(*state, contents, "labels is I64 [2]; expected [2, 4], as input_ids");

    contents = make_contents();
    contents->tensors[ATTENTION_MASK].dtype = DTYPE_F64;
    expect_error(*state, contents, "attention_mask is F64 [2, 4]; expected I64 or I32");

    contents = make_contents();
    contents->tensors[INPUT_IDS].dtype = DTYPE_F64;
    expect_error(*state, contents, "input_ids is F64 [2, 4]; expected I64 or I32");

    contents = make_contents();
    contents->tensors[TOKEN_TYPE_IDS].name = "position_ids";
    expect_error(*state, contents,
                 "unknown tensor \"position_ids\"; expected input_ids, attention_mask, "
                 "token_type_ids, labels, next_sentence_label");
}

static void a_missing_file_is_named(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    struct batch batch = {0};
    const char *path = scratch_path(scratch, "none.safetensors");
    assert_false(batch_file_read(path, &config, &batch, &error));
    assert_non_null(strstr(error.message, path));
    assert_int_equal(error.kind, ERROR_INPUT);
}

/* ---- models with labels ---- */

/* Five labels, which only their number is needed of. */
static struct model_config labelled(const struct head_list *heads)
{
    struct model_config labelled = config;
    labelled.heads = heads;
    labelled.labels.count = heads == &sequence_regression_heads ? 1 : 5;
    return labelled;
}

static struct contents *labelled_contents(const struct head_list *heads)
{
    struct contents *contents = make_contents();
    contents->tensors[NEXT_SENTENCE_LABEL].name = "labels";
    if (heads == &token_classification_heads)
        contents->tensors[NEXT_SENTENCE_LABEL].axes = 0;
    else
        contents->tensors[LABELS].axes = 0;
    contents->labels[2] = 4;
    contents->labels[5] = 0;
    contents->next[0] = 4;
    return contents;
}

static void labels_are_those_of_the_model_s_class(void **state)
{
    static const float numbers[] = {-0.5F, 1e3F};
    const struct head_list *const lists[] = {
        &sequence_classification_heads, &sequence_regression_heads, &token_classification_heads};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct error error = {0};
        struct batch batch = {0};
        const struct model_config reader = labelled(lists[i]);
        struct contents *contents = labelled_contents(lists[i]);
        if (lists[i] == &sequence_regression_heads) {
            contents->tensors[NEXT_SENTENCE_LABEL].dtype = DTYPE_F32;
            contents->tensors[NEXT_SENTENCE_LABEL].data = numbers;
            contents->tensors[NEXT_SENTENCE_LABEL].size = sizeof numbers;
        }
        if (!batch_file_read(write_contents(*state, contents), &reader, &batch, &error))
            fail_msg("%s", error.message);
        const bool classes = lists[i] == &sequence_classification_heads;
        const bool are_numbers = lists[i] == &sequence_regression_heads;
        assert_int_equal(batch.predicted, classes || are_numbers ? 0 : 2);
        assert_int_equal(batch.sequence_labels[0], classes ? 4 : are_numbers ? 0 : NO_LABEL);
        assert_int_equal(batch.sequence_labels[1], are_numbers ? 0 : NO_LABEL);
        for (int j = 0; j < 2; j++)
            assert_true(batch.sequence_values[j] == (are_numbers ? numbers[j] : 0));
        if (batch.predicted)
            assert_ids(batch.predicted_labels, (int32_t[]){4, 0}, 2);
        batch_free(&batch);
        free(contents);
    }
}

static void labels_that_the_model_s_class_has_not_are_named(void **state)
{
    static const float numbers[] = {1, NAN};
    const struct model_config classes = labelled(&sequence_classification_heads);
    const struct model_config number = labelled(&sequence_regression_heads);
    const struct model_config tokens = labelled(&token_classification_heads);
    struct contents *contents = labelled_contents(classes.heads);
    contents->next[1] = 5;
    expect_error_of(&classes, *state, contents,
                    "labels, row 1, column 0: 5; expected 0 to 4 or -100");
    contents = labelled_contents(tokens.heads);
    contents->labels[2] = 5;
    expect_error_of(&tokens, *state, contents,
                    "labels, row 0, column 2: 5; expected 0 to 4 or -100");
    contents = make_contents();
    expect_error_of(&tokens, *state, contents,
                    "unknown tensor \"next_sentence_label\"; expected input_ids, attention_mask, "
                    "token_type_ids, labels");
    expect_error_of(&number, *state, labelled_contents(number.heads),
                    "labels is I64 [2]; expected F32 or F64: the model predicts a number");
    contents = labelled_contents(number.heads);
    contents->tensors[NEXT_SENTENCE_LABEL].dtype = DTYPE_F32;
    contents->tensors[NEXT_SENTENCE_LABEL].data = numbers;
    contents->tensors[NEXT_SENTENCE_LABEL].size = sizeof numbers;
    expect_error_of(&number, *state, contents, "labels, row 1: nan; expected a finite number");
}

static void a_row_without_a_token_is_no_label(void **state)
{
    struct model_config spare = config;
    spare.spare_rows = 3;
    struct contents *contents = make_contents();
    contents->labels[2] = 47;
    expect_error_of(&spare, *state, contents,
                    "labels, row 0, column 2: 47; expected 0 to 46 or -100");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(padding_is_packed_away),
        SCRATCH_TEST(tokens_after_a_hole_keep_their_positions),
        SCRATCH_TEST(only_ids_are_needed),
        SCRATCH_TEST(narrow_integers_are_read),
        SCRATCH_TEST(what_was_in_the_batch_is_replaced),
        SCRATCH_TEST(a_batch_is_written_padded),
        SCRATCH_TEST(holes_survive_writing_and_reading),
        SCRATCH_TEST(an_unwritable_path_is_named),
        SCRATCH_TEST(values_out_of_range_are_named),
        SCRATCH_TEST(padding_where_a_token_is_needed_is_named),
        SCRATCH_TEST(padding_may_hold_any_id),
        SCRATCH_TEST(wrong_tensors_are_named),
        SCRATCH_TEST(a_missing_file_is_named),
        SCRATCH_TEST(a_row_without_a_token_is_no_label),
        SCRATCH_TEST(labels_are_those_of_the_model_s_class),
        SCRATCH_TEST(labels_that_the_model_s_class_has_not_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
