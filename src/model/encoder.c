#include "model/encoder.h"

#include "nn/activation.h"
#include "nn/attention.h"
#include "nn/embedding.h"
#include "nn/layernorm.h"
#include "nn/linear.h"

#include <omp.h>
#include <string.h>

struct encoder_dropout encoder_dropout_none(void)
{
    return (struct encoder_dropout){dropout_begin(0, 0, 0), dropout_begin(0, 0, 0)};
}

struct encoder_dropout encoder_dropout_begin(const struct model_config *config, uint64_t seed,
                                             uint64_t step)
{
    return (struct encoder_dropout){
        .hidden = dropout_begin(seed, step, config->hidden_dropout_prob),
        .attention = dropout_begin(seed, step, config->attention_probs_dropout_prob),
    };
}

/* Everything that the passes below share. */
struct pass {
    const struct model_config *config;
    const struct weights *weights;
    struct weights *gradients; /* backward only */
    struct workspace *workspace;
    const struct encoder_dropout *dropout;
};

static void enter(const struct pass *pass, enum profile_phase phase)
{
    profile_enter(pass->workspace->profile, phase);
}

static uint32_t site_of(int layer, enum dropout_site site)
{
    return (uint32_t)layer * DROPOUT_SITES + site;
}

/* x [rows, H] in place: rows of the part. */
static void drop_hidden(const struct pass *pass, const struct workspace_part *part, real *x,
                        int layer, enum dropout_site site)
{
    const struct workspace *workspace = pass->workspace;
    dropout_rows(x, part->rows, pass->config->hidden_size, &pass->dropout->hidden,
                 site_of(layer, site), workspace->token_examples + part->first_row,
                 workspace->batch.position_ids + part->first_row);
}

static void add_rows(real *y, const real *x, size_t count)
{
#pragma omp parallel for simd schedule(static) if (parallel : count > 1 << 16)
    for (size_t i = 0; i < count; i++)
        y[i] += x[i];
}

static struct embedding_ids part_ids(const struct pass *pass, const struct workspace_part *part)
{
    const struct batch *batch = &pass->workspace->batch;
    return (struct embedding_ids){
        .words = batch->input_ids + part->first_row,
        .positions = batch->position_ids + part->first_row,
        .token_types = batch->token_type_ids + part->first_row,
        .rows = part->rows,
    };
}

static struct attention_shape part_attention(const struct pass *pass,
                                             const struct workspace_part *part)
{
    return (struct attention_shape){
        .sequences = part->sequences,
        .starts = pass->workspace->batch.starts + part->first_sequence,
        .max_length = pass->workspace->batch.max_length,
        .heads = pass->config->num_attention_heads,
        .head_size = pass->config->hidden_size / pass->config->num_attention_heads,
        .profile = pass->workspace->profile,
    };
}

/* The calling thread's block of working memory; the first of all when a single part is shared by
 * the threads. */
static real *part_scratch(const struct pass *pass)
{
    const struct workspace *workspace = pass->workspace;
    int head_size = pass->config->hidden_size / pass->config->num_attention_heads;
    size_t each = attention_scratch(workspace->limits.max_length, head_size);
    return workspace->attention_scratch + (size_t)omp_get_thread_num() * each;
}

/* ---- embeddings ---- */

static void embedding_part_forward(const struct pass *pass, const struct workspace_part *part)
{
    struct workspace *workspace = pass->workspace;
    const struct weights *weights = pass->weights;
    int width = pass->config->hidden_size;
    size_t row = (size_t)part->first_row, at = row * (size_t)width;
    struct embedding_ids ids = part_ids(pass, part);
    enter(pass, PHASE_EMBEDDING);
    embedding_forward(workspace->embedding_sum + at, &ids, weights->word_embeddings,
                      weights->position_embeddings, weights->token_type_embeddings, width);
    enter(pass, PHASE_NORM);
    layernorm_forward(workspace->embedding_output + at, workspace->embedding_mean + row,
                      workspace->embedding_rstd + row, workspace->embedding_sum + at,
                      weights->embedding_norm_weight, weights->embedding_norm_bias, part->rows,
                      width, (real)pass->config->layer_norm_eps);
    drop_hidden(pass, part, workspace->embedding_output + at, 0, DROPOUT_EMBEDDING);
}

