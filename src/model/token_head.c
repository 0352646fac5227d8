#include "model/token_head.h"

#include "model/arena_take.h"
#include "model/classifier.h"
#include "model/encoder.h"
#include "nn/cross_entropy.h"

struct token_memory {
    struct classifier_memory classifier;
    real *dhidden; /* [M, H] in training only */
};

static void plan(void *memory, const struct workspace *workspace, const struct model_config *config,
                 struct arena *arena)
{
    const size_t rows = (size_t)workspace->limits.predicted;
    const size_t hidden = (size_t)config->hidden_size;
    const struct token_memory planned = {
        .classifier = classifier_plan(workspace, config, rows, arena),
        .dhidden = workspace->training ? arena_take_reals(arena, rows, hidden) : NULL,
    };
    if (memory)
        *(struct token_memory *)memory = planned;
}

static int predictions(const struct batch *batch)
{
    int labelled = 0;
    for (int i = 0; i < batch->predicted; i++)
        labelled += batch->predicted_labels[i] != NO_LABEL;
    return labelled;
}

static struct classifier_rows predicted_tokens(const struct head_pass *pass)
{
    const struct head_tokens *head_tokens = &pass->micro_batch->head_tokens;
    return (struct classifier_rows){
        .count = pass->micro_batch->batch.predicted,
        .tokens = head_tokens->predicted,
        .examples = head_tokens->examples,
        .positions = head_tokens->positions,
    };
}

static struct rows compute_logits(const struct head_pass *pass)
{
    const struct token_memory *memory = pass->memory;
    const struct classifier_rows rows = predicted_tokens(pass);
    profile_enter(pass->workspace->profile, PHASE_HEADS_ROWS);
    rows_gather_reals(memory->classifier.input,
                      encoder_output(pass->workspace, &pass->model->config), rows.tokens,
                      rows.count);
    return classifier_forward(pass, &memory->classifier, rows);
}

static void forward(const struct head_pass *pass, struct loss_sums *sums)
{
    const struct batch *batch = &pass->micro_batch->batch;
    const struct rows logits = compute_logits(pass);
    profile_enter(pass->workspace->profile, PHASE_CROSS_ENTROPY);
    cross_entropy_forward(sums, pass->workspace->row_loss, logits, batch->predicted_labels,
                          batch->predicted, logits.width);
}

static void backward(const struct head_pass *pass, real scale, struct loss_sums *sums)
{
    struct workspace *workspace = pass->workspace;
    const struct token_memory *memory = pass->memory;
    const struct batch *batch = &pass->micro_batch->batch;
    const struct classifier_rows rows = predicted_tokens(pass);
    const struct rows logits = compute_logits(pass);
    profile_enter(workspace->profile, PHASE_CROSS_ENTROPY);
    cross_entropy_backward(sums, workspace->row_loss, logits, logits, batch->predicted_labels,
                           batch->predicted, logits.width, scale);
    classifier_backward(pass, &memory->classifier, rows, memory->dhidden);
    rows_scatter_add(workspace->dencoder_output, memory->dhidden, rows.tokens, rows.count,
                     pass->model->config.hidden_size);
    profile_enter(workspace->profile, PHASE_OTHER);
}

const struct head token_classification_head = {
    .name = "classifier",
    .key = "classifier",
    .prefix = "classifier.",
    .group = GROUP_CLASSIFIER,
    .tensors = classifier_tensors,
    .tensor_count = CLASSIFIER_TENSORS,
    .weights_size = sizeof(struct classifier_weights),
    .memory_size = sizeof(struct token_memory),
    .plan = plan,
    .predictions = predictions,
    .logits = compute_logits,
    .forward = forward,
    .backward = backward,
};
