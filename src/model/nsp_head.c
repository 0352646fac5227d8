#include "model/nsp_head.h"

#include "model/arena_take.h"
#include "model/pooler.h"
#include "nn/cross_entropy.h"
#include "nn/linear.h"

enum { CLASSES = 2 };

struct nsp_weights {
    real *weight, *bias; /* [2, H] [2] */
};

struct nsp_memory {
    struct pooler_memory pooler;
    real *logits; /* [B, 2] */
};

static const struct tensor_rule tensors[] = {
    {"cls.seq_relationship.weight", PARAMETER_MATRIX, CLASSES, SIZE_HIDDEN,
     offsetof(struct nsp_weights, weight)},
    {"cls.seq_relationship.bias", PARAMETER_BIAS, SIZE_NONE, CLASSES,
     offsetof(struct nsp_weights, bias)},
};

static void nsp_plan(void *memory, const struct workspace *workspace,
                     const struct model_config *config, struct arena *arena)
{
    const struct nsp_memory planned = {
        .pooler = pooler_plan(workspace, config, arena),
        .logits = arena_take_reals(arena, (size_t)workspace->limits.sequences, CLASSES),
    };
    if (memory)
        *(struct nsp_memory *)memory = planned;
}

static struct linear_weight relation_linear(const struct head_pass *pass)
{
    const struct nsp_weights *weights = pass->weights;
    return (struct linear_weight){weights->weight, NULL, pass->model->config.hidden_size, CLASSES};
}

struct rows nsp_head_logits(const struct head_pass *pass)
{
    const struct nsp_memory *memory = pass->memory;
    const struct nsp_weights *weights = pass->weights;
    const struct linear_weight relation = relation_linear(pass);
    const struct rows logits = rows_of_reals(memory->logits, CLASSES);
    const struct rows pooled = pooler_forward(pass, &memory->pooler);
    profile_enter(pass->workspace->profile, PHASE_HEADS);
    linear_forward(logits, pooled, pass->micro_batch->batch.sequences, &relation, weights->bias,
                   NULL, NULL);
    return logits;
}

static void nsp_forward(const struct head_pass *pass, struct loss_sums *sums)
{
    struct workspace *workspace = pass->workspace;
    const struct rows logits = nsp_head_logits(pass);
    profile_enter(workspace->profile, PHASE_CROSS_ENTROPY);
    cross_entropy_forward(sums, workspace->row_loss, logits,
                          pass->micro_batch->batch.sequence_labels,
                          pass->micro_batch->batch.sequences, CLASSES);
}

static void nsp_backward(const struct head_pass *pass, real scale, struct loss_sums *sums)
{
    struct workspace *workspace = pass->workspace;
    const struct nsp_memory *memory = pass->memory;
    const struct nsp_weights *dweights = pass->dweights;
    const struct linear_weight relation = relation_linear(pass);
    const int rows = pass->micro_batch->batch.sequences, width = pass->model->config.hidden_size;
    const struct rows logits = nsp_head_logits(pass);
    profile_enter(workspace->profile, PHASE_CROSS_ENTROPY);
    cross_entropy_backward(sums, workspace->row_loss, logits, logits,
                           pass->micro_batch->batch.sequence_labels, rows, CLASSES, scale);
    profile_enter(workspace->profile, PHASE_HEADS);
    linear_backward_parameters(dweights->weight, dweights->bias, logits,
                               rows_of_reals(memory->pooler.pooled, width), rows, CLASSES, width,
                               NULL);
    linear_backward_input(rows_of_reals(memory->pooler.dpooled, width), logits, rows, &relation,
                          NULL, NULL);
    pooler_backward(pass, &memory->pooler);
    profile_enter(workspace->profile, PHASE_OTHER);
}

const struct head nsp_head = {
    .name = "NSP head",
    .key = "nsp_head",
    .prefix = "cls.seq_relationship.",
    .group = GROUP_NSP_HEAD,
    .pooled = true,
    .tensors = tensors,
    .tensor_count = sizeof tensors / sizeof *tensors,
    .weights_size = sizeof(struct nsp_weights),
    .memory_size = sizeof(struct nsp_memory),
    .plan = nsp_plan,
    .predictions = batch_labelled_sequences,
    .forward = nsp_forward,
    .backward = nsp_backward,
};
