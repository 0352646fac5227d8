/* The weights of a model as right operands of bf16 products (math/bf16.h): rounded and laid out
 * once a step, each for its forward and its backward pass. The parameters themselves stay as they
 * are. */
#ifndef CLOZE_MODEL_PACKED_WEIGHTS_H
#define CLOZE_MODEL_PACKED_WEIGHTS_H

#include "base/memory.h"
#include "model/parameters.h"
#include "nn/linear.h"

/* One matrix [out, in]. */
struct packed_matrix {
    bf16 *panels;     /* of its transpose, depth `in` */
    bf16 *transposed; /* of itself, depth `out` */
};

struct packed_layer {
    struct packed_matrix query_key_value, attention_output, intermediate, output;
};

struct packed_weights {
    struct arena memory;
    struct packed_layer *layers; /* [num_hidden_layers] */
    struct packed_matrix transform, word_embeddings;
};

/* A weight [out, in] and how it is packed (NULL: not), as linear layers take it. */
struct linear_weight packed_linear(const real *values, const struct packed_matrix *packed, int out,
                                   int in);

/* Whether bf16 products can compute this architecture here; the error says what is in the way. */
bool packed_weights_check(const struct model_config *config, struct error *error);

/* Bytes that packed_weights_create would allocate. */
size_t packed_weights_bytes(const struct model_config *config);

/* For an architecture that has been checked; NULL on failure. The caller owns it. */
struct packed_weights *packed_weights_create(const struct model_config *config,
                                             struct error *error);
void packed_weights_free(struct packed_weights *packed);

/* Lays all of them out anew. Runs in parallel; cannot fail. */
void packed_weights_update(struct packed_weights *packed, const struct weights *weights,
                           const struct model_config *config);

#endif
