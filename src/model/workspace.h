/* The memory of a forward and backward pass: planned from the shapes, bound once, used for every
 * micro-batch.
 *
 * Shapes: T tokens, B sequences, M predictions of a micro-batch (its own numbers, at most the
 * limits); R <= T tokens that are read, of which the encoder's output is wanted; H hidden_size, F
 * intermediate_size, V vocab_size. */
#ifndef CLOZE_MODEL_WORKSPACE_H
#define CLOZE_MODEL_WORKSPACE_H

#include "base/memory.h"
#include "data/batch.h"
#include "math/real.h"
#include "model/config.h"
#include "nn/linear.h"
#include "nn/profile.h"
#include "nn/rows.h"

struct workspace_limits {
    int sequences, tokens, masked; /* of a micro-batch */
    int max_length;                /* of a sequence */
    int threads;
    bool bf16; /* activations, and the products with them */
};

/* What a layer's forward pass leaves for its backward pass. The last layer has a row for each token
 * that is read, not for all T; only keys and values it needs of all. Rows of qkv, query and context
 * are left_width() apart (math/panels.h), and so are, below, those of activated and of the
 * gradients over it and over these. */
struct layer_activations {
    struct rows qkv;                       /* [T, 3H]; in the last layer [T, 2H]: keys, values */
    struct rows query;                     /* [R, H] in the last layer only */
    struct rows context;                   /* [T, H] */
    struct rows attention_sum;             /* [T, H] dropout(dense(context)) + input */
    real *attention_mean, *attention_rstd; /* [T] */
    struct rows attention_output;          /* [T, H] its normalization; but for bf16 all layers use
                                              the same memory, and the backward pass restores it */
    struct rows intermediate;              /* [T, F] before the activation */
    struct rows output_sum;                /* [T, H] dropout(dense(activated)) + attention_output */
    real *output_mean, *output_rstd;       /* [T] */
    struct rows output;                    /* [T, H] */
};

/* A layer's weights, laid out for the pass at hand (nn/linear.h). In the last layer query_key_value
 * holds what gives keys and values, query the rest. */
struct layer_panels {
    void *query_key_value, *query, *attention_output, *intermediate, *output;
};

/* Whole sequences that one thread takes through a layer. */
struct workspace_part {
    int first_sequence, sequences;
    int first_row, rows;
    int first_read, reads;
};

/* The tokens whose encoder output is wanted, in ascending order; the first of each sequence is
 * among them. */
struct workspace_reads {
    int count;          /* R */
    int32_t *rows;      /* [R] which of the T tokens */
    int32_t *starts;    /* [B + 1] first of each sequence, then R */
    int32_t *positions; /* [R] in the sequence */
    int32_t *examples;  /* [R] as token_examples */
    int32_t *masked;    /* [M] which of the R each masked token is */
};

struct workspace {
    struct arena memory;
    struct workspace_limits limits;
    bool training;
    struct profile *profile; /* where the passes count their time; NULL: nowhere; not owned */

    /* The micro-batch, its indices counted from its own beginning. */
    struct batch batch;
    int32_t *sequence_examples; /* [B] which example of the step */
    int32_t *token_examples;    /* [T] */
    struct workspace_reads reads;
    struct workspace_part *parts;
    int part_count;

    struct rows embedding_sum;             /* [T, H] */
    real *embedding_mean, *embedding_rstd; /* [T] */
    struct rows embedding_output;          /* [T, H] after dropout */
    struct layer_activations *layers;      /* [num_hidden_layers]; see workspace.c */
    struct rows attention_output;          /* [T, H] of all layers, but for bf16 */
    struct rows read_input;                /* [R, H] of the last layer */
    real *linear_scratch;                  /* [threads, linear_scratch(H)] */

    /* While the encoder is at work only: the heads use the same memory. */
    struct rows activated;   /* [T, F] */
    real *attention_scratch; /* [threads, attention_scratch()] */
    struct layer_panels panels;
    struct rows query_gradient; /* [R, H] of the last layer; all gradients only with training */
    real *gradient; /* [T, H] over the output of the layer at hand, then over its input */
    struct rows output_gradient;       /* [T, H] over the second dense layer's output */
    struct rows intermediate_gradient; /* [T, F] */
    struct rows attention_gradient;    /* [T, H] over the attention's dense output */
    struct rows context_gradient;      /* [T, H] */
    struct rows qkv_gradient;          /* [T, 3H] */
    real *norm_partials;               /* [parts, 4, H] LayerNorm gradients of each part */

    /* While the heads are at work only: from mlm_head_transform or nsp_head_logits on until the
     * encoder works again. */
    void *transform_panels, *decoder_panels;
    struct rows masked_hidden;             /* [M, H] rows of the encoder's output */
    struct rows transform;                 /* [M, H] before the activation */
    struct rows transform_activated;       /* [M, H] */
    real *transform_mean, *transform_rstd; /* [M] */
    struct rows transform_output;          /* [M, H] */
    /* Rows of logits and of their gradients are padded(V) apart, so that each begins with a line of
     * the cache: where they do not, the decoder's product takes a fifth longer with H = 128 (Zen
     * 3).
     */
    struct rows logits; /* [logit_rows, V], real; some predictions at a time; in training in fp32
                           the memory of logit_gradient */
    int logit_rows;
    real *row_loss;             /* [max(M, B)] */
    real *first_hidden;         /* [B, H] the [CLS] rows */
    real *pooled;               /* [B, H] */
    real *relation_logits;      /* [B, 2] */
    struct rows logit_gradient; /* [logit_gradient_rows, V]; gradients only with training */
    int logit_gradient_rows;
    real *masked_gradient;          /* [M, H] over the transform's output, then over its input */
    struct rows transform_gradient; /* [M, H] over the transform's product */
    real *first_gradient;           /* [B, H] */

    /* Only with training, of both. */
    real *read_gradient;     /* [R, H] over the encoder's output */
    void *parameter_scratch; /* linear_parameter_scratch() */
};

/* Whether bf16 products can compute this architecture on this machine; the error says what is in
 * the way. */
bool workspace_check_bf16(const struct model_config *config, struct error *error);

/* Bytes that workspace_create would allocate; SIZE_MAX if that cannot be addressed. */
size_t workspace_bytes(const struct model_config *config, struct workspace_limits limits,
                       bool training);

/* NULL on failure; the caller owns it. */
struct workspace *workspace_create(const struct model_config *config,
                                   struct workspace_limits limits, bool training,
                                   struct error *error);
void workspace_free(struct workspace *workspace);

/* Copies the sequences [first, last) of a batch in; they must be within the limits. A sequence's
 * place in the batch is the example that dropout knows it by. What the heads need is read: the
 * first token of each sequence, and the masked ones. */
void workspace_load(struct workspace *workspace, const struct batch *batch, int first, int last);

/* Lays a weight out for a pass (linear_pack), unless so few rows go through it that sgemm packs it
 * as fast itself. From serial code. */
void workspace_lay_out(const struct workspace *workspace, struct linear_weight *weight,
                       void *panels, enum linear_pass pass, int rows);

/* Every token of the loaded micro-batch is read. The limits must allow for masking them all. */
void workspace_read_all(struct workspace *workspace);

#endif
