#include "model/heads.h"

#include "model/encoder.h"
#include "nn/activation.h"
#include "nn/layernorm.h"
#include "nn/linear.h"

#include <string.h>

/* out [count, width]: the rows of x that `rows` names, in its order. */
static void gather_rows(real *out, const real *x, const int32_t *rows, int count, int width)
{
    for (int i = 0; i < count; i++)
        memcpy(out + (size_t)i * (size_t)width, x + (size_t)rows[i] * (size_t)width,
               (size_t)width * sizeof(real));
}

/* x [.., width] += the rows of y [count, width], at the places that `rows` names. */
static void scatter_add_rows(real *x, const real *y, const int32_t *rows, int count, int width)
{
    for (int i = 0; i < count; i++) {
        real *to = x + (size_t)rows[i] * (size_t)width;
        const real *from = y + (size_t)i * (size_t)width;
        for (int j = 0; j < width; j++)
            to[j] += from[j];
    }
}

/* ---- masked language model ---- */

void mlm_head_transform(const struct model *model, struct workspace *workspace)
{
    const struct weights *weights = &model->parameters.weights;
    int rows = workspace->batch.masked, width = model->config.hidden_size;
    profile_enter(workspace->profile, PHASE_HEADS_ROWS);
    gather_rows(workspace->masked_hidden, encoder_output(workspace, &model->config),
                workspace->batch.masked_tokens, rows, width);
    profile_enter(workspace->profile, PHASE_HEADS);
    linear_forward(workspace->transform, workspace->masked_hidden, weights->transform_weight,
                   weights->transform_bias, (struct linear_shape){rows, width, width});
    profile_enter(workspace->profile, PHASE_HEADS_ROWS);
    activation_forward(workspace->transform_activated, workspace->transform,
                       (size_t)rows * (size_t)width, model->config.activation);
    layernorm_forward(workspace->transform_output, workspace->transform_mean,
                      workspace->transform_rstd, workspace->transform_activated,
                      weights->transform_norm_weight, weights->transform_norm_bias, rows, width,
                      (real)model->config.layer_norm_eps);
}

void mlm_head_logits(const struct model *model, const struct workspace *workspace, int first,
                     int rows, real *logits)
{
    const struct weights *weights = &model->parameters.weights;
    int width = model->config.hidden_size;
    profile_enter(workspace->profile, PHASE_HEADS);
    linear_forward(logits, workspace->transform_output + (size_t)first * (size_t)width,
                   weights->word_embeddings, weights->decoder_bias,
                   (struct linear_shape){rows, width, model->config.vocab_size});
}

/* How many predictions the chunk that begins at `first` has. */
static int chunk_rows(const struct workspace *workspace, int first)
{
    int left = workspace->batch.masked - first;
    return left < workspace->logit_rows ? left : workspace->logit_rows;
}

void mlm_head_forward(const struct model *model, struct workspace *workspace,
                      struct cross_entropy *sums)
{
    mlm_head_transform(model, workspace);
    for (int first = 0, rows; first < workspace->batch.masked; first += rows) {
        rows = chunk_rows(workspace, first);
        mlm_head_logits(model, workspace, first, rows, workspace->logits);
        profile_enter(workspace->profile, PHASE_CROSS_ENTROPY);
        cross_entropy_forward(sums, workspace->row_loss, workspace->logits,
                              workspace->batch.masked_labels + first, rows,
                              model->config.vocab_size);
    }
}

/* The chunk's losses; its gradient over z goes to masked_gradient, those of the decoder are
 * accumulated. */
static void decoder_backward(const struct model *model, struct weights *gradients,
                             struct workspace *workspace, int first, int rows, real scale,
                             struct cross_entropy *sums)
{
    int width = model->config.hidden_size;
    size_t at = (size_t)first * (size_t)width;
    struct linear_shape shape = {rows, width, model->config.vocab_size};
    mlm_head_logits(model, workspace, first, rows, workspace->logits);
    profile_enter(workspace->profile, PHASE_CROSS_ENTROPY);
    cross_entropy_backward(sums, workspace->row_loss, workspace->logits,
                           workspace->batch.masked_labels + first, rows, model->config.vocab_size,
                           scale);
    profile_enter(workspace->profile, PHASE_HEADS);
    linear_backward_input(workspace->masked_gradient + at, workspace->logits,
                          model->parameters.weights.word_embeddings, shape, false);
    linear_backward_parameters(gradients->word_embeddings, gradients->decoder_bias,
                               workspace->logits, workspace->transform_output + at, shape);
}

