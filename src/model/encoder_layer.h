/* One layer of the encoder, on one part of a micro-batch at a time: what encoder.c lets the threads
 * run. The functions of a pass run in the order of their declarations; none can fail. */
#ifndef CLOZE_MODEL_ENCODER_LAYER_H
#define CLOZE_MODEL_ENCODER_LAYER_H

#include "model/encoder.h"
#include "nn/linear.h"

#include <omp.h>

/* A layer's matrices, laid out for a pass unless so few rows go through them that it takes longer.
 * In the last layer query_key_value gives keys and values alone. */
struct layer_linears {
    struct linear_weight query_key_value, query, attention_output, intermediate, output;
};

/* Everything that a forward or backward pass shares. */
struct encoder_pass {
    const struct model_config *config;
    const struct weights *weights;
    const struct layer_linears *linears; /* of the layer at hand */
    struct weights *gradients;           /* backward only */
    struct workspace *workspace;
    const struct encoder_dropout *dropout;
};

static inline void encoder_enter(const struct encoder_pass *pass, enum profile_phase phase)
{
    profile_enter(pass->workspace->profile, phase);
}

static inline uint32_t encoder_site(int layer, enum dropout_site site)
{
    return (uint32_t)layer * DROPOUT_SITES + site;
}

/* The calling thread's block of working memory; the first of all when a single part is shared by
 * the threads. */
static inline real *encoder_linear_memory(const struct encoder_pass *pass)
{
    return pass->workspace->linear_scratch +
           (size_t)omp_get_thread_num() * linear_scratch(pass->config->hidden_size);
}

/* [T, H]: the embeddings, or the output of the layer before. With the number of layers, [R, H]: the
 * encoder's output. */
struct rows layer_input(const struct workspace *workspace, int index);

/* From serial code, on all threads. */
struct layer_linears layer_linears(const struct encoder_pass *pass, int index,
                                   enum linear_pass direction);

void layer_part_forward(const struct encoder_pass *pass, int index,
                        const struct workspace_part *part);

/* workspace->gradient [T, H], in the last layer workspace->read_gradient [R, H]: over the layer's
 * output in; workspace->gradient over its input out. norm_partials [4, H] accumulates the gradients
 * of weight and bias of the output's LayerNorm and of the attention's. */
void layer_part_backward(const struct encoder_pass *pass, int index,
                         const struct workspace_part *part, real *norm_partials);

/* After all parts, from serial code: the products over all rows that give the gradients of the
 * layer's matrices, each divided among the threads by itself. */
void layer_backward_parameters(const struct encoder_pass *pass, int index);

#endif
