/* A model in memory: its architecture and its parameters. */
#ifndef CLOZE_MODEL_MODEL_H
#define CLOZE_MODEL_MODEL_H

#include "base/memory.h"
#include "model/parameters.h"

/* Values or gradients: one block with the layout of a parameter table, and the pointers to its
 * tensors. */
struct parameter_block {
    struct arena memory;
    real *values; /* [table.total] */
    struct weights weights;
};

/* Allocates a block of zeros. Returns false when memory is short. The caller frees it. */
bool parameter_block_create(struct parameter_block *block, const struct parameter_table *table,
                            const struct model_config *config, struct error *error);
void parameter_block_free(struct parameter_block *block);

struct model {
    struct model_config config;
    struct parameter_table table;
    struct parameter_block parameters;
};

/* Returns a model of a configuration that model_config_check has accepted, with all parameters 0;
 * NULL when memory is short. The labels' names are copied. The caller owns the model. model_free
 * accepts NULL. */
struct model *model_create(const struct model_config *config, struct error *error);
void model_free(struct model *model);

#endif