static void embedding_part_backward(const struct pass *pass, const struct workspace_part *part,
                                    real *norm_partials)
{
    struct workspace *workspace = pass->workspace;
    int width = pass->config->hidden_size;
    size_t row = (size_t)part->first_row, at = row * (size_t)width;
    enter(pass, PHASE_NORM);
    drop_hidden(pass, part, workspace->gradient + at, 0, DROPOUT_EMBEDDING);
    layernorm_backward(workspace->gradient + at, norm_partials, norm_partials + width,
                       workspace->gradient + at, workspace->embedding_sum + at,
                       workspace->embedding_mean + row, workspace->embedding_rstd + row,
                       pass->weights->embedding_norm_weight, part->rows, width);
}

/* ---- one layer ---- */

static void attention_part_forward(const struct pass *pass, int index,
                                   const struct workspace_part *part, const real *input)
{
    const struct layer_weights *weights = &pass->weights->layers[index];
    struct layer_activations *layer = &pass->workspace->layers[index];
    int width = pass->config->hidden_size;
    size_t row = (size_t)part->first_row, at = row * (size_t)width;
    real *sum = layer->attention_sum + at;
    struct attention_shape shape = part_attention(pass, part);
    enter(pass, PHASE_QUERY_KEY_VALUE);
    linear_forward(layer->qkv + 3 * at, input + at, weights->query_key_value_weight,
                   weights->query_key_value_bias,
                   (struct linear_shape){part->rows, width, 3 * width});
    attention_forward(layer->context, layer->qkv, part_scratch(pass), &shape,
                      &pass->dropout->attention, site_of(index, DROPOUT_ATTENTION_PROBABILITIES),
                      pass->workspace->sequence_examples + part->first_sequence);
    enter(pass, PHASE_ATTENTION_OUTPUT);
    linear_forward(sum, layer->context + at, weights->attention_output_weight,
                   weights->attention_output_bias, (struct linear_shape){part->rows, width, width});
    enter(pass, PHASE_NORM);
    drop_hidden(pass, part, sum, index, DROPOUT_ATTENTION_OUTPUT);
    add_rows(sum, input + at, (size_t)part->rows * (size_t)width);
    layernorm_forward(layer->attention_output + at, layer->attention_mean + row,
                      layer->attention_rstd + row, sum, weights->attention_norm_weight,
                      weights->attention_norm_bias, part->rows, width,
                      (real)pass->config->layer_norm_eps);
}

static void feed_forward_part_forward(const struct pass *pass, int index,
                                      const struct workspace_part *part)
{
    const struct layer_weights *weights = &pass->weights->layers[index];
    struct layer_activations *layer = &pass->workspace->layers[index];
    int width = pass->config->hidden_size, inner = pass->config->intermediate_size;
    size_t row = (size_t)part->first_row, at = row * (size_t)width, inner_at = row * (size_t)inner;
    real *sum = layer->output_sum + at, *activated = pass->workspace->activated + inner_at;
    enter(pass, PHASE_FEED_FORWARD);
    linear_forward(layer->intermediate + inner_at, layer->attention_output + at,
                   weights->intermediate_weight, weights->intermediate_bias,
                   (struct linear_shape){part->rows, width, inner});
    enter(pass, PHASE_ACTIVATION);
    activation_forward(activated, layer->intermediate + inner_at,
                       (size_t)part->rows * (size_t)inner, pass->config->activation);
    enter(pass, PHASE_FEED_FORWARD);
    linear_forward(sum, activated, weights->output_weight, weights->output_bias,
                   (struct linear_shape){part->rows, inner, width});
    enter(pass, PHASE_NORM);
    drop_hidden(pass, part, sum, index, DROPOUT_FEED_FORWARD_OUTPUT);
    add_rows(sum, layer->attention_output + at, (size_t)part->rows * (size_t)width);
    layernorm_forward(layer->output + at, layer->output_mean + row, layer->output_rstd + row, sum,
                      weights->output_norm_weight, weights->output_norm_bias, part->rows, width,
                      (real)pass->config->layer_norm_eps);
}

/* workspace->gradient: over the layer's output in, over attention_output out. Leaves the operands
 * of the parameters' gradients in output_gradient, intermediate_gradient and activated. */
