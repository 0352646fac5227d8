#include "model/pooler.h"

#include "model/arena_take.h"
#include "model/encoder.h"
#include "nn/activation.h"
#include "nn/linear.h"

struct pooler_memory pooler_plan(const struct workspace *workspace,
                                 const struct model_config *config, struct arena *arena)
{
    const size_t sequences = (size_t)workspace->limits.sequences;
    const size_t hidden = (size_t)config->hidden_size;
    const size_t panels = linear_panel_bytes(config->hidden_size, config->hidden_size, false);
    return (struct pooler_memory){
        .panels =
            workspace->limits.same_kernels && panels > 0 ? arena_take(arena, panels, 1) : NULL,
        .first_hidden = arena_take_reals(arena, sequences, hidden),
        .pooled = arena_take_reals(arena, sequences, hidden),
        .dpooled = workspace->training ? arena_take_reals(arena, sequences, hidden) : NULL,
    };
}

static struct linear_weight pooler_linear(const struct model *model)
{
    const int width = model->config.hidden_size;
    return (struct linear_weight){model->parameters.weights.pooler_weight, NULL, width, width};
}

struct rows pooler_forward(const struct head_pass *pass, const struct pooler_memory *memory)
{
    struct workspace *workspace = pass->workspace;
    const struct model *model = pass->model;
    struct linear_weight pooler = pooler_linear(model);
    const int rows = pass->micro_batch->batch.sequences, width = model->config.hidden_size;
    const struct rows pooled = rows_of_reals(memory->pooled, width);
    profile_enter(workspace->profile, PHASE_HEADS_ROWS);
    rows_gather_reals(memory->first_hidden, encoder_output(workspace, &model->config),
                      pass->micro_batch->head_tokens.starts, rows);
    profile_enter(workspace->profile, PHASE_HEADS);
    if (memory->panels)
        linear_lay_out(&pooler, memory->panels, LINEAR_FORWARD, false);
    linear_forward(pooled, rows_of_reals(memory->first_hidden, width), rows, &pooler,
                   model->parameters.weights.pooler_bias, NULL, NULL);
    profile_enter(workspace->profile, PHASE_HEADS_ROWS);
    tanh_forward(memory->pooled, memory->pooled, (size_t)rows * (size_t)width);
    return pooled;
}

void pooler_backward(const struct head_pass *pass, const struct pooler_memory *memory)
{
    struct workspace *workspace = pass->workspace;
    const struct linear_weight pooler = pooler_linear(pass->model);
    const int rows = pass->micro_batch->batch.sequences, width = pass->model->config.hidden_size;
    const struct rows dpooled = rows_of_reals(memory->dpooled, width);
    profile_enter(workspace->profile, PHASE_HEADS_ROWS);
    tanh_backward(memory->dpooled, memory->dpooled, memory->pooled, (size_t)rows * (size_t)width);
    profile_enter(workspace->profile, PHASE_HEADS);
    linear_backward_parameters(pass->gradients->pooler_weight, pass->gradients->pooler_bias,
                               dpooled, rows_of_reals(memory->first_hidden, width), rows, width,
                               width, NULL);
    /* pooled is no longer needed: the gradient with respect to first_hidden takes its place. */
    linear_backward_input(rows_of_reals(memory->pooled, width), dpooled, rows, &pooler, NULL, NULL);
    profile_enter(workspace->profile, PHASE_HEADS_ROWS);
    rows_scatter_add(workspace->dencoder_output, memory->pooled,
                     pass->micro_batch->head_tokens.starts, rows, width);
}
