#include "model/parameters.h"

#include "base/memory.h"
#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sizes of tensors, as the configuration names them. */
enum size { NONE, VOCABULARY, POSITIONS, TOKEN_TYPES, HIDDEN, INTERMEDIATE, TWO };

static int size_value(enum size size, const struct model_config *config)
{
    const int values[] = {
        [NONE] = 0,
        [VOCABULARY] = config->vocab_size,
        [POSITIONS] = config->max_position_embeddings,
        [TOKEN_TYPES] = config->type_vocab_size,
        [HIDDEN] = config->hidden_size,
        [INTERMEDIATE] = config->intermediate_size,
        [TWO] = 2,
    };
    return values[size];
}

struct rule {
    const char *name; /* of a layer's tensor: what follows "bert.encoder.layer.N." */
    enum parameter_kind kind;
    enum size rows, columns;
    enum parameter_part part;
    bool each_layer;
    bool
        joined; /* follows the tensor before it without a gap, reached through that one's pointer */
    size_t member; /* of struct weights or, in each layer, of struct layer_weights */
};

#define MATRIX(rows, columns) PARAMETER_MATRIX, rows, columns
#define BIAS(length)          PARAMETER_BIAS, NONE, length
#define NORM(length)          PARAMETER_NORM, NONE, length
#define AT(member)            false, false, offsetof(struct weights, member)
#define LAYER_AT(member)      PART_ENCODER, true, false, offsetof(struct layer_weights, member)
#define LAYER_JOINED          PART_ENCODER, true, true, 0

static const struct rule rules[] = {
    {"bert.embeddings.word_embeddings.weight", MATRIX(VOCABULARY, HIDDEN), PART_ENCODER,
     AT(word_embeddings)},
    {"bert.embeddings.position_embeddings.weight", MATRIX(POSITIONS, HIDDEN), PART_ENCODER,
     AT(position_embeddings)},
    {"bert.embeddings.token_type_embeddings.weight", MATRIX(TOKEN_TYPES, HIDDEN), PART_ENCODER,
     AT(token_type_embeddings)},
    {"bert.embeddings.LayerNorm.weight", NORM(HIDDEN), PART_ENCODER, AT(embedding_norm_weight)},
    {"bert.embeddings.LayerNorm.bias", BIAS(HIDDEN), PART_ENCODER, AT(embedding_norm_bias)},

    {"attention.self.query.weight", MATRIX(HIDDEN, HIDDEN), LAYER_AT(query_key_value_weight)},
    {"attention.self.key.weight", MATRIX(HIDDEN, HIDDEN), LAYER_JOINED},
    {"attention.self.value.weight", MATRIX(HIDDEN, HIDDEN), LAYER_JOINED},
    {"attention.self.query.bias", BIAS(HIDDEN), LAYER_AT(query_key_value_bias)},
    {"attention.self.key.bias", BIAS(HIDDEN), LAYER_JOINED},
    {"attention.self.value.bias", BIAS(HIDDEN), LAYER_JOINED},
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

    {"bert.pooler.dense.weight", MATRIX(HIDDEN, HIDDEN), PART_POOLER, AT(pooler_weight)},
    {"bert.pooler.dense.bias", BIAS(HIDDEN), PART_POOLER, AT(pooler_bias)},
    {"cls.predictions.transform.dense.weight", MATRIX(HIDDEN, HIDDEN), PART_MLM_HEAD,
     AT(transform_weight)},
    {"cls.predictions.transform.dense.bias", BIAS(HIDDEN), PART_MLM_HEAD, AT(transform_bias)},
    {"cls.predictions.transform.LayerNorm.weight", NORM(HIDDEN), PART_MLM_HEAD,
     AT(transform_norm_weight)},
    {"cls.predictions.transform.LayerNorm.bias", BIAS(HIDDEN), PART_MLM_HEAD,
     AT(transform_norm_bias)},
    {"cls.predictions.bias", BIAS(VOCABULARY), PART_MLM_HEAD, AT(decoder_bias)},
    {"cls.seq_relationship.weight", MATRIX(TWO, HIDDEN), PART_NSP_HEAD,
     AT(seq_relationship_weight)},
    {"cls.seq_relationship.bias", BIAS(TWO), PART_NSP_HEAD, AT(seq_relationship_bias)},
};

