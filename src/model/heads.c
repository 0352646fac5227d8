#include "model/heads.h"

#include "model/encoder.h"
#include "nn/activation.h"
#include "nn/layernorm.h"
#include "nn/linear.h"

#include <string.h>

/* out [count, width]: the rows of x that `rows` names, in its order, widened. */
static void gather_reals(real *out, struct rows x, const int32_t *rows, int count)
{
    const size_t width = (size_t)x.width;
    for (int i = 0; i < count; i++, out += width) {
        const real *row = rows_read(&x, (struct row_span){rows[i], 0, x.width}, out);
        if (row != out)
            memcpy(out, row, width * sizeof(real));
    }
}

/* ---- masked language model ---- */

/* The head's matrices, laid out for a pass over `rows` rows. */
static struct linear_weight laid_out(const struct workspace *workspace, struct linear_weight weight,
                                     void *panels, int rows, enum linear_pass pass)
{
    profile_enter(workspace->profile, PHASE_PACKING);
    workspace_lay_out(workspace, &weight, panels, pass, rows);
    profile_enter(workspace->profile, PHASE_HEADS);
    return weight;
}

static struct linear_weight transform_linear(const struct model *model,
                                             const struct workspace *workspace,
                                             enum linear_pass pass)
{
    const int width = model->config.hidden_size;
    return laid_out(
        workspace,
        (struct linear_weight){model->parameters.weights.transform_weight, NULL, width, width},
        workspace->transform_panels, workspace->batch.masked, pass);
}

static struct linear_weight decoder_linear(const struct model *model,
                                           const struct workspace *workspace, int rows,
                                           enum linear_pass pass)
{
    return laid_out(workspace,
                    (struct linear_weight){model->parameters.weights.word_embeddings, NULL,
                                           model->config.hidden_size, model->config.vocab_size},
                    workspace->decoder_panels, rows, pass);
}

struct transform {
    const struct model *model;
    struct workspace *workspace;
};

/* What follows the transform's product: activation and normalization of whole rows. */
static void finish_transform(const void *context, const struct linear_block *block)
{
    const struct transform *transform = context;
    const struct workspace *workspace = transform->workspace;
    const struct model *model = transform->model;
    const struct weights *weights = &model->parameters.weights;
    const int width = model->config.hidden_size;
    for (int i = 0; i < block->rows; i++) {
        const int row = block->first_row + i;
        const struct row_span span = {row, 0, width};
        real *values = block->values + (size_t)i * block->ld;
        rows_write(&workspace->transform, span, values);
        real *activated = rows_place(&workspace->transform_activated, span, values);
        activation_forward(activated, values, (size_t)width, model->config.activation);
        rows_write(&workspace->transform_activated, span, activated);
        real *output = rows_place(&workspace->transform_output, span, activated);
        layernorm_forward(output, workspace->transform_mean + row, workspace->transform_rstd + row,
                          activated, weights->transform_norm_weight, weights->transform_norm_bias,
                          width, (real)model->config.layer_norm_eps);
        rows_write(&workspace->transform_output, span, output);
    }
}

void mlm_head_transform(const struct model *model, struct workspace *workspace)
{
    const int rows = workspace->batch.masked;
    const struct linear_epilogue epilogue = {
        .run = finish_transform,
        .context = &(struct transform){model, workspace},
        .whole_rows = true,
        .profile = workspace->profile,
        .phase = PHASE_HEADS_ROWS,
        .product = PHASE_HEADS,
    };
    profile_enter(workspace->profile, PHASE_HEADS_ROWS);
    rows_gather(workspace->masked_hidden, encoder_output(workspace, &model->config),
                workspace->reads.masked, rows);
    const struct linear_weight weight = transform_linear(model, workspace, LINEAR_FORWARD);
    linear_forward(workspace->transform, workspace->masked_hidden, rows, &weight,
                   model->parameters.weights.transform_bias, &epilogue, workspace->linear_scratch);
}

static void decode(const struct model *model, const struct workspace *workspace,
                   const struct linear_weight *decoder, int first, int rows, struct rows logits)
{
    profile_enter(workspace->profile, PHASE_HEADS);
    linear_forward(logits, rows_from(workspace->transform_output, first), rows, decoder,
                   model->parameters.weights.decoder_bias, NULL, NULL);
}

void mlm_head_logits(const struct model *model, const struct workspace *workspace, int first,
                     int rows, struct rows logits)
{
    const struct linear_weight decoder = decoder_linear(model, workspace, rows, LINEAR_FORWARD);
    decode(model, workspace, &decoder, first, rows, logits);
}

/* How many of the predictions before `end` the chunk that begins at `first` has. */
static int chunk_rows(int first, int end, int most)
{
    return end - first < most ? end - first : most;
}

