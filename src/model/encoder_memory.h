/* The memory of the encoder's forward and backward pass.
 *
 * Shapes: T tokens and R head tokens of the current micro-batch (model/micro_batch.h), each at most
 * its limit; H hidden_size, F intermediate_size.
 *
 * The distance between rows of left operands of products (arena_take_left) is left_width()
 * (math/panels.h): of qkv, query, context, activated and attention_output, and of gradients. */
#ifndef CLOZE_MODEL_ENCODER_MEMORY_H
#define CLOZE_MODEL_ENCODER_MEMORY_H

#include "base/memory.h"
#include "math/real.h"
#include "model/config.h"
#include "model/workspace_limits.h"
#include "nn/linear.h"
#include "nn/rows.h"

/* The values that a layer's forward pass keeps for its backward pass. In the last layer T stands
 * for the R head tokens, except that qkv holds the keys and values of all T tokens. */
struct layer_activations {
    struct rows qkv;                       /* [T, 3H]; in the last layer [T, 2H]: keys and values */
    struct rows query;                     /* [R, H], in the last layer only */
    struct rows context;                   /* [T, H] */
    struct rows attention_sum;             /* [T, H] dropout(dense(context)) + input */
    real *attention_mean, *attention_rstd; /* [T] */
    struct rows attention_output;          /* [T, H] LN(attention_sum). In fp32 all layers share
                                              its memory and the backward pass computes it again */
    struct rows intermediate;              /* [T, F] the activation's input */
    struct rows output_sum;                /* [T, H] dropout(dense(activated)) + attention_output */
    real *output_mean, *output_rstd;       /* [T] */
    struct rows output;                    /* [T, H] LN(output_sum) */
};

/* A layer's weights, laid out for one of the passes (nn/linear.h). In the last layer
 * query_key_value holds the rows of the matrix for keys and values, and query those for queries. */
struct layer_panels {
    void *query_key_value, *query, *attention_output, *intermediate, *output;
};

struct encoder_memory {
    /* [num_hidden_layers] for each pass. A pass lays a layer's weights out before it uses them,
     * unless they are `laid_out` already: all of them, since the parameters changed last. Without
     * limits.keep_panels all layers share the same memory. */
    struct layer_panels *panels[LINEAR_PASSES];
    bool laid_out;

    /* Kept for the backward pass and for the heads. */
    struct rows embedding_sum;             /* [T, H] */
    real *embedding_mean, *embedding_rstd; /* [T] */
    struct rows embedding_output;          /* [T, H] after dropout */
    struct layer_activations *layers;      /* [num_hidden_layers] */
    struct rows attention_output;          /* [T, H] in fp32 only: shared by all layers */
    struct rows last_layer_input;          /* [R, H] rows of the head tokens */

    /* Defined while the encoder runs, in either direction. */
    struct rows activated;   /* [T, F] */
    real *attention_scratch; /* [threads, attention_scratch()] */

    /* As above, but planned for training only. */
    struct rows dquery; /* [R, H] last layer only */
    real *dhidden;      /* [T, H] with respect to the current layer's output, then its input */
    struct rows doutput_dense;    /* [T, H] with respect to W_2 h + b_2 */
    struct rows dintermediate;    /* [T, F] */
    struct rows dattention_dense; /* [T, H] with respect to W_o c + b_o */
    struct rows dcontext;         /* [T, H] */
    struct rows dqkv;             /* [T, 3H] */
    real *norm_partials;          /* [parts, 4, H] each part's gradients of the LayerNorms */
};

/* Takes what is kept for the backward pass and for the heads from the arena, which owns it. Without
 * training the layers share memory, as far as the forward pass alone allows it. */
struct encoder_memory encoder_memory_plan(struct workspace_limits limits, bool training,
                                          const struct model_config *config, struct arena *arena);

/* Takes the panels of all layers for one of the passes from the arena, each with memory of its own.
 * Returns NULL while the arena only measures. */
struct layer_panels *encoder_panels_plan(bool is_bf16, const struct model_config *config,
                                         struct arena *arena);

/* Takes the rest: memory that others may use while the encoder does not run. */
void encoder_memory_plan_work(struct encoder_memory *memory, struct workspace_limits limits,
                              bool training, const struct model_config *config,
                              struct arena *arena);

#endif
