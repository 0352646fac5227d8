#include "model/parameters.h"

#include "base/memory.h"
#include "base/random.h"
#include "model/head.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OUTSIDE = -1,   /* the layers or the heads */
    ALIGNMENT = 16, /* elements: 64 bytes of float, an AVX-512 vector, a cache line */
};

static int size_value(int size, const struct model_config *config)
{
    switch (size) {
    case SIZE_VOCABULARY:
        return config->vocab_size;
    case SIZE_POSITIONS:
        return config->max_position_embeddings;
    case SIZE_TOKEN_TYPES:
        return config->type_vocab_size;
    case SIZE_HIDDEN:
        return config->hidden_size;
    case SIZE_INTERMEDIATE:
        return config->intermediate_size;
    case SIZE_LABELS:
        return config->labels.count;
    default:
        return size;
    }
}

/* ---- the tensors outside the heads ---- */

#define MATRIX(rows, columns) PARAMETER_MATRIX, SIZE_##rows, SIZE_##columns
#define BIAS(length)          PARAMETER_BIAS, SIZE_NONE, SIZE_##length
#define NORM(length)          PARAMETER_NORM, SIZE_NONE, SIZE_##length
#define AT(member)            offsetof(struct weights, member)
#define LAYER_AT(member)      offsetof(struct layer_weights, member)

static const struct tensor_rule embedding_tensors[] = {
    {"bert.embeddings.word_embeddings.weight", MATRIX(VOCABULARY, HIDDEN), AT(word_embeddings)},
    {"bert.embeddings.position_embeddings.weight", MATRIX(POSITIONS, HIDDEN),
     AT(position_embeddings)},
    {"bert.embeddings.token_type_embeddings.weight", MATRIX(TOKEN_TYPES, HIDDEN),
     AT(token_type_embeddings)},
    {"bert.embeddings.LayerNorm.weight", NORM(HIDDEN), AT(embedding_norm_weight)},
    {"bert.embeddings.LayerNorm.bias", BIAS(HIDDEN), AT(embedding_norm_bias)},
};

/* After "bert.encoder.layer.N.". */
static const struct tensor_rule layer_tensors[] = {
    {"attention.self.query.weight", MATRIX(HIDDEN, HIDDEN), LAYER_AT(query_key_value_weight)},
    {"attention.self.key.weight", MATRIX(HIDDEN, HIDDEN), TENSOR_JOINED},
    {"attention.self.value.weight", MATRIX(HIDDEN, HIDDEN), TENSOR_JOINED},
    {"attention.self.query.bias", BIAS(HIDDEN), LAYER_AT(query_key_value_bias)},
    {"attention.self.key.bias", BIAS(HIDDEN), TENSOR_JOINED},
    {"attention.self.value.bias", BIAS(HIDDEN), TENSOR_JOINED},
    {"attention.output.dense.weight", MATRIX(HIDDEN, HIDDEN), LAYER_AT(attention_output_weight)},
    {"attention.output.dense.bias", BIAS(HIDDEN), LAYER_AT(attention_output_bias)},
    {"attention.output.LayerNorm.weight", NORM(HIDDEN), LAYER_AT(attention_norm_weight)},
    {"attention.output.LayerNorm.bias", BIAS(HIDDEN), LAYER_AT(attention_norm_bias)},
    {"intermediate.dense.weight", MATRIX(INTERMEDIATE, HIDDEN), LAYER_AT(intermediate_weight)},
    {"intermediate.dense.bias", BIAS(INTERMEDIATE), LAYER_AT(intermediate_bias)},
    {"output.dense.weight", MATRIX(HIDDEN, INTERMEDIATE), LAYER_AT(output_weight)},
    {"output.dense.bias", BIAS(HIDDEN), LAYER_AT(output_bias)},
    {"output.LayerNorm.weight", NORM(HIDDEN), LAYER_AT(output_norm_weight)},
    {"output.LayerNorm.bias", BIAS(HIDDEN), LAYER_AT(output_norm_bias)},
};

