/* One layer of the encoder on one part of a micro-batch; encoder.c divides the parts among the
 * threads. With the layer's input x, the forward pass is
 *
 *     q, k, v = W_qkv x + b_qkv
 *     c = attention(q, k, v)
 *     a = LN(x + dropout(W_o c + b_o))
 *     h = act(W_1 a + b_1)
 *     y = LN(a + dropout(W_2 h + b_2))
 *
 * and, with f' the backward pass of f, the gradients are
 *
 *     dy                               in
 *     s = LN'(dy)                      gradient with respect to the output LayerNorm's input
 *     da = s + W_1^T act'(W_2^T dropout'(s))
 *     t = LN'(da)                      gradient with respect to the attention LayerNorm's input
 *     dc = W_o^T dropout'(t)
 *     dq, dk, dv = attention'(dc)
 *     dx = t + W_qkv^T (dq, dk, dv)    out
 *
 *     dW_2 += dropout'(s) h^T          and so the other matrices, each a product over all tokens of
 *     db_2 += sum of dropout'(s)       the micro-batch
 *
 * The functions of a pass run in the order of their declarations; none can fail. */
#ifndef CLOZE_MODEL_ENCODER_LAYER_H
#define CLOZE_MODEL_ENCODER_LAYER_H

#include "model/layer_view.h"

#include <omp.h>

static inline void encoder_enter(const struct encoder_pass *pass, enum profile_phase phase)
{
    profile_enter(pass->workspace->profile, phase);
}

static inline uint32_t encoder_site(int layer, enum dropout_site site)
{
    return (uint32_t)layer * DROPOUT_SITES + site;
}

/* Returns the calling thread's scratch memory for linear layers. When the threads share a single
 * part this is the first thread's. */
static inline real *encoder_linear_memory(const struct encoder_pass *pass)
{
    return pass->workspace->linear_scratch +
           (size_t)omp_get_thread_num() * linear_scratch(pass->config->hidden_size);
}

void layer_part_forward(const struct encoder_pass *pass, const struct layer_view *layer,
                        const struct micro_batch_part *part);

/* dy                    in: layer->dhidden; overwritten
 * dx                    out: pass->memory->dhidden [T, H]
 * norm_partials [4, H]  accumulated (+=): the gradients of weight and bias of the output's
 *                       LayerNorm, then of the attention's */
void layer_part_backward(const struct encoder_pass *pass, const struct layer_view *layer,
                         const struct micro_batch_part *part, real *norm_partials);

/* Adds the gradients of the layer's matrices and their biases: products over all rows, each of
 * which is divided among the threads. Call it from serial code after layer_part_backward of all
 * parts. */
void layer_backward_parameters(const struct encoder_pass *pass, const struct layer_view *layer);

#endif
