/* The transformer encoder of BERT (Devlin et al. 2018), post-LayerNorm, on packed sequences:
 *
 *     e = dropout(LN(word[id] + position[p] + token_type[t]))
 *     per layer:  a = LN(x + dropout(W_o attention(W_qkv x)))
 *                 y = LN(a + dropout(W_2 act(W_1 a)))
 *
 * The heads read few tokens of the last layer, which computes no others: its queries are those that
 * are read, its keys and values of all.
 *
 * The sequences of a micro-batch are divided into parts, one or more a thread; a part goes through
 * all of a layer on its thread. A single part is worked on by all threads, row by row. The result
 * depends on the number of threads only through that division. Nothing here allocates or can fail.
 */
#ifndef CLOZE_MODEL_ENCODER_H
#define CLOZE_MODEL_ENCODER_H

#include "model/model.h"
#include "model/workspace.h"
#include "nn/dropout.h"

/* Dropout of one step; rates 0 for evaluation. */
struct encoder_dropout {
    struct dropout hidden, attention;
};

struct encoder_dropout encoder_dropout_none(void);
struct encoder_dropout encoder_dropout_begin(const struct model_config *config, uint64_t seed,
                                             uint64_t step);

/* Computes the last layer's output for the tokens of the loaded micro-batch that are read. */
void encoder_forward(const struct model *model, struct workspace *workspace,
                     const struct encoder_dropout *dropout);

/* The last layer's output, [R, H]: of the tokens that workspace->reads names. */
struct rows encoder_output(const struct workspace *workspace, const struct model_config *config);

/* workspace->read_gradient  [R, H]  in: over the last layer's output; destroyed
 * gradients                         accumulated (+=): embeddings and layers */
void encoder_backward(const struct model *model, struct weights *gradients,
                      struct workspace *workspace, const struct encoder_dropout *dropout);

#endif