static const struct tensor_rule pooler_tensors[] = {
    {"bert.pooler.dense.weight", MATRIX(HIDDEN, HIDDEN), AT(pooler_weight)},
    {"bert.pooler.dense.bias", BIAS(HIDDEN), AT(pooler_bias)},
};

enum {
    EMBEDDING_TENSORS = sizeof embedding_tensors / sizeof *embedding_tensors,
    LAYER_TENSORS = sizeof layer_tensors / sizeof *layer_tensors,
    POOLER_TENSORS = sizeof pooler_tensors / sizeof *pooler_tensors,
};

/* ---- the table ---- */

size_t parameter_elements(const struct parameter *parameter)
{
    return (size_t)(parameter->rows ? parameter->rows : 1) * (size_t)parameter->columns;
}

int parameter_layers_above(const struct parameter_table *table, const struct parameter *parameter)
{
    return parameter->group == GROUP_ENCODER ? table->layers - 1 - parameter->layer : 0;
}

size_t parameter_layer_offset(const struct parameter_table *table, int layer)
{
    for (int i = 0; i < table->count; i++)
        if (table->list[i].group != GROUP_ENCODER || table->list[i].layer >= layer)
            return table->list[i].offset;
    return table->total;
}

bool parameter_is_frozen(const struct parameter *parameter, int frozen_layers)
{
    return frozen_layers && parameter->group == GROUP_ENCODER && parameter->layer < frozen_layers;
}