static void feed_forward_part_backward(const struct pass *pass, int index,
                                       const struct workspace_part *part, real *norm_partials)
{
    const struct layer_weights *weights = &pass->weights->layers[index];
    struct workspace *workspace = pass->workspace;
    const struct layer_activations *layer = &workspace->layers[index];
    int width = pass->config->hidden_size, inner = pass->config->intermediate_size;
    size_t row = (size_t)part->first_row, at = row * (size_t)width, inner_at = row * (size_t)inner;
    size_t elements = (size_t)part->rows * (size_t)width;
    size_t inner_elements = (size_t)part->rows * (size_t)inner;
    real *gradient = workspace->gradient + at, *dense = workspace->output_gradient + at;
    real *inner_gradient = workspace->intermediate_gradient + inner_at;
    enter(pass, PHASE_NORM);
    layernorm_backward(gradient, norm_partials, norm_partials + width, gradient,
                       layer->output_sum + at, layer->output_mean + row, layer->output_rstd + row,
                       weights->output_norm_weight, part->rows, width);
    memcpy(dense, gradient, elements * sizeof(real));
    drop_hidden(pass, part, dense, index, DROPOUT_FEED_FORWARD_OUTPUT);
    enter(pass, PHASE_FEED_FORWARD);
    linear_backward_input(inner_gradient, dense, weights->output_weight,
                          (struct linear_shape){part->rows, inner, width}, false);
    enter(pass, PHASE_ACTIVATION);
    activation_backward(inner_gradient, inner_gradient, layer->intermediate + inner_at,
                        inner_elements, pass->config->activation);
    activation_forward(workspace->activated + inner_at, layer->intermediate + inner_at,
                       inner_elements, pass->config->activation);
    enter(pass, PHASE_FEED_FORWARD);
    linear_backward_input(gradient, inner_gradient, weights->intermediate_weight,
                          (struct linear_shape){part->rows, width, inner}, true);
}

/* workspace->gradient: over attention_output in, over the layer's input out. Leaves the operands of
 * the parameters' gradients in attention_gradient and qkv_gradient. */
static void attention_part_backward(const struct pass *pass, int index,
                                    const struct workspace_part *part, real *norm_partials)
{
    const struct layer_weights *weights = &pass->weights->layers[index];
    struct workspace *workspace = pass->workspace;
    const struct layer_activations *layer = &workspace->layers[index];
    int width = pass->config->hidden_size;
    size_t row = (size_t)part->first_row, at = row * (size_t)width;
    real *gradient = workspace->gradient + at, *dense = workspace->attention_gradient + at;
    struct attention_shape shape = part_attention(pass, part);
    enter(pass, PHASE_NORM);
    layernorm_backward(gradient, norm_partials, norm_partials + width, gradient,
                       layer->attention_sum + at, layer->attention_mean + row,
                       layer->attention_rstd + row, weights->attention_norm_weight, part->rows,
                       width);
    memcpy(dense, gradient, (size_t)part->rows * (size_t)width * sizeof(real));
    drop_hidden(pass, part, dense, index, DROPOUT_ATTENTION_OUTPUT);
    enter(pass, PHASE_ATTENTION_OUTPUT);
    linear_backward_input(workspace->context_gradient + at, dense, weights->attention_output_weight,
                          (struct linear_shape){part->rows, width, width}, false);
    attention_backward(workspace->qkv_gradient, workspace->context_gradient, layer->qkv,
                       part_scratch(pass), &shape, &pass->dropout->attention,
                       site_of(index, DROPOUT_ATTENTION_PROBABILITIES),
                       workspace->sequence_examples + part->first_sequence);
    enter(pass, PHASE_QUERY_KEY_VALUE);
    linear_backward_input(gradient, workspace->qkv_gradient + 3 * at,
                          weights->query_key_value_weight,
                          (struct linear_shape){part->rows, width, 3 * width}, true);
}

/* The products over all tokens that give a layer's weight gradients, each divided among the threads
 * by itself. */
static void layer_backward_parameters(const struct pass *pass, int index, const real *input)
{
    struct layer_weights *gradients = &pass->gradients->layers[index];
    const struct workspace *workspace = pass->workspace;
    const struct layer_activations *layer = &workspace->layers[index];
    int rows = workspace->batch.tokens, width = pass->config->hidden_size;
    int inner = pass->config->intermediate_size;
    enter(pass, PHASE_WEIGHT_GRADIENTS);
    linear_backward_parameters(gradients->output_weight, gradients->output_bias,
                               workspace->output_gradient, workspace->activated,
                               (struct linear_shape){rows, inner, width});
    linear_backward_parameters(gradients->intermediate_weight, gradients->intermediate_bias,
                               workspace->intermediate_gradient, layer->attention_output,
                               (struct linear_shape){rows, width, inner});
    linear_backward_parameters(gradients->attention_output_weight, gradients->attention_output_bias,
                               workspace->attention_gradient, layer->context,
                               (struct linear_shape){rows, width, width});
    linear_backward_parameters(gradients->query_key_value_weight, gradients->query_key_value_bias,
                               workspace->qkv_gradient, input,
                               (struct linear_shape){rows, width, 3 * width});
}

