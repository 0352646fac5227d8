#include "train/step.h"

#include "optim/clip.h"

#include <string.h>

struct step_result step_take(const struct step_parts *parts, const struct batch *batch,
                             const struct step_settings *settings)
{
    struct model *model = parts->model;
    struct profile *profile = parts->workspace->profile;
    real *gradients = parts->gradients->values;
    struct step_result result = {0};
    struct encoder_dropout dropout =
        encoder_dropout_begin(&model->config, settings->seed, (uint64_t)settings->step);
    pretraining_gradients(model, &parts->gradients->weights, parts->workspace, batch, &dropout,
                          &result.sums);
    profile_enter(profile, PHASE_CLIP);
    result.norm = gradient_norm(gradients, model->table.total);
    profile_enter(profile, PHASE_ADAM);
    result.z_score = update_guard_z_score(parts->norms, result.norm);
    result.verdict = update_guard_judge(parts->norms, settings->spikes,
                                        pretraining_loss(&result.sums), result.norm);
    if (result.verdict != UPDATE_SOUND)
        memset(gradients, 0, model->table.total * sizeof(real));
    else
        adam_step(parts->adam, model->parameters.values, gradients, &model->table,
                  (struct adam_update){
                      .step = settings->step,
                      .learning_rate = settings->learning_rate,
                      .gradient_scale = clip_scale(result.norm, settings->max_grad_norm),
                      .clear_gradients = true,
                  });
    profile_enter(profile, PHASE_OTHER);
    return result;
}