void mlm_head_forward(const struct model *model, struct workspace *workspace,
                      struct cross_entropy *sums)
{
    const int masked = workspace->batch.masked;
    mlm_head_transform(model, workspace);
    const struct linear_weight decoder = decoder_linear(model, workspace, masked, LINEAR_FORWARD);
    for (int first = 0, rows; first < masked; first += rows) {
        rows = chunk_rows(first, masked, workspace->logit_rows);
        decode(model, workspace, &decoder, first, rows, workspace->logits);
        profile_enter(workspace->profile, PHASE_CROSS_ENTROPY);
        cross_entropy_forward(sums, workspace->row_loss, workspace->logits,
                              workspace->batch.masked_labels + first, rows,
                              model->config.vocab_size);
    }
}

/* Losses of predictions [first, first + rows), and their gradients over the logits in
 * logit_gradient. */
static void logit_gradients(const struct model *model, struct workspace *workspace, int first,
                            int rows, real scale, struct cross_entropy *sums)
{
    const struct linear_weight decoder = decoder_linear(model, workspace, rows, LINEAR_FORWARD);
    for (int done = 0, count; done < rows; done += count) {
        const struct rows gradient = rows_from(workspace->logit_gradient, done);
        const struct rows logits = gradient.reals ? gradient : workspace->logits;
        count = chunk_rows(done, rows, workspace->logit_rows);
        decode(model, workspace, &decoder, first + done, count, logits);
        profile_enter(workspace->profile, PHASE_CROSS_ENTROPY);
        cross_entropy_backward(sums, workspace->row_loss, gradient, logits,
                               workspace->batch.masked_labels + first + done, count,
                               model->config.vocab_size, scale);
    }
}

/* The same predictions' gradient over z goes to masked_gradient, those of the decoder are
 * accumulated. */
static void decoder_backward(const struct model *model, struct weights *gradients,
                             struct workspace *workspace, int first, int rows, real scale,
                             struct cross_entropy *sums)
{
    const int width = model->config.hidden_size;
    logit_gradients(model, workspace, first, rows, scale, sums);
    const struct linear_weight weight = decoder_linear(model, workspace, rows, LINEAR_BACKWARD);
    linear_backward_input(
        rows_of_reals(workspace->masked_gradient + (size_t)first * (size_t)width, width),
        workspace->logit_gradient, rows, &weight, NULL, NULL);
    linear_backward_parameters(gradients->word_embeddings, gradients->decoder_bias,
                               workspace->logit_gradient,
                               rows_from(workspace->transform_output, first), rows,
                               model->config.vocab_size, width, workspace->parameter_scratch);
}

/* masked_gradient: over z in; transform_gradient: over the transform's product out. */
static void transform_rows_backward(const struct model *model, struct weights *gradients,
                                    struct workspace *workspace)
{
    const int width = model->config.hidden_size;
    real *buffer = workspace->linear_scratch, *activated_buffer = buffer + width;
    for (int row = 0; row < workspace->batch.masked; row++) {
        const struct row_span span = {row, 0, width};
        real *gradient = workspace->masked_gradient + (size_t)row * (size_t)width;
        layernorm_backward(gradient, gradients->transform_norm_weight,
                           gradients->transform_norm_bias, gradient,
                           rows_read(&workspace->transform_activated, span, buffer),
                           workspace->transform_mean[row], workspace->transform_rstd[row],
                           model->parameters.weights.transform_norm_weight, width);
        activation_backward(gradient, activated_buffer, gradient,
                            rows_read(&workspace->transform, span, buffer), (size_t)width,
                            model->config.activation);
        rows_write(&workspace->transform_gradient, span, gradient);
    }
}

void mlm_head_backward(const struct model *model, struct weights *gradients,
                       struct workspace *workspace, real scale, struct cross_entropy *sums)
{
    const int rows = workspace->batch.masked, width = model->config.hidden_size;
    if (rows == 0)
        return;
    mlm_head_transform(model, workspace);
    for (int first = 0, count; first < rows; first += count) {
        count = chunk_rows(first, rows, workspace->logit_gradient_rows);
        decoder_backward(model, gradients, workspace, first, count, scale, sums);
    }
    profile_enter(workspace->profile, PHASE_HEADS_ROWS);
    transform_rows_backward(model, gradients, workspace);
    profile_enter(workspace->profile, PHASE_HEADS);
    linear_backward_parameters(gradients->transform_weight, gradients->transform_bias,
                               workspace->transform_gradient, workspace->masked_hidden, rows, width,
                               width, workspace->parameter_scratch);
    const struct linear_weight weight = transform_linear(model, workspace, LINEAR_BACKWARD);
    /* masked_gradient has served: the gradient over the gathered rows takes its place. */
    linear_backward_input(rows_of_reals(workspace->masked_gradient, width),
                          workspace->transform_gradient, rows, &weight, NULL, NULL);
    profile_enter(workspace->profile, PHASE_HEADS_ROWS);
    rows_scatter_add(workspace->read_gradient, workspace->masked_gradient, workspace->reads.masked,
                     rows, width);
    profile_enter(workspace->profile, PHASE_OTHER);
}

