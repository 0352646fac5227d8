/* A vocabulary that has grown since the model was saved. */
#include "model/huggingface.h"

#include "support/model_directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define WORDS     "bert.embeddings.word_embeddings.weight"
#define POSITIONS "bert.embeddings.position_embeddings.weight"

static void keep_rows(struct tensor *tensor, uint64_t rows)
{
    tensor->size = tensor->size / tensor->shape[0] * rows;
    tensor->shape[0] = rows;
}

static void new_rows_are_accepted_when_allowed(void **state)
{
    struct model_directory *model = *state;
    keep_rows(find_tensor(model, WORDS), 8);
    keep_rows(find_tensor(model, "cls.predictions.bias"), 8);
    assert_true(load_tensors(model, 8));
    assert_int_equal(model->missing.new_rows, 3);
    assert_int_equal(model->missing.groups, 0);
    size_t words = parameter_find(&model->table, WORDS)->offset;
    size_t bias = parameter_find(&model->table, "cls.predictions.bias")->offset;
    for (size_t i = 0; i < 66; i++)
        assert_true(model->loaded[words + i] == (i < 48 ? model->block[words + i] : UNTOUCHED));
    for (size_t i = 0; i < 11; i++)
        assert_true(model->loaded[bias + i] == (i < 8 ? model->block[bias + i] : UNTOUCHED));
}

static void new_rows_are_refused_otherwise(void **state)
{
    struct model_directory *model = *state;
    keep_rows(find_tensor(model, WORDS), 8);
    keep_rows(find_tensor(model, "cls.predictions.bias"), 8);
    assert_false(load_tensors(model, 0));
    expect_message(model,
                   "/model.safetensors: tensor " WORDS " is F32 [8, 6]; expected F32 [11, 6]");
}

static void new_rows_must_agree(void **state)
{
    struct model_directory *model = *state;
    keep_rows(find_tensor(model, WORDS), 8);
    assert_false(load_tensors(model, 8));
    expect_message(model, "/model.safetensors: tensor cls.predictions.bias is F32 [11]; "
                          "expected F32 [8]");
}

/* There must be a row for each token of the model's own vocabulary. */
static void rows_of_known_tokens_must_be_there(void **state)
{
    struct model_directory *model = *state;
    keep_rows(find_tensor(model, WORDS), 7);
    keep_rows(find_tensor(model, "cls.predictions.bias"), 7);
    assert_false(load_tensors(model, 8));
    expect_message(model, "/model.safetensors: tensor " WORDS " is F32 [7, 6]; expected a row for "
                          "each of the 8 tokens of the model's vocabulary");
}

/* There are 8 known tokens, a new one, and two rows that belong to no token. */
static void rows_of_new_tokens_start_fresh_and_spare_ones_stay(void **state)
{
    struct model_directory *model = *state;
    struct model_config config = model->config;
    struct parameter_table table;
    config.spare_rows = 2;
    assert_true(parameter_table_create(&table, &config, &model->error));
    struct parameter_table plain = model->table;
    model->table = table;
    assert_true(load_tensors(model, 8));
    model->table = plain;
    assert_int_equal(model->missing.new_rows, 1);
    size_t words = parameter_find(&table, WORDS)->offset;
    size_t bias = parameter_find(&table, "cls.predictions.bias")->offset;
    for (size_t i = 0; i < 66; i++)
        assert_true(model->loaded[words + i] == (i / 6 == 8 ? UNTOUCHED : model->block[words + i]));
    for (size_t i = 0; i < 11; i++)
        assert_true(model->loaded[bias + i] == (i == 8 ? UNTOUCHED : model->block[bias + i]));
    parameter_table_free(&table);
}

static void a_vocabulary_may_not_shrink(void **state)
{
    struct model_directory *model = *state;
    static const float words[12 * 6];
    struct tensor *tensor = find_tensor(model, WORDS);
    *tensor = (struct tensor){tensor->name, DTYPE_F32, 2, {12, 6}, words, sizeof words};
    assert_false(load_tensors(model, 8));
    expect_message(model,
                   "/model.safetensors: tensor " WORDS " is F32 [12, 6]; expected F32 [11, 6]");
}

static void only_the_vocabulary_may_grow(void **state)
{
    struct model_directory *model = *state;
    keep_rows(find_tensor(model, POSITIONS), 5);
    assert_false(load_tensors(model, 8));
    expect_message(model,
                   "/model.safetensors: tensor " POSITIONS " is F32 [5, 6]; expected F32 [7, 6]");
    list_tensors(model);
    keep_rows(find_tensor(model, WORDS), 0);
    assert_false(load_tensors(model, 8));
    expect_message(model, "/model.safetensors: tensor " WORDS " is F32 [0, 6]; expected a row for "
                          "each of the 8 tokens of the model's vocabulary");
}

int main(void)
{
#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, model_directory_set_up, model_directory_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(new_rows_are_accepted_when_allowed),
        TEST(new_rows_are_refused_otherwise),
        TEST(new_rows_must_agree),
        TEST(rows_of_known_tokens_must_be_there),
        TEST(rows_of_new_tokens_start_fresh_and_spare_ones_stay),
        TEST(a_vocabulary_may_not_shrink),
        TEST(only_the_vocabulary_may_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