/* ---- the parts of a layer on all threads ---- */

static real *partials_of(const struct pass *pass, int part)
{
    size_t width = (size_t)pass->config->hidden_size;
    return pass->workspace->norm_partials + (size_t)part * 4 * width;
}

/* sum [width] += partial number `slot` (of 4) of every part, in the order of the parts. */
static void add_partials(const struct pass *pass, real *sum, int slot)
{
    size_t width = (size_t)pass->config->hidden_size;
    for (int part = 0; part < pass->workspace->part_count; part++)
        add_rows(sum, partials_of(pass, part) + (size_t)slot * width, width);
}

static void clear_partials(const struct pass *pass)
{
    size_t width = (size_t)pass->config->hidden_size;
    size_t count = (size_t)pass->workspace->part_count * 4 * width;
    memset(pass->workspace->norm_partials, 0, count * sizeof(real));
}

static const real *layer_input(const struct workspace *workspace, int index)
{
    return index == 0 ? workspace->embedding_output : workspace->layers[index - 1].output;
}

static void layer_forward(const struct pass *pass, int index)
{
    const struct workspace *workspace = pass->workspace;
    const real *input = layer_input(workspace, index);
    int parts = workspace->part_count;
#pragma omp parallel for schedule(static) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        attention_part_forward(pass, index, &workspace->parts[part], input);
        feed_forward_part_forward(pass, index, &workspace->parts[part]);
        enter(pass, PHASE_IDLE);
    }
}

static void layer_backward(const struct pass *pass, int index)
{
    const struct workspace *workspace = pass->workspace;
    struct layer_weights *gradients = &pass->gradients->layers[index];
    const size_t width = (size_t)pass->config->hidden_size;
    int parts = workspace->part_count;
    clear_partials(pass);
#pragma omp parallel for schedule(static) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        real *partials = partials_of(pass, part);
        feed_forward_part_backward(pass, index, &workspace->parts[part], partials);
        attention_part_backward(pass, index, &workspace->parts[part], partials + 2 * width);
        enter(pass, PHASE_IDLE);
    }
    enter(pass, PHASE_NORM);
    add_partials(pass, gradients->output_norm_weight, 0);
    add_partials(pass, gradients->output_norm_bias, 1);
    add_partials(pass, gradients->attention_norm_weight, 2);
    add_partials(pass, gradients->attention_norm_bias, 3);
    layer_backward_parameters(pass, index, layer_input(workspace, index));
}

/* ---- the encoder ---- */

void encoder_forward(const struct model *model, struct workspace *workspace,
                     const struct encoder_dropout *dropout)
{
    struct pass pass = {&model->config, &model->parameters.weights, NULL, workspace, dropout};
    int parts = workspace->part_count;
#pragma omp parallel for schedule(static) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        embedding_part_forward(&pass, &workspace->parts[part]);
        enter(&pass, PHASE_IDLE);
    }
    for (int layer = 0; layer < model->config.num_hidden_layers; layer++)
        layer_forward(&pass, layer);
    enter(&pass, PHASE_OTHER);
}

const real *encoder_output(const struct workspace *workspace, const struct model_config *config)
{
    return layer_input(workspace, config->num_hidden_layers);
}

void encoder_backward(const struct model *model, struct weights *gradients,
                      struct workspace *workspace, const struct encoder_dropout *dropout)
{
    struct pass pass = {&model->config, &model->parameters.weights, gradients, workspace, dropout};
    CHECK(workspace->training);
    for (int layer = model->config.num_hidden_layers - 1; layer >= 0; layer--)
        layer_backward(&pass, layer);
    int parts = workspace->part_count;
    clear_partials(&pass);
#pragma omp parallel for schedule(static) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        embedding_part_backward(&pass, &workspace->parts[part], partials_of(&pass, part));
        enter(&pass, PHASE_IDLE);
    }
    enter(&pass, PHASE_NORM);
    add_partials(&pass, gradients->embedding_norm_weight, 0);
    add_partials(&pass, gradients->embedding_norm_bias, 1);
    struct workspace_part all = {0, workspace->batch.sequences, 0, workspace->batch.tokens};
    struct embedding_ids ids = part_ids(&pass, &all);
    enter(&pass, PHASE_EMBEDDING);
    embedding_backward(gradients->word_embeddings, gradients->position_embeddings,
                       gradients->token_type_embeddings, workspace->gradient, &ids,
                       model->config.hidden_size);
    enter(&pass, PHASE_OTHER);
}
