#include "train/trainer.h"

#include "base/file.h"
#include "base/machine.h"
#include "optim/schedule.h"
#include "train/evaluate.h"
#include "train/interrupt.h"
#include "train/metrics.h"
#include "train/progress.h"
#include "train/run.h"
#include "train/step.h"
#include "train/tensorboard.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A gradient that is not finite is skipped; so many in a row mean that the run is lost. */
enum { SKIPPED_STEPS_LIMIT = 10 };

struct trainer {
    struct run *run;
    struct workspace *workspace; /* of the phase at hand */
    struct loader *loader;
    struct learning_rate_schedule schedule;
    struct metrics_writer *metrics;
    struct event_writer *events;
    struct progress progress;
    double waited;       /* for the loaders that are closed */
    double step_begun;   /* the clock when the last metrics were taken */
    int64_t step_tokens; /* and the tokens */
    double base_seconds; /* trained before this process began */
    double saved;        /* the clock at the last checkpoint */
    int skipped;         /* steps in a row */
};

/* ---- opening and closing ---- */

static bool open_records(struct trainer *trainer, struct error *error)
{
    const struct run *run = trainer->run;
    char *metrics = path_join(run->config->output, "metrics.jsonl", error);
    char *events = metrics ? path_join(run->config->output, "events", error) : NULL;
    bool ok = metrics && events && directory_make(events, error);
    if (ok)
        trainer->metrics = metrics_open(metrics, run->state.step, run->config->data.nsp, error);
    if (trainer->metrics)
        trainer->events = event_writer_open(events, (double)time(NULL), run->state.step + 1, error);
    free(metrics);
    free(events);
    return trainer->events != NULL;
}

/* Frees the phase's loader and workspace, if there are any. */
static void close_phase(struct trainer *trainer)
{
    if (trainer->loader)
        trainer->waited += loader_waited(trainer->loader);
    loader_close(trainer->loader);
    workspace_free(trainer->workspace);
    trainer->loader = NULL;
    trainer->workspace = NULL;
}

/* Opens loader and workspace for the phase that begins or goes on after state.step. */
static bool open_phase(struct trainer *trainer, struct error *error)
{
    struct run *run = trainer->run;
    int64_t before, first = run->state.step + 1;
    size_t index = run_phase_of(run, first, &before);
    const struct phase *phase = &run->phases[index];
    close_phase(trainer);
    run->state.phase = (int64_t)index;
    trainer->workspace = workspace_create(
        &run->model->config,
        memory_plan_limits(run->config, run->plan.micro_batch_size, phase->seq_len, run->threads),
        true, error);
    if (!trainer->workspace)
        return false;
    trainer->loader = run_open_loader(run, first, error);
    return trainer->loader != NULL;
}

static void close_trainer(struct trainer *trainer)
{
    close_phase(trainer);
    metrics_close(trainer->metrics);
    event_writer_close(trainer->events);
    run_close(trainer->run);
}

/* ---- checkpoints and evaluation ---- */

static double seconds_trained(const struct trainer *trainer)
{
    return trainer->base_seconds + machine_seconds() - trainer->progress.begun;
}

static bool save(struct trainer *trainer, struct error *error)
{
    struct run *run = trainer->run;
    struct checkpoint_model model = {
        .config = &run->model->config,
        .table = &run->model->table,
        .values = run->model->parameters.values,
        .first_moment = run->adam.first_moment,
        .second_moment = run->adam.second_moment,
    };
    if (run->state.step > 0)
        run->state.seconds = seconds_trained(trainer);
    if (!checkpoint_save(run->config->output, &model, run->tokenizer, &run->state,
                         run->config->train.keep_checkpoints, run->log, error))
        return false;
    trainer->saved = machine_seconds();
    return true;
}

static bool record_evaluation(struct trainer *trainer, const struct evaluation *evaluation,
                              struct error *error)
{
    const struct run *run = trainer->run;
    struct eval_metrics record = {
        .step = run->state.step,
        .loss = evaluation->loss,
        .mlm_loss = evaluation->mlm_loss,
        .nsp_loss = evaluation->nsp_loss,
        .perplexity = evaluation->perplexity,
        .mlm_accuracy = evaluation->mlm_accuracy,
        .nsp_accuracy = evaluation->nsp_accuracy,
        .predictions = evaluation->predictions,
        .pairs = evaluation->pairs,
        .seconds = seconds_trained(trainer),
    };
    const struct event_scalar scalars[] = {
        {"eval/mlm_loss", evaluation->mlm_loss},
        {"eval/mlm_accuracy", evaluation->mlm_accuracy},
        {"eval/perplexity", evaluation->perplexity},
        {"eval/nsp_loss", evaluation->nsp_loss},
        {"eval/nsp_accuracy", evaluation->nsp_accuracy},
    };
    return metrics_write_eval(trainer->metrics, &record, error) &&
           event_writer_put(trainer->events, (double)time(NULL), record.step, scalars,
                            evaluation->pairs ? 5 : 3, error);
}

