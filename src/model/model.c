#include "model/model.h"

#include <stdlib.h>

bool parameter_block_create(struct parameter_block *block, const struct parameter_table *table,
                            const struct model_config *config, struct error *error)
{
    *block = (struct parameter_block){0};
    arena_take(&block->memory, table->total, sizeof(real));
    if (!arena_bind(&block->memory, error))
        return false;
    block->values = arena_take(&block->memory, table->total, sizeof(real));
    if (weights_bind(&block->weights, table, config, block->values, error))
        return true;
    parameter_block_free(block);
    return false;
}

void parameter_block_free(struct parameter_block *block)
{
    weights_free(&block->weights);
    arena_free(&block->memory);
    block->values = NULL;
}

struct model *model_create(const struct model_config *config, struct error *error)
{
    struct model *model = allocate(1, sizeof *model, error);
    if (!model)
        return NULL;
    model->config = *config;
    if (labels_copy(&model->config.labels, &config->labels, error) &&
        parameter_table_create(&model->table, config, error) &&
        parameter_block_create(&model->parameters, &model->table, config, error))
        return model;
    model_free(model);
    return NULL;
}

void model_free(struct model *model)
{
    if (!model)
        return;
    parameter_block_free(&model->parameters);
    parameter_table_free(&model->table);
    labels_free(&model->config.labels);
    free(model);
}
