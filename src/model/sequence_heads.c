#include "model/sequence_heads.h"

#include "model/classifier.h"
#include "model/pooler.h"
#include "nn/cross_entropy.h"
#include "nn/squared_error.h"

#include <string.h>

struct sequence_memory {
    struct pooler_memory pooler;
    struct classifier_memory classifier;
};

static void plan(void *memory, const struct workspace *workspace, const struct model_config *config,
                 struct arena *arena)
{
    const struct sequence_memory planned = {
        .pooler = pooler_plan(workspace, config, arena),
        .classifier =
            classifier_plan(workspace, config, (size_t)workspace->limits.sequences, arena),
    };
    if (memory)
        *(struct sequence_memory *)memory = planned;
}

static struct classifier_rows all_sequences(const struct head_pass *pass)
{
    return (struct classifier_rows){
        .count = pass->micro_batch->batch.sequences,
        .examples = pass->micro_batch->sequence_examples,
    };
}

static struct rows compute_logits(const struct head_pass *pass)
{
    const struct sequence_memory *memory = pass->memory;
    const struct classifier_rows rows = all_sequences(pass);
    const struct rows pooled = pooler_forward(pass, &memory->pooler);
    /* A copy: the gradient of the pooler's tanh needs its output without dropout. */
    memcpy(memory->classifier.input, pooled.reals,
           (size_t)rows.count * (size_t)pooled.width * sizeof(real));
    return classifier_forward(pass, &memory->classifier, rows);
}

/* The gradient with respect to the logits is in their place. */
static void backward_from_logits(const struct head_pass *pass)
{
    const struct sequence_memory *memory = pass->memory;
    classifier_backward(pass, &memory->classifier, all_sequences(pass), memory->pooler.dpooled);
    pooler_backward(pass, &memory->pooler);
    profile_enter(pass->workspace->profile, PHASE_OTHER);
}

/* ---- classification ---- */

static void classification_forward(const struct head_pass *pass, struct loss_sums *sums)
{
    const struct batch *batch = &pass->micro_batch->batch;
    const struct rows logits = compute_logits(pass);
    profile_enter(pass->workspace->profile, PHASE_CROSS_ENTROPY);
    cross_entropy_forward(sums, pass->workspace->row_loss, logits, batch->sequence_labels,
                          batch->sequences, logits.width);
}

static void classification_backward(const struct head_pass *pass, real scale,
                                    struct loss_sums *sums)
{
    const struct batch *batch = &pass->micro_batch->batch;
    const struct rows logits = compute_logits(pass);
    profile_enter(pass->workspace->profile, PHASE_CROSS_ENTROPY);
    cross_entropy_backward(sums, pass->workspace->row_loss, logits, logits, batch->sequence_labels,
                           batch->sequences, logits.width, scale);
    backward_from_logits(pass);
}

/* ---- regression ---- */

static void regression_forward(const struct head_pass *pass, struct loss_sums *sums)
{
    const struct batch *batch = &pass->micro_batch->batch;
    const struct rows logits = compute_logits(pass);
    squared_error_forward(sums, logits.reals, batch->sequence_values, batch->sequence_labels,
                          batch->sequences);
}

static void regression_backward(const struct head_pass *pass, real scale, struct loss_sums *sums)
{
    const struct batch *batch = &pass->micro_batch->batch;
    const struct rows logits = compute_logits(pass);
    squared_error_backward(sums, logits.reals, logits.reals, batch->sequence_values,
                           batch->sequence_labels, batch->sequences, scale);
    backward_from_logits(pass);
}

/* ---- the heads ---- */

/* They differ in the loss alone. */
#define SEQUENCE_HEAD(loss)                                                                        \
    {                                                                                              \
        .name = "classifier", .key = "classifier", .prefix = "classifier.",                        \
        .group = GROUP_CLASSIFIER, .pooled = true, .tensors = classifier_tensors,                  \
        .tensor_count = CLASSIFIER_TENSORS, .weights_size = sizeof(struct classifier_weights),     \
        .memory_size = sizeof(struct sequence_memory), .plan = plan,                               \
        .predictions = batch_labelled_sequences, .logits = compute_logits,                         \
        .forward = loss##_forward, .backward = loss##_backward,                                    \
    }

const struct head sequence_classification_head = SEQUENCE_HEAD(classification);
const struct head sequence_regression_head = SEQUENCE_HEAD(regression);