static bool evaluate_held_out(struct trainer *trainer, struct error *error)
{
    struct run *run = trainer->run;
    const struct run_config *config = run->config;
    const struct evaluation_options options = {
        .seed = (uint64_t)config->seed,
        .examples = run_example_options(config, trainer->workspace->limits.max_length),
        .masking = run_masking_options(config),
        .batch_size = run->plan.micro_batch_size,
        .batches = config->train.eval_steps,
        .threads = run->threads,
    };
    struct evaluation evaluation;
    char title[64];
    if (!evaluate(run->model, trainer->workspace, run->valid_data,
                  tokenizer_vocabulary(run->tokenizer), &options, &evaluation, run->log, error))
        return false;
    snprintf(title, sizeof title, "held out at step %lld", (long long)run->state.step);
    evaluation_log(&evaluation, title, run->log);
    if (run->state.best_step < 0 || evaluation.mlm_loss < run->state.best_mlm_loss) {
        run->state.best_step = run->state.step;
        run->state.best_mlm_loss = evaluation.mlm_loss;
    }
    return record_evaluation(trainer, &evaluation, error);
}

/* ---- one step ---- */

static double accuracy(const struct cross_entropy *sums)
{
    return sums->count ? (double)sums->correct / (double)sums->count : 0;
}

static void add_sums(struct cross_entropy *total, const struct cross_entropy *sums)
{
    total->loss += sums->loss;
    total->loss_squares += sums->loss_squares;
    total->count += sums->count;
    total->correct += sums->correct;
}

/* A step whose loss or gradient is not finite has changed nothing. */
static bool check_step(struct trainer *trainer, int64_t step, const struct step_result *result,
                       struct error *error)
{
    if (!result->skipped) {
        trainer->skipped = 0;
        return true;
    }
    log_warning(trainer->run->log, "step %lld: loss %g, gradient norm %g: the update is skipped",
                (long long)step, pretraining_loss(&result->sums), result->norm);
    if (++trainer->skipped < SKIPPED_STEPS_LIMIT)
        return true;
    return fail_work(error,
                     "%d steps in a row had a loss or gradient that is not finite, the last one "
                     "step %lld; a lower train.learning_rate may help",
                     trainer->skipped, (long long)step);
}

static struct step_result update(struct trainer *trainer, const struct batch *batch,
                                 double learning_rate)
{
    struct run *run = trainer->run;
    const struct step_parts parts = {
        .model = run->model,
        .gradients = &run->gradients,
        .adam = &run->adam,
        .workspace = trainer->workspace,
    };
    return step_take(&parts, batch,
                     &(struct step_settings){
                         .seed = (uint64_t)run->config->seed,
                         .step = run->state.step + 1,
                         .learning_rate = learning_rate,
                         .max_grad_norm = run->config->train.max_grad_norm,
                     });
}

static bool record_step(struct trainer *trainer, const struct train_metrics *record,
                        struct error *error)
{
    const struct event_scalar scalars[] = {
        {"train/loss", record->loss},
        {"train/mlm_loss", record->mlm_loss},
        {"train/mlm_accuracy", record->mlm_accuracy},
        {"train/learning_rate", record->learning_rate},
        {"train/grad_norm", record->grad_norm},
        {"train/tokens_per_second", record->tokens_per_second},
        {"train/nsp_loss", record->nsp_loss},
        {"train/nsp_accuracy", record->nsp_accuracy},
    };
    return metrics_write_train(trainer->metrics, record, error) &&
           event_writer_put(trainer->events, (double)time(NULL), record->step, scalars,
                            trainer->run->config->data.nsp ? 8 : 6, error);
}

static struct train_metrics step_metrics(const struct trainer *trainer,
                                         const struct pretraining_sums *sums, double learning_rate,
                                         double norm)
{
    const struct training_state *state = &trainer->run->state;
    double elapsed = machine_seconds() - trainer->step_begun;
    return (struct train_metrics){
        .step = state->step,
        .loss = pretraining_loss(sums),
        .mlm_loss = pretraining_mlm_loss(sums),
        .nsp_loss = pretraining_nsp_loss(sums),
        .mlm_accuracy = accuracy(&sums->mlm),
        .nsp_accuracy = accuracy(&sums->nsp),
        .learning_rate = learning_rate,
        .grad_norm = norm,
        .tokens = state->tokens,
        .tokens_per_second = (double)(state->tokens - trainer->step_tokens) / fmax(elapsed, 1e-9),
        .seconds = seconds_trained(trainer),
    };
}

static bool is_due(int64_t step, int64_t every)
{
    return every > 0 && step % every == 0;
}

