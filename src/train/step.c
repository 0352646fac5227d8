#include "train/step.h"

#include "optim/clip.h"

#include <string.h>

/* Adds the gradient of the batch's loss to the trainee's gradients, which are zero. */
static void compute_gradients(struct trainee *trainee, struct workspace *workspace,
                              const struct batch *batch, const struct step_settings *settings,
                              struct objective_sums *sums)
{
    struct encoder_dropout dropout =
        encoder_dropout_begin(&trainee->model->config, settings->seed, (uint64_t)settings->step);
    const struct objective_share share = objective_whole_step(&trainee->model->config, batch);
    objective_gradients(trainee->model, &trainee->gradients.weights, workspace, batch, &share,
                        &dropout, sums);
}

/* Updates the parameters with Adam and sets the gradients back to zero. */
static void update_parameters(struct trainee *trainee, const struct step_settings *settings,
                              double norm)
{
    const struct parameter_table *table = &trainee->model->table;
    adam_step(&trainee->adam, trainee->model->parameters.values, trainee->gradients.values, table,
              (struct element_range){0, table->total},
              (struct adam_update){
                  .step = settings->step - settings->skipped,
                  .learning_rate = settings->learning_rate,
                  .gradient_scale = clip_scale(norm, settings->max_grad_norm),
                  .clear_gradients = true,
              });
}

struct step_result step_take(struct trainee *trainee, struct workspace *workspace,
                             struct norm_statistics *norms, const struct batch *batch,
                             const struct step_settings *settings)
{
    const size_t total = trainee->model->table.total;
    struct step_result result = {0};
    compute_gradients(trainee, workspace, batch, settings, &result.sums);
    profile_enter(workspace->profile, PHASE_CLIP);
    result.norm = gradient_norm(trainee->gradients.values, total);
    profile_enter(workspace->profile, PHASE_ADAM);
    result.z_score = update_guard_z_score(norms, result.norm);
    result.verdict =
        update_guard_judge(norms, settings->spikes, objective_loss(&result.sums), result.norm);
    if (result.verdict == UPDATE_SOUND)
        update_parameters(trainee, settings, result.norm);
    else
        memset(trainee->gradients.values, 0, total * sizeof(real));
    profile_enter(workspace->profile, PHASE_OTHER);
    return result;
}
