/* The masked language model, a token head with the word embeddings E:
 *
 *     z = LN(act(W_t x + b_t)),   logits = z E^T + b,   loss = cross-entropy with the token's label
 *
 * V is the size of the vocabulary: spare rows of E, which belong to no token, have no logits. */
#ifndef CLOZE_MODEL_MLM_HEAD_H
#define CLOZE_MODEL_MLM_HEAD_H

#include "model/head.h"

extern const struct head mlm_head;

struct mlm_memory {
    void *transform_panels, *decoder_panels;
    struct rows hidden;                    /* [M, H] the encoder's output at the predicted tokens */
    struct rows transform;                 /* [M, H] the activation's input */
    struct rows transform_activated;       /* [M, H] */
    real *transform_mean, *transform_rstd; /* [M] */
    struct rows transform_output;          /* [M, H] z */
    /* The rows of logits and dlogits are padded(V) elements apart, so that each begins on a cache
     * line: without that the decoder's product takes a fifth longer at H = 128 (Zen 3). */
    struct rows logits; /* [logit_rows, V], real: the logits of as many predictions at a time; in
                           fp32 training the same memory as dlogits */
    int logit_rows;

    /* Only in a workspace for training. */
    struct rows dlogits; /* [dlogit_rows, V] */
    int dlogit_rows;
    real *dhidden;          /* [M, H] with respect to transform_output, then hidden */
    struct rows dtransform; /* [M, H] */
};

/* Computes z of all predictions of the micro-batch in the head's memory. */
void mlm_head_transform(const struct head_pass *pass);

/* logits [rows, V]  out, real: those of predictions [first, first + rows) of the micro-batch
 *
 * Call mlm_head_transform first. In bf16 the rows must be at least padded(V) apart. */
void mlm_head_logits(const struct head_pass *pass, int first, int rows, struct rows logits);

#endif