void mlm_head_backward(const struct model *model, struct weights *gradients,
                       struct workspace *workspace, real scale, struct cross_entropy *sums)
{
    const struct weights *weights = &model->parameters.weights;
    int rows = workspace->batch.masked, width = model->config.hidden_size;
    real *gradient = workspace->masked_gradient;
    if (rows == 0)
        return;
    mlm_head_transform(model, workspace);
    for (int first = 0, count; first < rows; first += count) {
        count = chunk_rows(workspace, first);
        decoder_backward(model, gradients, workspace, first, count, scale, sums);
    }
    profile_enter(workspace->profile, PHASE_HEADS_ROWS);
    layernorm_backward(gradient, gradients->transform_norm_weight, gradients->transform_norm_bias,
                       gradient, workspace->transform_activated, workspace->transform_mean,
                       workspace->transform_rstd, weights->transform_norm_weight, rows, width);
    activation_backward(gradient, gradient, workspace->transform, (size_t)rows * (size_t)width,
                        model->config.activation);
    profile_enter(workspace->profile, PHASE_HEADS);
    linear_backward_parameters(gradients->transform_weight, gradients->transform_bias, gradient,
                               workspace->masked_hidden, (struct linear_shape){rows, width, width});
    /* transform_output has served: the gradient over the gathered rows takes its place. */
    linear_backward_input(workspace->transform_output, gradient, weights->transform_weight,
                          (struct linear_shape){rows, width, width}, false);
    profile_enter(workspace->profile, PHASE_HEADS_ROWS);
    scatter_add_rows(workspace->gradient, workspace->transform_output,
                     workspace->batch.masked_tokens, rows, width);
    profile_enter(workspace->profile, PHASE_OTHER);
}

/* ---- next-sentence prediction ---- */

void nsp_head_logits(const struct model *model, struct workspace *workspace)
{
    const struct weights *weights = &model->parameters.weights;
    int rows = workspace->batch.sequences, width = model->config.hidden_size;
    profile_enter(workspace->profile, PHASE_HEADS_ROWS);
    gather_rows(workspace->first_hidden, encoder_output(workspace, &model->config),
                workspace->batch.starts, rows, width);
    profile_enter(workspace->profile, PHASE_HEADS);
    linear_forward(workspace->pooled, workspace->first_hidden, weights->pooler_weight,
                   weights->pooler_bias, (struct linear_shape){rows, width, width});
    profile_enter(workspace->profile, PHASE_HEADS_ROWS);
    tanh_forward(workspace->pooled, workspace->pooled, (size_t)rows * (size_t)width);
    profile_enter(workspace->profile, PHASE_HEADS);
    linear_forward(workspace->relation_logits, workspace->pooled, weights->seq_relationship_weight,
                   weights->seq_relationship_bias, (struct linear_shape){rows, width, 2});
}

void nsp_head_forward(const struct model *model, struct workspace *workspace,
                      struct cross_entropy *sums)
{
    nsp_head_logits(model, workspace);
    profile_enter(workspace->profile, PHASE_CROSS_ENTROPY);
    cross_entropy_forward(sums, workspace->row_loss, workspace->relation_logits,
                          workspace->batch.next_sentence_labels, workspace->batch.sequences, 2);
}

void nsp_head_backward(const struct model *model, struct weights *gradients,
                       struct workspace *workspace, real scale, struct cross_entropy *sums)
{
    const struct weights *weights = &model->parameters.weights;
    int rows = workspace->batch.sequences, width = model->config.hidden_size;
    size_t elements = (size_t)rows * (size_t)width;
    real *gradient = workspace->first_gradient;
    nsp_head_logits(model, workspace);
    profile_enter(workspace->profile, PHASE_CROSS_ENTROPY);
    cross_entropy_backward(sums, workspace->row_loss, workspace->relation_logits,
                           workspace->batch.next_sentence_labels, rows, 2, scale);
    profile_enter(workspace->profile, PHASE_HEADS);
    linear_backward_parameters(gradients->seq_relationship_weight, gradients->seq_relationship_bias,
                               workspace->relation_logits, workspace->pooled,
                               (struct linear_shape){rows, width, 2});
    linear_backward_input(gradient, workspace->relation_logits, weights->seq_relationship_weight,
                          (struct linear_shape){rows, width, 2}, false);
    profile_enter(workspace->profile, PHASE_HEADS_ROWS);
    tanh_backward(gradient, gradient, workspace->pooled, elements);
    profile_enter(workspace->profile, PHASE_HEADS);
    linear_backward_parameters(gradients->pooler_weight, gradients->pooler_bias, gradient,
                               workspace->first_hidden, (struct linear_shape){rows, width, width});
    /* pooled has served: the gradient over the first rows takes its place. */
    linear_backward_input(workspace->pooled, gradient, weights->pooler_weight,
                          (struct linear_shape){rows, width, width}, false);
    profile_enter(workspace->profile, PHASE_HEADS_ROWS);
    scatter_add_rows(workspace->gradient, workspace->pooled, workspace->batch.starts, rows, width);
    profile_enter(workspace->profile, PHASE_OTHER);
}