enum {
    RULE_COUNT = sizeof rules / sizeof *rules,
    OUTSIDE_LAYERS = -1,
    ALIGNMENT = 16, /* elements: 64 bytes of float, an AVX-512 vector, a cache line */
};

const char *parameter_part_name(enum parameter_part part)
{
    static const char *const names[] = {"encoder", "pooler", "MLM head", "NSP head"};
    CHECK(part < PART_COUNT);
    return names[part];
}

size_t parameter_elements(const struct parameter *parameter)
{
    return (size_t)(parameter->rows ? parameter->rows : 1) * (size_t)parameter->columns;
}

static size_t aligned(size_t offset)
{
    return (offset + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void append(struct parameter_table *table, const struct rule *rule, int layer,
                   const struct model_config *config)
{
    struct parameter *parameter = &table->list[table->count++];
    *parameter = (struct parameter){
        .kind = rule->kind,
        .part = rule->part,
        .rows = size_value(rule->rows, config),
        .columns = size_value(rule->columns, config),
        .offset = rule->joined ? table->total : aligned(table->total),
        .layer = layer,
        .joined = rule->joined,
        .member = rule->member,
    };
    int length = layer == OUTSIDE_LAYERS
                     ? snprintf(parameter->name, sizeof parameter->name, "%s", rule->name)
                     : snprintf(parameter->name, sizeof parameter->name, "bert.encoder.layer.%d.%s",
                                layer, rule->name);
    CHECK(length > 0 && (size_t)length < sizeof parameter->name);
    /* Cannot overflow: model_config_check bounds every tensor and the number of layers. */
    table->total = parameter->offset + parameter_elements(parameter);
    table->elements += parameter_elements(parameter);
}

bool parameter_table_create(struct parameter_table *table, const struct model_config *config,
                            struct error *error)
{
    size_t count = 0;
    for (const struct rule *rule = rules; rule < rules + RULE_COUNT; rule++)
        count += rule->each_layer ? (size_t)config->num_hidden_layers : 1;
    *table = (struct parameter_table){.list = allocate(count, sizeof *table->list, error)};
    if (!table->list)
        return false;
    const struct rule *rule = rules;
    while (!rule->each_layer)
        append(table, rule++, OUTSIDE_LAYERS, config);
    const struct rule *layer_rules = rule;
    for (int layer = 0; layer < config->num_hidden_layers; layer++)
        for (rule = layer_rules; rule->each_layer; rule++)
            append(table, rule, layer, config);
    while (rule < rules + RULE_COUNT)
        append(table, rule++, OUTSIDE_LAYERS, config);
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

bool weights_bind(struct weights *weights, const struct parameter_table *table,
                  const struct model_config *config, real *block, struct error *error)
{
    size_t layers = (size_t)config->num_hidden_layers;
    *weights = (struct weights){.layers = allocate(layers, sizeof *weights->layers, error)};
    if (!weights->layers)
        return false;
    for (const struct parameter *parameter = table->list; parameter < table->list + table->count;
         parameter++) {
        if (parameter->joined)
            continue;
        CHECK(parameter->layer < config->num_hidden_layers);
        char *structure = parameter->layer == OUTSIDE_LAYERS
                              ? (char *)weights
                              : (char *)&weights->layers[parameter->layer];
        *(real **)(void *)(structure + parameter->member) = block + parameter->offset;
    }
    return true;
}

void weights_free(struct weights *weights)
{
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
                           uint64_t seed, unsigned parts)
{
    for (int i = 0; i < table->count; i++) {
        const struct parameter *parameter = &table->list[i];
        real *values = block + parameter->offset;
        if (!(parts & 1U << parameter->part))
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
