#include "model/parameters.h"

#include "base/memory.h"
#include "base/random.h"
#include "model/head.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ALL_GROUPS = (1 << GROUP_COUNT) - 1 };

/* A configuration in which no size is a multiple of another or of the alignment. */
static struct model_config odd_config(void)
{
    struct model_config config;
    assert_true(model_config_size("tiny", &config));
    config.vocab_size = 211;
    config.hidden_size = 21;
    config.num_attention_heads = 3;
    config.intermediate_size = 37;
    config.max_position_embeddings = 19;
    config.type_vocab_size = 5;
    return config;
}

static struct parameter_table create(const struct model_config *config)
{
    struct error error = {0};
    struct parameter_table table;
    assert_true(parameter_table_create(&table, config, &error));
    return table;
}

static real *create_block(const struct parameter_table *table)
{
    struct error error = {0};
    real *block = allocate(table->total, sizeof *block, &error);
    assert_non_null(block);
    return block;
}

/* ---- the table ---- */

/* The expected numbers are sums over BertForPreTraining(...).parameters() of transformers 5.23. */
static void numbers_of_parameters_are_those_of_the_reference(void **state)
{
    (void)state;
    const struct {
        const char *size;
        int tensors;
        uint64_t elements;
    } expected[] = {{"tiny", 46, 4433468},     {"mini", 78, 11267900},   {"small", 78, 29058876},
                    {"medium", 142, 41668412}, {"base", 206, 110106428}, {"large", 398, 336226108}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct model_config config;
        assert_true(model_config_size(expected[i].size, &config));
        struct parameter_table table = create(&config);
        assert_int_equal(table.count, expected[i].tensors);
        assert_int_equal(table.elements, expected[i].elements);
        parameter_table_free(&table);
    }
}

/* BertForPreTraining.state_dict() with one layer of odd_config: names and shapes. */
static void names_and_shapes_are_those_of_the_reference(void **state)
{
    (void)state;
    const struct {
        const char *name;
        int rows, columns;
    } expected[] = {
        {"bert.embeddings.word_embeddings.weight", 211, 21},
        {"bert.embeddings.position_embeddings.weight", 19, 21},
        {"bert.embeddings.token_type_embeddings.weight", 5, 21},
        {"bert.embeddings.LayerNorm.weight", 0, 21},
        {"bert.embeddings.LayerNorm.bias", 0, 21},
        {"bert.encoder.layer.0.attention.self.query.weight", 21, 21},
        {"bert.encoder.layer.0.attention.self.query.bias", 0, 21},
        {"bert.encoder.layer.0.attention.self.key.weight", 21, 21},
        {"bert.encoder.layer.0.attention.self.key.bias", 0, 21},
        {"bert.encoder.layer.0.attention.self.value.weight", 21, 21},
        {"bert.encoder.layer.0.attention.self.value.bias", 0, 21},
        {"bert.encoder.layer.0.attention.output.dense.weight", 21, 21},
        {"bert.encoder.layer.0.attention.output.dense.bias", 0, 21},
        {"bert.encoder.layer.0.attention.output.LayerNorm.weight", 0, 21},
        {"bert.encoder.layer.0.attention.output.LayerNorm.bias", 0, 21},
        {"bert.encoder.layer.0.intermediate.dense.weight", 37, 21},
        {"bert.encoder.layer.0.intermediate.dense.bias", 0, 37},
        {"bert.encoder.layer.0.output.dense.weight", 21, 37},
        {"bert.encoder.layer.0.output.dense.bias", 0, 21},
        {"bert.encoder.layer.0.output.LayerNorm.weight", 0, 21},
        {"bert.encoder.layer.0.output.LayerNorm.bias", 0, 21},
        {"bert.pooler.dense.weight", 21, 21},
        {"bert.pooler.dense.bias", 0, 21},
        {"cls.predictions.bias", 0, 211},
        {"cls.predictions.transform.dense.weight", 21, 21},
        {"cls.predictions.transform.dense.bias", 0, 21},
        {"cls.predictions.transform.LayerNorm.weight", 0, 21},
        {"cls.predictions.transform.LayerNorm.bias", 0, 21},
        {"cls.seq_relationship.weight", 2, 21},
        {"cls.seq_relationship.bias", 0, 2},
    };
    struct model_config config = odd_config();
    config.num_hidden_layers = 1;
    struct parameter_table table = create(&config);
    assert_int_equal(table.count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const struct parameter *parameter = parameter_find(&table, expected[i].name);
        assert_non_null(parameter);
        assert_int_equal(parameter->rows, expected[i].rows);
        assert_int_equal(parameter->columns, expected[i].columns);
    }
    parameter_table_free(&table);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), size = strlen(end);
    return length >= size && strcmp(text + length - size, end) == 0;
}

