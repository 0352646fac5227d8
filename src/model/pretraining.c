#include "model/pretraining.h"

#include <string.h>

static double mean(const struct cross_entropy *sums)
{
    return sums->count ? sums->loss / (double)sums->count : 0;
}

double pretraining_mlm_loss(const struct pretraining_sums *sums)
{
    return mean(&sums->mlm);
}

double pretraining_nsp_loss(const struct pretraining_sums *sums)
{
    return mean(&sums->nsp);
}

double pretraining_loss(const struct pretraining_sums *sums)
{
    return mean(&sums->mlm) + mean(&sums->nsp);
}

struct workspace_limits pretraining_limits(int sequences, int seq_len, int masked, int threads)
{
    return (struct workspace_limits){
        .sequences = sequences,
        .tokens = sequences * seq_len,
        .masked = sequences * masked,
        .max_length = seq_len,
        .threads = threads,
    };
}

/* The end of the micro-batch that begins at sequence `first`. */
static int micro_batch_end(const struct workspace *workspace, const struct batch *batch, int first)
{
    int left = batch->sequences - first;
    return first + (left < workspace->limits.sequences ? left : workspace->limits.sequences);
}

void pretraining_evaluate(const struct model *model, struct workspace *workspace,
                          const struct batch *batch, struct pretraining_sums *sums)
{
    const struct encoder_dropout none = encoder_dropout_none();
    for (int first = 0, last; first < batch->sequences; first = last) {
        last = micro_batch_end(workspace, batch, first);
        workspace_load(workspace, batch, first, last);
        encoder_forward(model, workspace, &none);
        mlm_head_forward(model, workspace, &sums->mlm);
        nsp_head_forward(model, workspace, &sums->nsp);
    }
}

/* The loaded micro-batch's MLM logits and losses. */
static void keep_predictions(const struct model *model, struct workspace *workspace,
                             struct rows predictions, struct cross_entropy *sums)
{
    const int rows = workspace->batch.masked;
    mlm_head_transform(model, workspace);
    mlm_head_logits(model, workspace, 0, rows, predictions);
    cross_entropy_forward(sums, workspace->row_loss, predictions, workspace->batch.masked_labels,
                          rows, model->config.vocab_size);
}

void pretraining_logits(const struct model *model, struct workspace *workspace,
                        const struct batch *batch, real *predictions, real *relations,
                        struct pretraining_sums *sums)
{
    const struct encoder_dropout none = encoder_dropout_none();
    const struct rows all = rows_of_reals(predictions, model->config.vocab_size);
    CHECK(!workspace->limits.bf16); /* whose logits need padded rows */
    for (int first = 0, last; first < batch->sequences; first = last) {
        last = micro_batch_end(workspace, batch, first);
        workspace_load(workspace, batch, first, last);
        encoder_forward(model, workspace, &none);
        keep_predictions(model, workspace, rows_from(all, batch->masked_starts[first]), &sums->mlm);
        nsp_head_forward(model, workspace, &sums->nsp);
        memcpy(relations + 2 * (size_t)first, workspace->relation_logits,
               2 * (size_t)(last - first) * sizeof(real));
    }
}

static real reciprocal(int count)
{
    return count ? 1 / (real)count : 0;
}

void pretraining_gradients(const struct model *model, struct weights *gradients,
                           struct workspace *workspace, const struct batch *batch,
                           const struct encoder_dropout *dropout, struct pretraining_sums *sums)
{
    real mlm_scale = reciprocal(batch->masked);
    real nsp_scale = reciprocal(batch_labelled_pairs(batch));
    for (int first = 0, last; first < batch->sequences; first = last) {
        last = micro_batch_end(workspace, batch, first);
        workspace_load(workspace, batch, first, last);
        encoder_forward(model, workspace, dropout);
        size_t elements = (size_t)workspace->reads.count * (size_t)model->config.hidden_size;
        memset(workspace->read_gradient, 0, elements * sizeof(real));
        mlm_head_backward(model, gradients, workspace, mlm_scale, &sums->mlm);
        if (nsp_scale > 0)
            nsp_head_backward(model, gradients, workspace, nsp_scale, &sums->nsp);
        encoder_backward(model, gradients, workspace, dropout);
    }
}
