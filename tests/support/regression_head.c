#include "support/regression_head.h"

#include "model/arena_take.h"
#include "model/encoder.h"
#include "model/mlm_head.h"
#include "model/nsp_head.h"

struct regression_weights {
    real *weight, *bias; /* [1, H] [1] */
};

struct regression_memory {
    real *hidden;  /* [B, H] the encoder's output at the first tokens */
    real *dhidden; /* [B, H] in training only */
    real *dvalues; /* [B] y - label; 0 without a label */
};

static const struct tensor_rule tensors[] = {
    {"regression.weight", PARAMETER_MATRIX, 1, SIZE_HIDDEN,
     offsetof(struct regression_weights, weight)},
    {"regression.bias", PARAMETER_BIAS, SIZE_NONE, 1, offsetof(struct regression_weights, bias)},
};

static void plan(void *memory, const struct workspace *workspace, const struct model_config *config,
                 struct arena *arena)
{
    const size_t sequences = (size_t)workspace->limits.sequences;
    const size_t hidden = (size_t)config->hidden_size;
    struct regression_memory planned = {
        .hidden = arena_take_reals(arena, sequences, hidden),
        .dvalues = arena_take_reals(arena, sequences, 1),
    };
    if (workspace->training)
        planned.dhidden = arena_take_reals(arena, sequences, hidden);
    if (memory)
        *(struct regression_memory *)memory = planned;
}

static void forward(const struct head_pass *pass, struct loss_sums *sums)
{
    const struct workspace *workspace = pass->workspace;
    const struct regression_weights *weights = pass->weights;
    const struct regression_memory *memory = pass->memory;
    const int width = pass->model->config.hidden_size;
    rows_gather_reals(memory->hidden, encoder_output(workspace, &pass->model->config),
                      pass->micro_batch->head_tokens.starts, pass->micro_batch->batch.sequences);
    for (int i = 0; i < pass->micro_batch->batch.sequences; i++) {
        const int32_t label = pass->micro_batch->batch.sequence_labels[i];
        real value = weights->bias[0];
        for (int j = 0; j < width; j++)
            value += weights->weight[j] * memory->hidden[i * width + j];
        memory->dvalues[i] = label == NO_LABEL ? 0 : value - (real)label;
        const double loss = (double)(memory->dvalues[i] * memory->dvalues[i] / 2);
        const struct loss_sums one = {loss, loss * loss, label != NO_LABEL, 0};
        loss_sums_add(sums, &one);
    }
}

static void backward(const struct head_pass *pass, real scale, struct loss_sums *sums)
{
    const struct workspace *workspace = pass->workspace;
    const struct regression_weights *weights = pass->weights, *dweights = pass->dweights;
    const struct regression_memory *memory = pass->memory;
    const int rows = pass->micro_batch->batch.sequences, width = pass->model->config.hidden_size;
    forward(pass, sums);
    for (int i = 0; i < rows; i++) {
        const real dvalue = memory->dvalues[i] * scale;
        dweights->bias[0] += dvalue;
        for (int j = 0; j < width; j++) {
            dweights->weight[j] += dvalue * memory->hidden[i * width + j];
            memory->dhidden[i * width + j] = dvalue * weights->weight[j];
        }
    }
    rows_scatter_add(workspace->dencoder_output, memory->dhidden,
                     pass->micro_batch->head_tokens.starts, rows, width);
}

const struct head regression_head = {
    .name = "regression head",
    .key = "regression_head",
    .prefix = "regression.",
    .group = GROUP_COUNT, /* after those of the table */
    .tensors = tensors,
    .tensor_count = sizeof tensors / sizeof *tensors,
    .weights_size = sizeof(struct regression_weights),
    .memory_size = sizeof(struct regression_memory),
    .plan = plan,
    .predictions = batch_labelled_sequences,
    .forward = forward,
    .backward = backward,
};

const struct head_list regression_heads = {
    .architecture = "BertForRegression",
    .count = 1,
    .heads = {&regression_head},
};

const struct head_list three_heads = {
    .architecture = "BertForThreeTasks",
    .count = 3,
    .heads = {&mlm_head, &nsp_head, &regression_head},
};