static bool begins_with(const char *text, const char *begin)
{
    return strncmp(text, begin, strlen(begin)) == 0;
}

static void kinds_and_groups_follow_the_names(void **state)
{
    (void)state;
    struct model_config config = odd_config();
    struct parameter_table table = create(&config);
    for (int i = 0; i < table.count; i++) {
        const struct parameter *parameter = &table.list[i];
        const char *name = parameter->name;
        enum parameter_kind kind = ends_with(name, "bias")               ? PARAMETER_BIAS
                                   : ends_with(name, "LayerNorm.weight") ? PARAMETER_NORM
                                                                         : PARAMETER_MATRIX;
        enum parameter_group group = begins_with(name, "bert.pooler")            ? GROUP_POOLER
                                     : begins_with(name, "cls.predictions")      ? GROUP_MLM_HEAD
                                     : begins_with(name, "cls.seq_relationship") ? GROUP_NSP_HEAD
                                                                                 : GROUP_ENCODER;
        assert_int_equal(parameter->kind, kind);
        assert_int_equal(parameter->group, group);
        assert_int_equal(parameter->rows > 0, kind == PARAMETER_MATRIX);
    }
    parameter_table_free(&table);
}

static void tensors_are_aligned_and_do_not_overlap(void **state)
{
    (void)state;
    struct model_config config = odd_config();
    struct parameter_table table = create(&config);
    size_t end = 0;
    for (int i = 0; i < table.count; i++) {
        const struct parameter *parameter = &table.list[i];
        bool follows = strstr(parameter->name, ".key.") || strstr(parameter->name, ".value.");
        assert_int_equal(parameter->offset, follows ? end : (end + 15) / 16 * 16);
        end = parameter->offset + parameter_elements(parameter);
    }
    assert_int_equal(table.total, (end + 15) / 16 * 16);
    parameter_table_free(&table);
}

/* The expected offset is that of the tensor that follows the layers; NULL: there is none. */
static void check_layer_offsets(const struct model_config *config, const char *after)
{
    struct parameter_table table = create(config);
    for (int layer = 0; layer < config->num_hidden_layers; layer++) {
        char name[64];
        snprintf(name, sizeof name, "bert.encoder.layer.%d.attention.self.query.weight", layer);
        const struct parameter *first = parameter_find(&table, name);
        assert_non_null(first);
        assert_int_equal(parameter_layer_offset(&table, layer), first->offset);
    }
    const size_t expected = after ? parameter_find(&table, after)->offset : table.total;
    assert_int_equal(parameter_layer_offset(&table, config->num_hidden_layers), expected);
    parameter_table_free(&table);
}

static void layers_begin_at_their_first_tensor(void **state)
{
    (void)state;
    static const struct head_list no_heads = {.architecture = "BertModel"};
    struct model_config config = odd_config();
    config.num_hidden_layers = 3;
    check_layer_offsets(&config, "bert.pooler.dense.weight");
    config.heads = &no_heads;
    check_layer_offsets(&config, NULL);
    config.heads = &token_classification_heads; /* without a pooler */
    config.labels.count = 3;
    check_layer_offsets(&config, "classifier.weight");
}

static void the_table_is_searched_by_name(void **state)
{
    (void)state;
    struct model_config config = odd_config();
    struct parameter_table table = create(&config);
    for (int i = 0; i < table.count; i++)
        assert_ptr_equal(parameter_find(&table, table.list[i].name), &table.list[i]);
    assert_null(parameter_find(&table, "bert.encoder.layer.2.output.dense.weight"));
    assert_null(parameter_find(&table, ""));
    parameter_table_free(&table);
}

static void groups_have_names(void **state)
{
    (void)state;
    assert_string_equal(parameter_group_name(GROUP_ENCODER), "encoder");
    assert_string_equal(parameter_group_name(GROUP_POOLER), "pooler");
    assert_string_equal(parameter_group_name(GROUP_MLM_HEAD), "MLM head");
    assert_string_equal(parameter_group_name(GROUP_NSP_HEAD), "NSP head");
}

/* ---- binding ---- */