/* ---- next-sentence prediction ----
 *
 * A row a sequence: in reals throughout, with the parameters themselves. */

static struct linear_weight pooler_linear(const struct model *model)
{
    const int width = model->config.hidden_size;
    return (struct linear_weight){model->parameters.weights.pooler_weight, NULL, width, width};
}

static struct linear_weight relation_linear(const struct model *model)
{
    return (struct linear_weight){model->parameters.weights.seq_relationship_weight, NULL,
                                  model->config.hidden_size, 2};
}

void nsp_head_logits(const struct model *model, struct workspace *workspace)
{
    const struct weights *weights = &model->parameters.weights;
    const struct linear_weight pooler = pooler_linear(model), relation = relation_linear(model);
    const int rows = workspace->batch.sequences, width = model->config.hidden_size;
    const struct rows first_hidden = rows_of_reals(workspace->first_hidden, width);
    const struct rows pooled = rows_of_reals(workspace->pooled, width);
    profile_enter(workspace->profile, PHASE_HEADS_ROWS);
    gather_reals(workspace->first_hidden, encoder_output(workspace, &model->config),
                 workspace->reads.starts, rows);
    profile_enter(workspace->profile, PHASE_HEADS);
    linear_forward(pooled, first_hidden, rows, &pooler, weights->pooler_bias, NULL, NULL);
    profile_enter(workspace->profile, PHASE_HEADS_ROWS);
    tanh_forward(workspace->pooled, workspace->pooled, (size_t)rows * (size_t)width);
    profile_enter(workspace->profile, PHASE_HEADS);
    linear_forward(rows_of_reals(workspace->relation_logits, 2), pooled, rows, &relation,
                   weights->seq_relationship_bias, NULL, NULL);
}

void nsp_head_forward(const struct model *model, struct workspace *workspace,
                      struct cross_entropy *sums)
{
    nsp_head_logits(model, workspace);
    profile_enter(workspace->profile, PHASE_CROSS_ENTROPY);
    cross_entropy_forward(sums, workspace->row_loss, rows_of_reals(workspace->relation_logits, 2),
                          workspace->batch.next_sentence_labels, workspace->batch.sequences, 2);
}

void nsp_head_backward(const struct model *model, struct weights *gradients,
                       struct workspace *workspace, real scale, struct cross_entropy *sums)
{
    const struct linear_weight pooler = pooler_linear(model), relation = relation_linear(model);
    const int rows = workspace->batch.sequences, width = model->config.hidden_size;
    const struct rows logits = rows_of_reals(workspace->relation_logits, 2);
    const struct rows pooled = rows_of_reals(workspace->pooled, width);
    const struct rows gradient = rows_of_reals(workspace->first_gradient, width);
    nsp_head_logits(model, workspace);
    profile_enter(workspace->profile, PHASE_CROSS_ENTROPY);
    cross_entropy_backward(sums, workspace->row_loss, logits, logits,
                           workspace->batch.next_sentence_labels, rows, 2, scale);
    profile_enter(workspace->profile, PHASE_HEADS);
    linear_backward_parameters(gradients->seq_relationship_weight, gradients->seq_relationship_bias,
                               logits, pooled, rows, 2, width, NULL);
    linear_backward_input(gradient, logits, rows, &relation, NULL, NULL);
    profile_enter(workspace->profile, PHASE_HEADS_ROWS);
    tanh_backward(gradient.reals, gradient.reals, pooled.reals, (size_t)rows * (size_t)width);
    profile_enter(workspace->profile, PHASE_HEADS);
    linear_backward_parameters(gradients->pooler_weight, gradients->pooler_bias, gradient,
                               rows_of_reals(workspace->first_hidden, width), rows, width, width,
                               NULL);
    /* pooled has served: the gradient over the first rows takes its place. */
    linear_backward_input(pooled, gradient, rows, &pooler, NULL, NULL);
    profile_enter(workspace->profile, PHASE_HEADS_ROWS);
    rows_scatter_add(workspace->read_gradient, pooled.reals, workspace->reads.starts, rows, width);
    profile_enter(workspace->profile, PHASE_OTHER);
}
