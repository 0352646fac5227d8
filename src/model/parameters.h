/* The parameter table: the only list of the model's tensors. Initialization, Adam, clipping,
 * checkpoints, export and gradient checks iterate over it.
 *
 * All tensors are stored in one block of reals in the table's order, each at a multiple of 16
 * elements (64 bytes of float; the gaps are zero and stay zero). The values, the gradients and
 * Adam's moments have the same layout. The query, key and value tensors of a layer follow one
 * another without a gap, so that one product computes all three: weights [3H, H], biases [3H]. */
#ifndef CLOZE_MODEL_PARAMETERS_H
#define CLOZE_MODEL_PARAMETERS_H

#include "math/real.h"
#include "model/config.h"
#include "model/heads.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum parameter_kind {
    PARAMETER_MATRIX, /* a matrix or embedding: normal initialization, weight decay */
    PARAMETER_BIAS,   /* initially 0, no weight decay */
    PARAMETER_NORM,   /* a LayerNorm's weight: initially 1, no weight decay */
};

/* The sizes that a configuration gives an axis. */
enum parameter_size {
    SIZE_NONE = 0, /* the rows of a vector */
    SIZE_VOCABULARY = -1,
    SIZE_POSITIONS = -2,
    SIZE_TOKEN_TYPES = -3,
    SIZE_HIDDEN = -4,
    SIZE_INTERMEDIATE = -5,
    SIZE_LABELS = -6,
};

/* In place of a pointer: the tensor directly follows the previous one, and shares its pointer. */
#define TENSOR_JOINED SIZE_MAX

/* A tensor as its owner declares it. */
struct tensor_rule {
    const char *name;
    enum parameter_kind kind;
    int rows, columns; /* a number or an enum parameter_size; a vector has columns only */
    size_t member;     /* offset of its pointer in the owner's structure, or TENSOR_JOINED */
};

struct parameter {
    char name[80]; /* as in Hugging Face: "bert.encoder.layer.0.output.dense.weight" */
    enum parameter_kind kind;
    enum parameter_group group;
    int rows;      /* rows of a matrix; 0 for a vector */
    int columns;   /* columns of a matrix, or length of a vector */
    size_t offset; /* first element in the block, in reals */
    size_t spare;  /* elements at the end that belong to no token; training does not change them */

    /* The pointer that weights_bind sets. */
    int layer;     /* index of the layer; -1 outside the layers */
    int head;      /* index of the head in the configuration's list; -1 outside the heads */
    bool joined;   /* no pointer of its own: it directly follows the previous tensor */
    size_t member; /* offset of the pointer in struct weights, struct layer_weights or the head's
                      structure */
};

struct parameter_table {
    struct parameter *list;
    int count;
    int layers;        /* layers of the encoder */
    size_t total;      /* size of the block in reals, including the gaps */
    uint64_t elements; /* number of parameters, without the gaps */
};

/* Pointers into a block: the values that the model reads, or the gradients that it accumulates. */
struct layer_weights {
    real *query_key_value_weight, *query_key_value_bias;   /* [3H, H] [3H] */
    real *attention_output_weight, *attention_output_bias; /* [H, H] [H] */
    real *attention_norm_weight, *attention_norm_bias;     /* [H] */
    real *intermediate_weight, *intermediate_bias;         /* [F, H] [F] */
    real *output_weight, *output_bias;                     /* [H, F] [H] */
    real *output_norm_weight, *output_norm_bias;           /* [H] */
};

struct weights {
    real *word_embeddings, *position_embeddings;       /* [V, H] [P, H] */
    real *token_type_embeddings;                       /* [types, H] */
    real *embedding_norm_weight, *embedding_norm_bias; /* [H] */
    struct layer_weights *layers;                      /* [layers], owned */
    real *pooler_weight, *pooler_bias;                 /* [H, H] [H]; NULL without a pooler */
    void *heads[MAX_HEADS];                            /* each head's own structure, owned */

    /* Of gradients: if it is not 0, the embeddings and the first so many layers are frozen, and the
     * encoder's backward pass neither computes their gradients nor goes down to them. */
    int frozen_layers;
};

/* Makes the table of a configuration that model_config_check has accepted: the encoder, the pooler
 * if a head reads it, and the heads in the order of their list. Returns false when memory is short.
 * The caller frees the table. */
bool parameter_table_create(struct parameter_table *table, const struct model_config *config,
                            struct error *error);
void parameter_table_free(struct parameter_table *table);

/* Returns the number of elements of one tensor. */
size_t parameter_elements(const struct parameter *parameter);

/* Returns how many layers of the encoder are above the tensor: all of them above the embeddings,
 * none above the last layer, the pooler and the heads. */
int parameter_layers_above(const struct parameter_table *table, const struct parameter *parameter);

/* Returns the offset of the first tensor of a layer; `layers` stands for what follows the layers:
 * the pooler and the heads. */
size_t parameter_layer_offset(const struct parameter_table *table, int layer);

/* True if the tensor is one of the embeddings or the first `frozen_layers` layers, and that is not
 * 0. */
bool parameter_is_frozen(const struct parameter *parameter, int frozen_layers);

/* Returns the tensor with the name, or NULL. */
const struct parameter *parameter_find(const struct parameter_table *table, const char *name);

/* Sets the pointers to the tensors of a block with the table's layout. Returns false when memory is
 * short. Free with weights_free, which does not free the block. */
bool weights_bind(struct weights *weights, const struct parameter_table *table,
                  const struct model_config *config, real *block, struct error *error);
void weights_free(struct weights *weights);

/* Draws the tensors of the groups in the mask (1 << group): normal(0, initializer_range) truncated
 * at two standard deviations as in Google's BERT, biases 0, LayerNorm weights 1. A value depends
 * only on the seed, the tensor's index in the table, its row and its column. */
void parameters_initialize(real *block, const struct parameter_table *table, double range,
                           uint64_t seed, unsigned groups);

#endif