static void expect_at(const struct parameter_table *table, const real *block, const real *pointer,
                      const char *name)
{
    const struct parameter *parameter = parameter_find(table, name);
    assert_non_null(parameter);
    assert_ptr_equal(pointer, block + parameter->offset);
}

static void expect_head_at(const struct parameter_table *table, const real *block,
                           const char *structure, const struct head *head)
{
    assert_true(head->tensor_count > 0);
    for (int i = 0; i < head->tensor_count; i++) {
        const struct tensor_rule *rule = &head->tensors[i];
        expect_at(table, block, *(real *const *)(const void *)(structure + rule->member),
                  rule->name);
    }
}

static void every_pointer_is_bound_to_its_tensor(void **state)
{
    (void)state;
    struct error error = {0};
    struct model_config config = odd_config();
    struct parameter_table table = create(&config);
    real *block = create_block(&table);
    struct weights weights;
    assert_true(weights_bind(&weights, &table, &config, block, &error));

#define AT(pointer, name) expect_at(&table, block, weights.pointer, name)
    AT(word_embeddings, "bert.embeddings.word_embeddings.weight");
    AT(position_embeddings, "bert.embeddings.position_embeddings.weight");
    AT(token_type_embeddings, "bert.embeddings.token_type_embeddings.weight");
    AT(embedding_norm_weight, "bert.embeddings.LayerNorm.weight");
    AT(embedding_norm_bias, "bert.embeddings.LayerNorm.bias");
    AT(pooler_weight, "bert.pooler.dense.weight");
    AT(pooler_bias, "bert.pooler.dense.bias");
#define LAYER "bert.encoder.layer.1."
    AT(layers[1].query_key_value_weight, LAYER "attention.self.query.weight");
    AT(layers[1].query_key_value_weight + 21 * 21, LAYER "attention.self.key.weight");
    AT(layers[1].query_key_value_weight + 2 * 21 * 21, LAYER "attention.self.value.weight");
    AT(layers[1].query_key_value_bias, LAYER "attention.self.query.bias");
    AT(layers[1].query_key_value_bias + 21, LAYER "attention.self.key.bias");
    AT(layers[1].query_key_value_bias + 2 * 21, LAYER "attention.self.value.bias");
    AT(layers[1].attention_output_weight, LAYER "attention.output.dense.weight");
    AT(layers[1].attention_output_bias, LAYER "attention.output.dense.bias");
    AT(layers[1].attention_norm_weight, LAYER "attention.output.LayerNorm.weight");
    AT(layers[1].attention_norm_bias, LAYER "attention.output.LayerNorm.bias");
    AT(layers[1].intermediate_weight, LAYER "intermediate.dense.weight");
    AT(layers[1].intermediate_bias, LAYER "intermediate.dense.bias");
    AT(layers[1].output_weight, LAYER "output.dense.weight");
    AT(layers[1].output_bias, LAYER "output.dense.bias");
    AT(layers[1].output_norm_weight, LAYER "output.LayerNorm.weight");
    AT(layers[1].output_norm_bias, LAYER "output.LayerNorm.bias");
#undef LAYER
    AT(layers[0].output_norm_bias, "bert.encoder.layer.0.output.LayerNorm.bias");
#undef AT
    for (int i = 0; i < config.heads->count; i++)
        expect_head_at(&table, block, weights.heads[i], config.heads->heads[i]);

    weights_free(&weights);
    free(block);
    parameter_table_free(&table);
}

/* ---- initialization ---- */

static void matrices_are_normal_truncated_at_two_deviations(void **state)
{
    (void)state;
    struct model_config config;
    assert_true(model_config_size("tiny", &config));
    config.vocab_size = 1000;
    struct parameter_table table = create(&config);
    real *block = create_block(&table);
    parameters_initialize(block, &table, 0.02, 1, ALL_GROUPS);
    const struct parameter *word = &table.list[0];
    size_t count = parameter_elements(word);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++) {
        double value = (double)block[word->offset + i];
        assert_true(fabs(value) <= 0.02 * 2 * (1 + 1e-6));
        sum += value;
        squares += value * value;
    }
    /* N(0, 1) truncated at 2 has the deviation 0.87963; 128,000 draws are within 1 % of both. */
    assert_true(fabs(sum / (double)count) < 0.01 * 0.02);
    assert_true(fabs(sqrt(squares / (double)count) / (0.02 * 0.87963) - 1) < 0.01);
    free(block);
    parameter_table_free(&table);
}

