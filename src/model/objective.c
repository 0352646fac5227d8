#include "model/objective.h"

#include "base/min.h"

#include <string.h>

double objective_loss(const struct objective_sums *sums)
{
    double loss = 0;
    for (int i = 0; i < MAX_HEADS; i++)
        loss += loss_sums_mean(&sums->heads[i]);
    return loss;
}

void objective_sums_add(struct objective_sums *total, const struct objective_sums *sums)
{
    for (int i = 0; i < MAX_HEADS; i++)
        loss_sums_add(&total->heads[i], &sums->heads[i]);
}

void objective_count_predictions(const struct model_config *config, const struct batch *batch,
                                 int64_t predictions[MAX_HEADS])
{
    for (int i = 0; i < MAX_HEADS; i++)
        predictions[i] = i < config->heads->count ? config->heads->heads[i]->predictions(batch) : 0;
}

struct objective_share objective_share_of(const int64_t predictions[MAX_HEADS], int first_example)
{
    struct objective_share share = {.first_example = first_example};
    for (int i = 0; i < MAX_HEADS; i++)
        share.scales[i] = predictions[i] ? 1 / (real)predictions[i] : 0;
    return share;
}

struct objective_share objective_whole_step(const struct model_config *config,
                                            const struct batch *batch)
{
    int64_t predictions[MAX_HEADS];
    objective_count_predictions(config, batch, predictions);
    return objective_share_of(predictions, 0);
}

/* Returns the end of the micro-batch that begins at sequence `first`: it has as many sequences as
 * the workspace takes, at least one. */
static int micro_batch_end(const struct workspace *workspace, const struct batch *batch, int first)
{
    const struct workspace_limits limits = workspace->limits;
    const int end = first + min_int(batch->sequences - first, limits.sequences);
    const int32_t *starts = batch->starts, *predictions = batch->predicted_starts;
    int last = first + 1;
    while (last < end && starts[last + 1] - starts[first] <= limits.tokens &&
           predictions[last + 1] - predictions[first] <= limits.predicted)
        last++;
    return last;
}

void objective_forward(const struct model *model, struct workspace *workspace,
                       const struct encoder_dropout *dropout, struct objective_sums *sums)
{
    const struct head_list *list = model->config.heads;
    encoder_forward(model, workspace, dropout);
    for (int i = 0; i < list->count; i++) {
        struct head_pass pass = head_pass_at(model, NULL, workspace, i);
        pass.dropout = &dropout->classifier;
        list->heads[i]->forward(&pass, &sums->heads[i]);
    }
}

void objective_evaluate(const struct model *model, struct workspace *workspace,
                        const struct batch *batch, struct objective_sums *sums)
{
    const struct encoder_dropout none = encoder_dropout_none();
    for (int first = 0, last; first < batch->sequences; first = last) {
        last = micro_batch_end(workspace, batch, first);
        micro_batch_load(&workspace->micro_batch, workspace->limits, batch, first, last, first);
        objective_forward(model, workspace, &none, sums);
    }
}

static void heads_backward(const struct model *model, struct weights *gradients,
                           struct workspace *workspace, const struct objective_share *share,
                           const struct encoder_dropout *dropout, struct objective_sums *sums)
{
    const struct head_list *list = model->config.heads;
    const size_t width = (size_t)model->config.hidden_size;
    memset(workspace->dencoder_output, 0,
           (size_t)workspace->micro_batch.head_tokens.count * width * sizeof(real));
    for (int i = 0; i < list->count; i++) {
        struct head_pass pass = head_pass_at(model, gradients, workspace, i);
        pass.dropout = &dropout->classifier;
        if (share->scales[i] > 0)
            list->heads[i]->backward(&pass, share->scales[i], &sums->heads[i]);
    }
}

void objective_gradients(const struct model *model, struct weights *gradients,
                         struct workspace *workspace, const struct batch *batch,
                         const struct objective_share *share, const struct encoder_dropout *dropout,
                         struct objective_sums *sums)
{
    for (int first = 0, last; first < batch->sequences; first = last) {
        last = micro_batch_end(workspace, batch, first);
        micro_batch_load(&workspace->micro_batch, workspace->limits, batch, first, last,
                         share->first_example + first);
        const struct gradient_listener *listener =
            last == batch->sequences ? share->listener : NULL;
        encoder_forward(model, workspace, dropout);
        heads_backward(model, gradients, workspace, share, dropout, sums);
        gradient_listener_tell(
            listener, parameter_layer_offset(&model->table, model->config.num_hidden_layers));
        encoder_backward(model, gradients, workspace, dropout, listener);
        workspace->encoder_memory.laid_out = workspace->limits.keep_panels;
    }
    workspace->encoder_memory.laid_out = false; /* the parameters change now */
}
