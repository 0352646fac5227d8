/* The memory of a forward and backward pass: planned from the shapes, bound once, used for every
 * micro-batch.
 *
 * Shapes: T tokens, B sequences, M predictions and R head tokens of the current micro-batch
 * (model/micro_batch.h); H hidden_size, F intermediate_size, V vocab_size.
 *
 * A gradient is named `d` and the value that it is taken with respect to. */
#ifndef CLOZE_MODEL_WORKSPACE_H
#define CLOZE_MODEL_WORKSPACE_H

#include "base/memory.h"
#include "math/real.h"
#include "model/config.h"
#include "model/heads.h"
#include "model/micro_batch.h"
#include "model/workspace_limits.h"
#include "nn/linear.h"
#include "nn/profile.h"
#include "nn/rows.h"

/* The values that a layer's forward pass keeps for its backward pass. In the last layer T stands
 * for the R head tokens, except that qkv holds the keys and values of all T tokens. The distance
 * between rows of qkv, query, context and of workspace->activated, and of the gradients with
 * respect to them, is left_width() (math/panels.h). */
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

/* The current layer's weights, laid out for the current pass (nn/linear.h). In the last layer
 * query_key_value holds the rows of the matrix for keys and values, and query those for queries. */
struct layer_panels {
    void *query_key_value, *query, *attention_output, *intermediate, *output;
};

struct workspace {
    struct arena memory;
    struct workspace_limits limits;
    bool training;
    struct profile *profile; /* counts the time of the passes; may be NULL; not owned */

    struct micro_batch micro_batch; /* the current one */

    struct rows embedding_sum;             /* [T, H] */
    real *embedding_mean, *embedding_rstd; /* [T] */
    struct rows embedding_output;          /* [T, H] after dropout */
    struct layer_activations *layers;      /* [num_hidden_layers] */
    struct rows attention_output;          /* [T, H] fp32: shared by all layers */
    struct rows last_layer_input;          /* [R, H] rows of the head tokens */
    real *linear_scratch;                  /* [threads, linear_scratch(H)] */

    /* Defined while the encoder runs; the heads use the same memory. */
    struct rows activated;   /* [T, F] */
    real *attention_scratch; /* [threads, attention_scratch()] */
    struct layer_panels panels;

    /* Only in a workspace for training. */
    struct rows dquery; /* [R, H] last layer only */
    real *dhidden;      /* [T, H] with respect to the current layer's output, then its input */
    struct rows doutput_dense;    /* [T, H] with respect to W_2 h + b_2 */
    struct rows dintermediate;    /* [T, F] */
    struct rows dattention_dense; /* [T, H] with respect to W_o c + b_o */
    struct rows dcontext;         /* [T, H] */
    struct rows dqkv;             /* [T, 3H] */
    real *norm_partials;          /* [parts, 4, H] each part's gradients of the LayerNorms */

    /* Each head's own structure, in the order of the configuration's list; the heads use the memory
     * that it points to, and row_loss, until the encoder runs again in the same memory. */
    void *head_memory[MAX_HEADS];
    real *row_loss; /* [max(M, B)] the losses of the head that ran last */

    /* Only in a workspace for training; used by the encoder and the heads. */
    real *dencoder_output;   /* [R, H] */
    void *parameter_scratch; /* linear_parameter_scratch() */
};

/* True if bf16 products can compute this architecture on this machine; otherwise the error names
 * the obstacle. */
bool workspace_check_bf16(const struct model_config *config, struct error *error);

/* Returns the number of bytes that workspace_create would allocate; SIZE_MAX if it overflows. */
size_t workspace_bytes(const struct model_config *config, struct workspace_limits limits,
                       bool training);

/* Returns NULL on failure. The caller owns the workspace. */
struct workspace *workspace_create(const struct model_config *config,
                                   struct workspace_limits limits, bool training,
                                   struct error *error);
void workspace_free(struct workspace *workspace);

/* Lays a weight out for a pass of `rows` rows (linear_lay_out). With few rows in fp32 it leaves the
 * weight as it is: OpenBLAS then packs it as fast itself. Call it from serial code. */
void workspace_lay_out_weight(const struct workspace *workspace, struct linear_weight *weight,
                              void *panels, enum linear_pass pass, int rows);

/* Takes a matrix of reals, a matrix in the type of activations (bf16 or real), and the panels of a
 * weight [out, in]: for the heads' plans. */
real *workspace_take_reals(struct arena *arena, size_t rows, size_t columns);
struct rows workspace_take_rows(const struct workspace *workspace, struct arena *arena, size_t rows,
                                size_t width);
void *workspace_take_panels(const struct workspace *workspace, struct arena *arena, size_t out,
                            size_t in);

#endif
