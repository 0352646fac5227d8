/* The transformer encoder of BERT (Devlin et al. 2018), post-LayerNorm, on packed sequences:
 *
 *     e = dropout(LN(word[id] + position[p] + token_type[t]))
 *     per layer:  a = LN(x + dropout(W_o attention(W_qkv x + b_qkv) + b_o))
 *                 y = LN(a + dropout(W_2 act(W_1 a + b_1) + b_2))
 *
 * The heads use the encoder's output at few tokens, the head tokens (model/micro_batch.h), and the
 * last layer computes only those: its queries are the head tokens' alone, its keys and values those
 * of all tokens.
 *
 * The sequences of a micro-batch are divided into parts, one or more for each thread, and a part
 * goes through all of a layer on its thread. A single part is shared by all threads, row by row.
 * The result depends on the number of threads only through that division. Nothing here allocates or
 * can fail. */
#ifndef CLOZE_MODEL_ENCODER_H
#define CLOZE_MODEL_ENCODER_H

#include "model/model.h"
#include "model/workspace.h"
#include "nn/dropout.h"

/* Dropout of one step. In evaluation all rates are 0. */
struct encoder_dropout {
    struct dropout hidden, attention;
    struct dropout classifier; /* of what a classifier reads; used by heads */
};

/* Hears during a backward pass which gradients are complete: those from an offset in their block to
 * its end. */
struct gradient_listener {
    void (*complete)(void *context, size_t offset);
    void *context;
};

/* NULL is accepted: nobody listens. */
void gradient_listener_tell(const struct gradient_listener *listener, size_t offset);

struct encoder_dropout encoder_dropout_none(void);
struct encoder_dropout encoder_dropout_begin(const struct model_config *config, uint64_t seed,
                                             uint64_t step);

/* Lays out the weights of all layers for forward passes in `layers` (encoder_panels_plan).
 * Workspaces may then have them as laid_out panels until the parameters change. Call it from serial
 * code; it uses all threads. The limits of `workspace` and of those that use the panels may differ
 * in all but bf16 and same_kernels, which must be set. */
void encoder_lay_out(const struct model *model, const struct workspace *workspace,
                     struct layer_panels *layers);

/* Computes the last layer's output at the head tokens of the loaded micro-batch. */
void encoder_forward(const struct model *model, struct workspace *workspace,
                     const struct encoder_dropout *dropout);

/* Returns the last layer's output at the head tokens, [R, H]. */
struct rows encoder_output(const struct workspace *workspace, const struct model_config *config);

/* workspace->dencoder_output  [R, H]  in: with respect to the last layer's output; overwritten
 * gradients                           accumulated (+=): embeddings and layers, if not frozen
 * listener                            hears after each layer, and at the end; NULL: nobody */
void encoder_backward(const struct model *model, struct weights *gradients,
                      struct workspace *workspace, const struct encoder_dropout *dropout,
                      const struct gradient_listener *listener);

#endif
