#include "model/classifier.h"

#include "model/arena_take.h"
#include "nn/dropout.h"
#include "nn/linear.h"
#include "nn/parallel.h"

const struct tensor_rule classifier_tensors[CLASSIFIER_TENSORS] = {
    {"classifier.weight", PARAMETER_MATRIX, SIZE_LABELS, SIZE_HIDDEN,
     offsetof(struct classifier_weights, weight)},
    {"classifier.bias", PARAMETER_BIAS, SIZE_NONE, SIZE_LABELS,
     offsetof(struct classifier_weights, bias)},
};

struct classifier_memory classifier_plan(const struct workspace *workspace,
                                         const struct model_config *config, size_t rows,
                                         struct arena *arena)
{
    const size_t panels = linear_panel_bytes(config->labels.count, config->hidden_size, false);
    return (struct classifier_memory){
        .panels =
            workspace->limits.same_kernels && panels > 0 ? arena_take(arena, panels, 1) : NULL,
        .input = arena_take_reals(arena, rows, (size_t)config->hidden_size),
        .logits = arena_take_reals(arena, rows, (size_t)config->labels.count),
    };
}

static struct linear_weight classifier_linear(const struct head_pass *pass)
{
    const struct classifier_weights *weights = pass->weights;
    const struct model_config *config = &pass->model->config;
    return (struct linear_weight){weights->weight, NULL, config->hidden_size, config->labels.count};
}

static void apply_dropout(const struct head_pass *pass, struct classifier_rows rows, real *x)
{
    const size_t width = (size_t)pass->model->config.hidden_size;
    if (!pass->dropout || pass->dropout->threshold == 0)
        return;
#pragma omp parallel for schedule(static) if ((size_t)rows.count * width > PARALLEL_ELEMENTS)
    for (int row = 0; row < rows.count; row++) {
        const int32_t token = rows.tokens ? rows.tokens[row] : row;
        dropout_row(x + (size_t)row * width, (int)width, pass->dropout, DROPOUT_CLASSIFIER,
                    (uint32_t)rows.examples[token],
                    rows.positions ? (uint32_t)rows.positions[token] : 0);
    }
}

struct rows classifier_forward(const struct head_pass *pass, const struct classifier_memory *memory,
                               struct classifier_rows rows)
{
    const struct classifier_weights *weights = pass->weights;
    const struct model_config *config = &pass->model->config;
    const struct rows logits = rows_of_reals(memory->logits, config->labels.count);
    struct linear_weight linear = classifier_linear(pass);
    profile_enter(pass->workspace->profile, PHASE_HEADS_ROWS);
    apply_dropout(pass, rows, memory->input);
    profile_enter(pass->workspace->profile, PHASE_HEADS);
    if (memory->panels)
        linear_lay_out(&linear, memory->panels, LINEAR_FORWARD, false);
    linear_forward(logits, rows_of_reals(memory->input, config->hidden_size), rows.count, &linear,
                   weights->bias, NULL, NULL);
    return logits;
}

void classifier_backward(const struct head_pass *pass, const struct classifier_memory *memory,
                         struct classifier_rows rows, real *dx)
{
    const struct classifier_weights *dweights = pass->dweights;
    const int width = pass->model->config.hidden_size, labels = pass->model->config.labels.count;
    const struct rows dlogits = rows_of_reals(memory->logits, labels);
    const struct linear_weight linear = classifier_linear(pass);
    profile_enter(pass->workspace->profile, PHASE_HEADS);
    linear_backward_parameters(dweights->weight, dweights->bias, dlogits,
                               rows_of_reals(memory->input, width), rows.count, labels, width,
                               NULL);
    linear_backward_input(rows_of_reals(dx, width), dlogits, rows.count, &linear, NULL, NULL);
    profile_enter(pass->workspace->profile, PHASE_HEADS_ROWS);
    apply_dropout(pass, rows, dx);
}
