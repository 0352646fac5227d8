/* What one layer of the encoder reads and writes in a pass, as arrays of the whole micro-batch.
 *
 * All layers compute alike on their views. The last one computes fewer rows, those of the head
 * tokens: its input is gathered from them, and its queries are a product of their own; its keys and
 * values are those of all tokens. Elsewhere only the plan of memory and the gathering of the
 * layer's rows depend on that. */
#ifndef CLOZE_MODEL_LAYER_VIEW_H
#define CLOZE_MODEL_LAYER_VIEW_H

#include "model/encoder.h"
#include "nn/attention.h"
#include "nn/linear.h"

/* The arguments that all functions of a forward or backward pass share. */
struct encoder_pass {
    const struct model_config *config;
    const struct weights *weights;
    struct weights *gradients;             /* backward only */
    const struct micro_batch *micro_batch; /* the loaded one */
    const struct encoder_memory *memory;
    const struct workspace *workspace; /* limits, profile, what the heads use too */
    const struct encoder_dropout *dropout;
};

/* A product with rows of W_qkv. */
struct projection {
    struct linear_weight weight;
    const real *bias;
    bool all_tokens;     /* its rows are those of all tokens, whatever the layer's are */
    struct rows input;   /* x */
    struct rows output;  /* W x + b */
    struct rows doutput; /* backward only, like all below */
    real *dinput;        /* [input rows, H] */
    bool adds;           /* whether the backward pass adds to dinput instead of setting it */
    real *dweight, *dbias;
};

struct layer_view {
    int index;
    const struct layer_weights *weights;
    struct layer_weights *gradients; /* backward only */
    const struct layer_activations *activations;
    struct linear_weight attention_output, intermediate, output;

    int rows;                 /* that the layer computes */
    const int32_t *tokens;    /* [rows] the tokens that they belong to; NULL: all tokens */
    struct rows all_inputs;   /* the input of all tokens */
    struct rows input;        /* [rows, H] x, the layer's input */
    const int32_t *examples;  /* [rows] with positions, the keys of dropout's random numbers */
    const int32_t *positions; /* [rows] positions in the sequence */
    real *dhidden;            /* [rows, H] dy, then da, then t (model/encoder_layer.h) */

    struct projection projections[2]; /* of W_qkv, in the order of its rows */
    int projection_count;
    struct attention_operands operands, doperands; /* the queries, keys and values in them */
    const int32_t *query_starts, *query_positions; /* NULL: queries are those of all tokens */
};

/* Makes the view of layer `index` for a forward or backward pass. Lays the layer's matrices out
 * where that pays (workspace_lay_out_weight), unless they are laid out already (encoder_memory's
 * laid_out). Where all layers share the memory for that, the view is valid until the next one is
 * made; with keep_panels, and in the memory of encoder_lay_out, each layer has its own. */
struct layer_view layer_view_make(const struct encoder_pass *pass, int index,
                                  enum linear_pass direction);

/* Returns layer `index`'s input [T, H]: the embeddings or the previous layer's output. With `index`
 * the number of layers it returns the encoder's output [R, H]. */
struct rows layer_input(const struct encoder_memory *memory, int index);

#endif