static bool report_step(struct trainer *trainer, const struct pretraining_sums *sums,
                        double learning_rate, double norm, struct error *error)
{
    struct run *run = trainer->run;
    struct train_metrics metrics = step_metrics(trainer, sums, learning_rate, norm);
    bool due = is_due(metrics.step, run->config->train.log_every) || metrics.step == run->steps;
    progress_line(run, &trainer->progress, &metrics, due);
    if (!due)
        return true;
    trainer->progress.sums = (struct pretraining_sums){0};
    trainer->step_begun = machine_seconds();
    trainer->step_tokens = run->state.tokens;
    return record_step(trainer, &metrics, error);
}

static bool take_step(struct trainer *trainer, struct error *error)
{
    struct run *run = trainer->run;
    const struct batch *batch = loader_next(trainer->loader, error);
    if (!batch)
        return false;
    double learning_rate = schedule_learning_rate(&trainer->schedule, run->state.step + 1);
    struct step_result result = update(trainer, batch, learning_rate);
    if (!check_step(trainer, run->state.step + 1, &result, error))
        return false;
    run->state.step++;
    run->state.tokens += batch->tokens;
    add_sums(&trainer->progress.sums.mlm, &result.sums.mlm);
    add_sums(&trainer->progress.sums.nsp, &result.sums.nsp);
    int32_t mask = vocabulary_special(tokenizer_vocabulary(run->tokenizer), SPECIAL_MASK);
    batch_rates_add(&trainer->progress.rates, batch, mask);
    return report_step(trainer, &result.sums, learning_rate, result.norm, error);
}

/* ---- the loop ---- */

/* Evaluation does not count as time of the steps around it. */
static bool evaluate_if_due(struct trainer *trainer, struct error *error)
{
    struct run *run = trainer->run;
    bool due =
        is_due(run->state.step, run->config->train.eval_every) || run->state.step == run->steps;
    if (!run->valid_data || !due)
        return true;
    double begun = machine_seconds();
    bool ok = evaluate_held_out(trainer, error);
    trainer->step_begun += machine_seconds() - begun;
    return ok;
}

static bool save_if_due(struct trainer *trainer, struct error *error)
{
    struct run *run = trainer->run;
    double minutes = run->config->train.save_minutes;
    bool due = is_due(run->state.step, run->config->train.save_every) ||
               run->state.step == run->steps || interrupt_requested() ||
               (minutes > 0 && machine_seconds() - trainer->saved >= minutes * 60);
    if (!due)
        return true;
    double begun = machine_seconds();
    bool ok = save(trainer, error);
    trainer->step_begun += machine_seconds() - begun;
    return ok;
}

static bool train_steps(struct trainer *trainer, struct error *error)
{
    struct run *run = trainer->run;
    int64_t phase_end = run->state.step; /* of the phase that is open */
    while (run->state.step < run->steps) {
        if (run->state.step == phase_end) {
            int64_t before;
            if (!open_phase(trainer, error))
                return false;
            size_t phase = run_phase_of(run, run->state.step + 1, &before);
            phase_end = before + run->phases[phase].steps;
        }
        if (!take_step(trainer, error) || !evaluate_if_due(trainer, error) ||
            !save_if_due(trainer, error))
            return false;
        if (interrupt_requested() && run->state.step < run->steps) {
            error->kind = ERROR_INTERRUPTED;
            snprintf(error->message, sizeof error->message,
                     "interrupted after step %lld, which is saved; continue with: cloze train %s "
                     "--resume",
                     (long long)run->state.step, run->config->path);
            return false;
        }
    }
    return true;
}

static bool begin(struct trainer *trainer, struct error *error)
{
    struct run *run = trainer->run;
    const struct run_config *config = run->config;
    trainer->schedule = (struct learning_rate_schedule){
        .kind = config->train.schedule,
        .peak = config->train.learning_rate,
        .minimum = config->train.min_learning_rate,
        .warmup_steps = run_config_warmup_steps(config, run->steps),
        .steps = run->steps,
    };
    if (run->state.step == 0 && !save(trainer, error))
        return false;
    if (!open_records(trainer, error))
        return false;
    trainer->base_seconds = run->state.seconds;
    trainer->progress.begun = trainer->step_begun = trainer->saved = machine_seconds();
    trainer->progress.begun_step = run->state.step;
    trainer->step_tokens = run->state.tokens;
    return true;
}

bool train(const struct run_config *config, bool resume, struct log *log, struct error *error)
{
    struct trainer trainer = {0};
    trainer.run = run_open(config, resume, log, error);
    bool ok = trainer.run != NULL;
    if (ok) {
        interrupt_install();
        progress_banner(trainer.run);
        ok = begin(&trainer, error) && train_steps(&trainer, error);
    }
    if (ok) {
        double waited = trainer.waited + (trainer.loader ? loader_waited(trainer.loader) : 0);
        progress_summary(trainer.run, &trainer.progress, waited);
    }
    close_trainer(&trainer);
    return ok;
}
