/* The parameter table: the only list of the model's tensors. Initialization, Adam, clipping,
 * checkpoints, export, gradient checks and all-reduce iterate over it.
 *
 * All tensors lie one after the other in one block of reals, each at a multiple of 16 elements (64
 * bytes of float; the gaps are zero and stay zero). The same layout serves the values, the
 * gradients and Adam's moments. Query, key and value of a layer are neighbours without a gap, so
 * that one product computes them: weights [3H, H], biases [3H]. */
#ifndef CLOZE_MODEL_PARAMETERS_H
#define CLOZE_MODEL_PARAMETERS_H

#include "math/real.h"
#include "model/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum parameter_kind {
    PARAMETER_MATRIX, /* matrices and embeddings: normal initialization, weight decay */
    PARAMETER_BIAS,   /* zero, no decay */
    PARAMETER_NORM,   /* LayerNorm weight: one, no decay */
};

enum parameter_part { PART_ENCODER, PART_POOLER, PART_MLM_HEAD, PART_NSP_HEAD, PART_COUNT };

/* For people: "encoder", "pooler", "MLM head", "NSP head". */
const char *parameter_part_name(enum parameter_part part);

struct parameter {
    char name[80]; /* Hugging Face's, "bert.encoder.layer.0.output.dense.weight" */
    enum parameter_kind kind;
    enum parameter_part part;
    int rows;      /* of a matrix; 0 for a vector */
    int columns;   /* of a matrix; the length of a vector */
    size_t offset; /* in reals, from the block's beginning */

    /* Where weights_bind puts the pointer. */
    int layer;     /* -1 outside the encoder's layers */
    bool joined;   /* nowhere: reached through the tensor before it */
    size_t member; /* offset in struct weights or struct layer_weights */
};

struct parameter_table {
    struct parameter *list;
    int count;
    size_t total;      /* reals in the block, gaps included */
    uint64_t elements; /* parameters, gaps not included */
};

/* The structure through which the model reads (values) or accumulates (gradients). */
struct layer_weights {
    real *query_key_value_weight, *query_key_value_bias;   /* [3H, H] [3H] */
    real *attention_output_weight, *attention_output_bias; /* [H, H] [H] */
    real *attention_norm_weight, *attention_norm_bias;     /* [H] */
    real *intermediate_weight, *intermediate_bias;         /* [F, H] [F] */
    real *output_weight, *output_bias;                     /* [H, F] [H] */
    real *output_norm_weight, *output_norm_bias;           /* [H] */
};

struct weights {
    real *word_embeddings, *position_embeddings;           /* [V, H] [P, H] */
    real *token_type_embeddings;                           /* [types, H] */
    real *embedding_norm_weight, *embedding_norm_bias;     /* [H] */
    struct layer_weights *layers;                          /* [layers], owned */
    real *pooler_weight, *pooler_bias;                     /* [H, H] [H] */
    real *transform_weight, *transform_bias;               /* [H, H] [H] */
    real *transform_norm_weight, *transform_norm_bias;     /* [H] */
    real *decoder_bias;                                    /* [V] */
    real *seq_relationship_weight, *seq_relationship_bias; /* [2, H] [2] */
};

/* For a configuration that model_config_check has passed. The caller frees the table. */
bool parameter_table_create(struct parameter_table *table, const struct model_config *config,
                            struct error *error);
void parameter_table_free(struct parameter_table *table);

/* Number of elements of one tensor. */
size_t parameter_elements(const struct parameter *parameter);

/* The tensor with that name, NULL if there is none. */
const struct parameter *parameter_find(const struct parameter_table *table, const char *name);

/* Points the structure into a block laid out by the table. Free with weights_free, which leaves the
 * block alone. */
bool weights_bind(struct weights *weights, const struct parameter_table *table,
                  const struct model_config *config, real *block, struct error *error);
void weights_free(struct weights *weights);

/* Draws the tensors of the parts in the mask (1 << part): normal(0, initializer_range) truncated at
 * two standard deviations, biases 0, norm weights 1 (reference/bert.md). A value depends on the
 * seed, the tensor's place in the table, row and column only. */
void parameters_initialize(real *block, const struct parameter_table *table, double range,
                           uint64_t seed, unsigned parts);

#endif