static size_t aligned(size_t offset)
{
    return (offset + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* The owner of the tensors that are appended. */
struct owner {
    enum parameter_group group;
    int layer, head;
};

static void append(struct parameter_table *table, const struct model_config *config,
                   const struct tensor_rule *rule, struct owner owner)
{
    struct parameter *parameter = &table->list[table->count++];
    const bool joined = rule->member == TENSOR_JOINED;
    *parameter = (struct parameter){
        .kind = rule->kind,
        .group = owner.group,
        .rows = size_value(rule->rows, config),
        .columns = size_value(rule->columns, config),
        .offset = joined ? table->total : aligned(table->total),
        .layer = owner.layer,
        .head = owner.head,
        .joined = joined,
        .member = rule->member,
    };
    if (rule->rows == SIZE_VOCABULARY)
        parameter->spare = (size_t)config->spare_rows * (size_t)parameter->columns;
    else if (rule->columns == SIZE_VOCABULARY)
        parameter->spare = (size_t)config->spare_rows;
    int length = owner.layer == OUTSIDE
                     ? snprintf(parameter->name, sizeof parameter->name, "%s", rule->name)
                     : snprintf(parameter->name, sizeof parameter->name, "bert.encoder.layer.%d.%s",
                                owner.layer, rule->name);
    CHECK(length > 0 && (size_t)length < sizeof parameter->name);
    /* Cannot overflow: model_config_check bounds every tensor and the number of layers. */
    table->total = parameter->offset + parameter_elements(parameter);
    table->elements += parameter_elements(parameter);
}

static void append_all(struct parameter_table *table, const struct model_config *config,
                       const struct tensor_rule *rules, int count, struct owner owner)
{
    for (int i = 0; i < count; i++)
        append(table, config, &rules[i], owner);
}

static bool has_pooler(const struct head_list *heads)
{
    return head_list_groups(heads) & 1U << GROUP_POOLER;
}

static size_t count_tensors(const struct model_config *config)
{
    size_t count = EMBEDDING_TENSORS + LAYER_TENSORS * (size_t)config->num_hidden_layers;
    if (has_pooler(config->heads))
        count += POOLER_TENSORS;
    for (int i = 0; i < config->heads->count; i++)
        count += (size_t)config->heads->heads[i]->tensor_count;
    return count;
}

bool parameter_table_create(struct parameter_table *table, const struct model_config *config,
                            struct error *error)
{
    const size_t count = count_tensors(config);
    *table = (struct parameter_table){.list = allocate(count, sizeof *table->list, error)};
    if (!table->list)
        return false;
    table->layers = config->num_hidden_layers;
    append_all(table, config, embedding_tensors, EMBEDDING_TENSORS,
               (struct owner){GROUP_ENCODER, OUTSIDE, OUTSIDE});
    for (int layer = 0; layer < config->num_hidden_layers; layer++)
        append_all(table, config, layer_tensors, LAYER_TENSORS,
                   (struct owner){GROUP_ENCODER, layer, OUTSIDE});
    if (has_pooler(config->heads))
        append_all(table, config, pooler_tensors, POOLER_TENSORS,
                   (struct owner){GROUP_POOLER, OUTSIDE, OUTSIDE});
    for (int i = 0; i < config->heads->count; i++) {
        const struct head *head = config->heads->heads[i];
        append_all(table, config, head->tensors, head->tensor_count,
                   (struct owner){head->group, OUTSIDE, i});
    }
    CHECK((size_t)table->count == count);
    table->total = aligned(table->total);
    return true;
}

void parameter_table_free(struct parameter_table *table)
{
    free(table->list);
    *table = (struct parameter_table){0};
}

const struct parameter *parameter_find(const struct parameter_table *table, const char *name)
{
    for (int i = 0; i < table->count; i++)
        if (strcmp(table->list[i].name, name) == 0)
            return &table->list[i];
    return NULL;
}

/* ---- binding ---- */

static bool allocate_weights(struct weights *weights, const struct model_config *config,
                             struct error *error)
{
    const struct head_list *heads = config->heads;
    *weights = (struct weights){0};
    weights->layers = allocate((size_t)config->num_hidden_layers, sizeof *weights->layers, error);
    bool done = weights->layers;
    for (int i = 0; done && i < heads->count; i++) {
        weights->heads[i] = allocate(1, heads->heads[i]->weights_size, error);
        done = weights->heads[i];
    }
    return done;
}

static void *owner_structure(struct weights *weights, const struct parameter *parameter)
{
    return parameter->head != OUTSIDE    ? weights->heads[parameter->head]
           : parameter->layer != OUTSIDE ? (void *)&weights->layers[parameter->layer]
                                         : weights;
}

bool weights_bind(struct weights *weights, const struct parameter_table *table,
                  const struct model_config *config, real *block, struct error *error)
{
    if (!allocate_weights(weights, config, error)) {
        weights_free(weights);
        return false;
    }
    for (const struct parameter *parameter = table->list; parameter < table->list + table->count;
         parameter++) {
        if (parameter->joined)
            continue;
        CHECK(parameter->layer < config->num_hidden_layers);
        char *structure = owner_structure(weights, parameter);
        *(real **)(void *)(structure + parameter->member) = block + parameter->offset;
    }
    return true;
}

void weights_free(struct weights *weights)
{
    for (int i = 0; i < MAX_HEADS; i++)
        free(weights->heads[i]);
    free(weights->layers);
    *weights = (struct weights){0};
}

/* ---- initialization ---- */

static void draw_row(real *row, int columns, double range, struct random random)
{
    for (int column = 0; column < columns; column++)
        row[column] = (real)(range * random_truncated_normal(&random));
}

static void draw_matrix(real *values, const struct parameter *parameter, uint64_t index,
                        double range, uint64_t seed)
{
    int columns = parameter->columns;
#pragma omp parallel for schedule(static)
    for (int row = 0; row < parameter->rows; row++)
        draw_row(values + (size_t)row * (size_t)columns, columns, range,
                 random_begin(seed, RANDOM_INITIALIZATION, index, (uint32_t)row));
}

static void fill(real *values, size_t count, real value)
{
    for (size_t i = 0; i < count; i++)
        values[i] = value;
}

void parameters_initialize(real *block, const struct parameter_table *table, double range,
                           uint64_t seed, unsigned groups)
{
    for (int i = 0; i < table->count; i++) {
        const struct parameter *parameter = &table->list[i];
        real *values = block + parameter->offset;
        if (!(groups & 1U << parameter->group))
            continue;
        switch (parameter->kind) {
        case PARAMETER_MATRIX:
            draw_matrix(values, parameter, (uint64_t)i, range, seed);
            break;
        case PARAMETER_BIAS:
            fill(values, parameter_elements(parameter), 0);
            break;
        case PARAMETER_NORM:
            fill(values, parameter_elements(parameter), 1);
            break;
        }
    }
}
