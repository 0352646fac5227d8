#include "train/step.h"

#include "optim/clip.h"

/* Adds the gradient of the share of the step's loss to the trainee's gradients, which are zero. */
static void compute_gradients(struct trainee *trainee, struct workspace *workspace,
                              const struct batch *batch, const struct objective_share *share,
                              const struct step_settings *settings, struct objective_sums *sums)
{
    struct encoder_dropout dropout =
        encoder_dropout_begin(&trainee->model->config, settings->seed, (uint64_t)settings->step);
    objective_gradients(trainee->model, &trainee->gradients.weights, workspace, batch, share,
                        &dropout, sums);
}

/* ---- alone ---- */

/* Returns the norm that clipping goes by. */
static double gradients_alone(struct trainee *trainee, struct workspace *workspace,
                              const struct batch *batch, const struct step_settings *settings,
                              struct step_result *result)
{
    const struct objective_share share = objective_whole_step(&trainee->model->config, batch);
    compute_gradients(trainee, workspace, batch, &share, settings, &result->sums);
    profile_enter(workspace->profile, PHASE_CLIP);
    result->tokens = batch->tokens;
    result->norm = gradient_norm(trainee->gradients.values, trainee->model->table.total);
    return result->norm;
}

/* ---- with other ranks ---- */

static double gradients_together(struct trainee *trainee, struct workspace *workspace,
                                 const struct batch *batch, const struct step_settings *settings,
                                 struct step_result *result)
{
    double own_norm;
    profile_enter(workspace->profile, PHASE_EXCHANGE);
    const struct objective_share share =
        exchange_begin(settings->exchange, batch, settings->first_example, &result->tokens);
    profile_enter(workspace->profile, PHASE_OTHER);
    compute_gradients(trainee, workspace, batch, &share, settings, &result->sums);
    profile_enter(workspace->profile, PHASE_EXCHANGE);
    exchange_finish(settings->exchange);
    result->norm = exchange_norm(settings->exchange, &result->sums, &own_norm);
    return own_norm;
}

/* ---- a step ---- */

static void update(struct trainee *trainee, const struct step_settings *settings, double norm)
{
    const struct adam_update update = {
        .step = settings->step - settings->skipped,
        .learning_rate = settings->learning_rate,
        .gradient_scale = clip_scale(norm, settings->max_grad_norm),
        .clear_gradients = true,
    };
    if (settings->exchange)
        exchange_update(settings->exchange, &update);
    else
        trainee_update(trainee, (struct element_range){0, trainee->model->table.total}, &update);
}

struct step_result step_take(struct trainee *trainee, struct workspace *workspace,
                             struct norm_statistics *norms, const struct batch *batch,
                             const struct step_settings *settings)
{
    struct step_result result = {0};
    const double norm = settings->exchange
                            ? gradients_together(trainee, workspace, batch, settings, &result)
                            : gradients_alone(trainee, workspace, batch, settings, &result);
    profile_enter(workspace->profile, PHASE_ADAM);
    result.z_score = update_guard_z_score(norms, result.norm);
    result.verdict =
        update_guard_judge(norms, settings->spikes, objective_loss(&result.sums), result.norm);
    if (result.verdict == UPDATE_SOUND)
        update(trainee, settings, norm);
    else
        trainee_clear_gradients(trainee);
    if (settings->exchange) {
        profile_enter(workspace->profile, PHASE_EXCHANGE);
        exchange_end(settings->exchange, settings->step);
    }
    profile_enter(workspace->profile, PHASE_OTHER);
    return result;
}
