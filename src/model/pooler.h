/* The pooler, between the encoder and the heads that read a whole sequence:
 *
 *     pooled = tanh(W_p x + b_p),   x the encoder's output at the sequence's first token
 *
 * One row for each sequence, always in reals. The weight is laid out only if results must not
 * depend on the micro-batch. */
#ifndef CLOZE_MODEL_POOLER_H
#define CLOZE_MODEL_POOLER_H

#include "model/head.h"

struct pooler_memory {
    void *panels;       /* of the weight; NULL: it is not laid out */
    real *first_hidden; /* [B, H] the encoder's output at the first tokens */
    real *pooled;       /* [B, H] */
    real *dpooled;      /* [B, H] in training only: with respect to pooled, then the tanh's input */
};

struct pooler_memory pooler_plan(const struct workspace *workspace,
                                 const struct model_config *config, struct arena *arena);

/* Computes memory->pooled of the loaded micro-batch and returns it: [B, H]. */
struct rows pooler_forward(const struct head_pass *pass, const struct pooler_memory *memory);

/* memory->dpooled                    in: with respect to pooled; overwritten, as pooled is
 * workspace->dencoder_output [R, H]  accumulated (+=) at the first tokens
 * gradients                          accumulated (+=): the pooler's parameters */
void pooler_backward(const struct head_pass *pass, const struct pooler_memory *memory);

#endif
