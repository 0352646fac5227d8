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
    if (parameter_table_create(&model->table, config, error) &&
        parameter_block_create(&model->parameters, &model->table, config, error))
        return model;
    model_free(model);
    return NULL;
}

void model_free(struct model *model)
{
    if (!model)
        return;
    packed_weights_free(model->packed);
    parameter_block_free(&model->parameters);
    parameter_table_free(&model->table);
    free(model);
}

bool model_use_bf16(struct model *model, struct error *error)
{
    if (!packed_weights_check(&model->config, error))
        return false;
    model->packed = packed_weights_create(&model->config, error);
    if (!model->packed)
        return false;
    model_parameters_changed(model);
    return true;
}

void model_parameters_changed(struct model *model)
{
    if (model->packed)
        packed_weights_update(model->packed, &model->parameters.weights, &model->config);
}