static void vectors_are_constant_and_gaps_stay_zero(void **state)
{
    (void)state;
    struct model_config config = odd_config();
    struct parameter_table table = create(&config);
    real *block = create_block(&table);
    parameters_initialize(block, &table, 0.02, 7, ALL_GROUPS);
    size_t end = 0;
    for (int i = 0; i < table.count; i++) {
        const struct parameter *parameter = &table.list[i];
        for (; end < parameter->offset; end++)
            assert_true(block[end] == 0);
        end += parameter_elements(parameter);
        for (size_t j = parameter->offset; j < end; j++) {
            if (parameter->kind == PARAMETER_BIAS)
                assert_true(block[j] == 0);
            if (parameter->kind == PARAMETER_NORM)
                assert_true(block[j] == 1);
        }
    }
    for (; end < table.total; end++)
        assert_true(block[end] == 0);
    free(block);
    parameter_table_free(&table);
}

/* A value depends on the seed, the index in the table, row and column, and on nothing else. */
static void every_row_has_random_numbers_of_its_own(void **state)
{
    (void)state;
    struct model_config config = odd_config();
    struct parameter_table table = create(&config);
    real *block = create_block(&table);
    parameters_initialize(block, &table, 0.5, 123456789012345, ALL_GROUPS);
    for (int i = 0; i < table.count; i++) {
        const struct parameter *parameter = &table.list[i];
        for (int row = 0; row < parameter->rows; row++) {
            struct random random =
                random_begin(123456789012345, RANDOM_INITIALIZATION, (uint64_t)i, (uint32_t)row);
            const real *found = block + parameter->offset + row * parameter->columns;
            for (int column = 0; column < parameter->columns; column++)
                assert_true(found[column] == (real)(0.5 * random_truncated_normal(&random)));
        }
    }
    free(block);
    parameter_table_free(&table);
}

static void the_result_does_not_depend_on_threads(void **state)
{
    (void)state;
    struct model_config config = odd_config();
    struct parameter_table table = create(&config);
    real *one = create_block(&table), *many = create_block(&table);
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    parameters_initialize(one, &table, 0.02, 7, ALL_GROUPS);
    omp_set_num_threads(3);
    parameters_initialize(many, &table, 0.02, 7, ALL_GROUPS);
    omp_set_num_threads(threads);
    assert_memory_equal(one, many, table.total * sizeof *one);
    parameters_initialize(many, &table, 0.02, 8, ALL_GROUPS);
    assert_memory_not_equal(one, many, table.total * sizeof *one);
    free(one);
    free(many);
    parameter_table_free(&table);
}

static void only_the_groups_asked_for_are_drawn(void **state)
{
    (void)state;
    struct model_config config = odd_config();
    struct parameter_table table = create(&config);
    real *all = create_block(&table), *some = create_block(&table);
    const unsigned groups = 1U << GROUP_POOLER | 1U << GROUP_NSP_HEAD;
    parameters_initialize(all, &table, 0.02, 7, ALL_GROUPS);
    for (size_t i = 0; i < table.total; i++)
        some[i] = 9;
    parameters_initialize(some, &table, 0.02, 7, groups);
    for (int i = 0; i < table.count; i++) {
        const struct parameter *parameter = &table.list[i];
        for (size_t j = 0; j < parameter_elements(parameter); j++) {
            size_t at = parameter->offset + j;
            assert_true(some[at] == (groups & 1U << parameter->group ? all[at] : 9));
        }
    }
    free(all);
    free(some);
    parameter_table_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_parameters_are_those_of_the_reference),
        cmocka_unit_test(names_and_shapes_are_those_of_the_reference),
        cmocka_unit_test(kinds_and_groups_follow_the_names),
        cmocka_unit_test(tensors_are_aligned_and_do_not_overlap),
        cmocka_unit_test(layers_begin_at_their_first_tensor),
        cmocka_unit_test(the_table_is_searched_by_name),
        cmocka_unit_test(groups_have_names),
        cmocka_unit_test(every_pointer_is_bound_to_its_tensor),
        cmocka_unit_test(matrices_are_normal_truncated_at_two_deviations),
        cmocka_unit_test(vectors_are_constant_and_gaps_stay_zero),
        cmocka_unit_test(every_row_has_random_numbers_of_its_own),
        cmocka_unit_test(the_result_does_not_depend_on_threads),
        cmocka_unit_test(only_the_groups_asked_for_are_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
