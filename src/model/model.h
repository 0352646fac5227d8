/* A model in memory: its architecture and its parameters. */
#ifndef CLOZE_MODEL_MODEL_H
#define CLOZE_MODEL_MODEL_H

#include "base/memory.h"
#include "model/parameters.h"

/* Values or gradients: one block laid out by a parameter table, and the structure that points into
 * it. */
struct parameter_block {
    struct arena memory;
    real *values; /* [table.total] */
    struct weights weights;
};

bool parameter_block_create(struct parameter_block *block, const struct parameter_table *table,
                            const struct model_config *config, struct error *error);
void parameter_block_free(struct parameter_block *block);

struct model {
    struct model_config config;
    struct parameter_table table;
    struct parameter_block parameters;
};

/* A model of a checked configuration, all parameters zero; NULL on failure. The caller owns it. */
struct model *model_create(const struct model_config *config, struct error *error);
void model_free(struct model *model);

#endif
