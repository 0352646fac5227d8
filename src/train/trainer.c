#include "train/trainer.h"

#include "base/file.h"
#include "base/machine.h"
#include "optim/schedule.h"
#include "train/checkpoint_saver.h"
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

struct text128 {
    char text[128];
};

struct trainer {
    struct run *run;
    struct workspace *workspace; /* of the phase at hand */
    struct loader *loader;
    struct checkpoint_saver *saver;
    struct learning_rate_schedule schedule;
    struct metrics_writer *metrics;
    struct event_writer *events;
    struct progress progress;
    double waited;        /* for the loaders that are closed */
    double base_seconds;  /* trained before this process began */
    double saved;         /* the clock when the last save began */
    int64_t lost_records; /* of metrics and events, since one was last written */

    /* Since the last metrics were taken: */
    double step_begun;   /* the clock then, later by what did not belong to steps */
    int64_t begun_step;  /* the step then, */
    int64_t step_tokens; /* and the tokens */
    double stalled;      /* seconds for which saves have held training up */
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
    checkpoint_saver_close(trainer->saver);
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

static bool open_saver(struct trainer *trainer, struct error *error)
{
    struct run *run = trainer->run;
    const struct checkpoint_model model = {
        .config = &run->model->config,
        .table = &run->model->table,
        .values = run->model->parameters.values,
        .first_moment = run->adam.first_moment,
        .second_moment = run->adam.second_moment,
    };
    const struct checkpoint_saver_options options = {
        .run_directory = run->config->output,
        .tokenizer = run->tokenizer,
        .keep = run->config->train.keep_checkpoints,
        .last_step = run->resumed ? run->state.step : -1,
        .log = run->log,
    };
    trainer->saver = checkpoint_saver_open(&model, &options, error);
    return trainer->saver != NULL;
}

static void start_save(struct trainer *trainer)
{
    struct run *run = trainer->run;
    trainer->saved = machine_seconds();
    if (run->state.step > 0)
        run->state.seconds = seconds_trained(trainer);
    checkpoint_saver_start(trainer->saver, &run->state);
}

/* "; the checkpoint of step N is kept", or nothing if there is none. */
static struct text128 kept(const struct trainer *trainer)
{
    struct text128 text = {""};
    int64_t step = checkpoint_saver_counts(trainer->saver).last_step;
    if (step >= 0)
        snprintf(text.text, sizeof text.text, "; the checkpoint of step %lld is kept",
                 (long long)step);
    return text;
}

/* A save whose end is waited for: of the initialization, and where training ends. */
static bool save_and_wait(struct trainer *trainer, struct error *error)
{
    struct error failure = {0};
    start_save(trainer);
    if (checkpoint_saver_wait(trainer->saver, &failure))
        return true;
    return fail_work(error, "%s%s", failure.message, kept(trainer).text);
}

/* Records are for people: one that cannot be written does not end the training. */
static void note_record(struct trainer *trainer, bool written, const struct error *error)
{
    struct log *log = trainer->run->log;
    if (!written && trainer->lost_records++ == 0)
        log_warning(log, "%s; training goes on without its records", error->message);
    if (written && trainer->lost_records) {
        log_warning(log, "records are written again; %s were lost",
                    format_count((unsigned long long)trainer->lost_records).text);
        trainer->lost_records = 0;
    }
}

static void record_evaluation(struct trainer *trainer, const struct evaluation *evaluation)
{
    struct error error = {0};
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
    bool written = metrics_write_eval(trainer->metrics, &record, &error) &&
                   event_writer_put(trainer->events, (double)time(NULL), record.step, scalars,
                                    evaluation->pairs ? 5 : 3, &error);
    note_record(trainer, written, &error);
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
    bool best = run->state.best_step < 0 || evaluation.mlm_loss < run->state.best_mlm_loss;
    if (best && isfinite(evaluation.mlm_loss)) {
        run->state.best_step = run->state.step;
        run->state.best_mlm_loss = evaluation.mlm_loss;
    }
    record_evaluation(trainer, &evaluation);
    return true;
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

/* What a step was trained on, as `cloze batches` numbers it. */
static struct text128 batch_name(const struct run *run, int64_t step)
{
    struct text128 name;
    int64_t before, size = run->config->train.batch_size;
    size_t phase = run_phase_of(run, step, &before);
    long long first = (step - before - 1) * size;
    snprintf(name.text, sizeof name.text, "batch %lld, examples %lld to %lld of phase %zu",
             (long long)step, first, first + size - 1, phase + 1);
    return name;
}

static void warn_of_skip(const struct run *run, long long step, const struct step_result *result)
{
    struct text128 batch = batch_name(run, step);
    if (result->verdict == UPDATE_SPIKE)
        log_warning(run->log,
                    "step %lld (%s): gradient norm %g lies %.1f standard deviations above its "
                    "mean: the update is skipped",
                    step, batch.text, result->norm, result->z_score);
    else
        log_warning(run->log, "step %lld (%s): loss %g, gradient norm %g: the update is skipped",
                    step, batch.text, pretraining_loss(&result->sums), result->norm);
}

/* Counts a step whose update was not made. False if there are too many in a row. */
static bool check_step(struct trainer *trainer, long long step, const struct step_result *result,
                       struct error *error)
{
    struct run *run = trainer->run;
    if (result->verdict == UPDATE_SOUND) {
        run->state.skipped_in_row = 0;
        return true;
    }
    warn_of_skip(run, step, result);
    run->state.skipped_steps++;
    if (++run->state.skipped_in_row < run->config->train.max_skipped_steps)
        return true;
    struct error failure = {0};
    checkpoint_saver_wait(trainer->saver, &failure);
    return fail_work(error,
                     "%lld steps in a row had a loss or gradient that is no use, the last one step "
                     "%lld (%s)%s; a lower train.learning_rate may help%s%s",
                     (long long)run->state.skipped_in_row, step, batch_name(run, step).text,
                     kept(trainer).text, failure.message[0] ? "; " : "", failure.message);
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
        .norms = &run->state.norms,
    };
    return step_take(
        &parts, batch,
        &(struct step_settings){
            .seed = (uint64_t)run->config->seed,
            .step = run->state.step + 1,
            .learning_rate = learning_rate,
            .max_grad_norm = run->config->train.max_grad_norm,
            .spikes = {run->config->train.spike_z_score, run->config->train.spike_window},
        });
}

static void record_step(struct trainer *trainer, const struct train_metrics *record)
{
    struct error error = {0};
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
    bool written = metrics_write_train(trainer->metrics, record, &error) &&
                   event_writer_put(trainer->events, (double)time(NULL), record->step, scalars,
                                    trainer->run->config->data.nsp ? 8 : 6, &error);
    note_record(trainer, written, &error);
}

static struct train_metrics step_metrics(const struct trainer *trainer,
                                         const struct pretraining_sums *sums, double learning_rate,
                                         double norm)
{
    const struct training_state *state = &trainer->run->state;
    double elapsed = fmax(machine_seconds() - trainer->step_begun, 1e-9);
    double steps = (double)(state->step - trainer->begun_step);
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
        .tokens_per_second = (double)(state->tokens - trainer->step_tokens) / elapsed,
        .seconds = seconds_trained(trainer),
        .save_stall_seconds = trainer->stalled,
        .save_stall_steps = trainer->stalled / (elapsed / steps),
        .skipped_steps = state->skipped_steps,
    };
}

static bool is_due(int64_t step, int64_t every)
{
    return every > 0 && step % every == 0;
}

static void begin_record(struct trainer *trainer)
{
    trainer->step_begun = machine_seconds();
    trainer->begun_step = trainer->run->state.step;
    trainer->step_tokens = trainer->run->state.tokens;
    trainer->stalled = 0;
}

static void report_step(struct trainer *trainer, const struct pretraining_sums *sums,
                        double learning_rate, double norm)
{
    struct run *run = trainer->run;
    struct train_metrics metrics = step_metrics(trainer, sums, learning_rate, norm);
    bool due = is_due(metrics.step, run->config->train.log_every) || metrics.step == run->steps;
    progress_line(run, &trainer->progress, &metrics, due);
    if (!due)
        return;
    trainer->progress.sums = (struct pretraining_sums){0};
    begin_record(trainer);
    record_step(trainer, &metrics);
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
    if (isfinite(pretraining_loss(&result.sums))) {
        add_sums(&trainer->progress.sums.mlm, &result.sums.mlm);
        add_sums(&trainer->progress.sums.nsp, &result.sums.nsp);
    }
    int32_t mask = vocabulary_special(tokenizer_vocabulary(run->tokenizer), SPECIAL_MASK);
    batch_rates_add(&trainer->progress.rates, batch, mask);
    report_step(trainer, &result.sums, learning_rate, result.norm);
    return true;
}

/* ---- the loop ---- */

/* Takes the time since `begun` out of the steps' time; returns it. */
static double set_aside(struct trainer *trainer, double begun)
{
    double seconds = machine_seconds() - begun;
    trainer->step_begun += seconds;
    trainer->progress.aside += seconds;
    return seconds;
}

static bool evaluate_if_due(struct trainer *trainer, struct error *error)
{
    struct run *run = trainer->run;
    bool due =
        is_due(run->state.step, run->config->train.eval_every) || run->state.step == run->steps;
    if (!run->valid_data || !due)
        return true;
    double begun = machine_seconds();
    bool ok = evaluate_held_out(trainer, error);
    set_aside(trainer, begun);
    return ok;
}

/* A save that is due by its step waits for the one under way, so that which steps have checkpoints
 * does not depend on the disk; one that is due by the clock is not while another is under way. */
static void save_if_due(struct trainer *trainer)
{
    const struct run *run = trainer->run;
    struct save_stalls *stalls = &trainer->progress.stalls;
    double minutes = run->config->train.save_minutes;
    bool busy = checkpoint_saver_busy(trainer->saver);
    double begun = machine_seconds();
    bool old = minutes > 0 && !busy && begun - trainer->saved >= minutes * 60;
    if (!old && !is_due(run->state.step, run->config->train.save_every))
        return;
    start_save(trainer);
    double stall = set_aside(trainer, begun);
    trainer->stalled += stall;
    stalls->count++;
    stalls->seconds += stall;
    stalls->longest = fmax(stalls->longest, stall);
}

static bool end_interrupted(struct trainer *trainer, struct error *error)
{
    const struct run *run = trainer->run;
    if (!save_and_wait(trainer, error))
        return fail_context(error, "interrupted after step %lld", (long long)run->state.step);
    error->kind = ERROR_INTERRUPTED;
    snprintf(error->message, sizeof error->message,
             "interrupted after step %lld, which is saved; continue with: cloze train %s --resume",
             (long long)run->state.step, run->config->path);
    return false;
}

/* Opens the phase that the next step belongs to, if it is not open; *end is its last step. */
static bool enter_phase(struct trainer *trainer, int64_t *end, struct error *error)
{
    const struct run *run = trainer->run;
    int64_t before;
    if (run->state.step < *end)
        return true;
    if (!open_phase(trainer, error))
        return false;
    size_t phase = run_phase_of(run, run->state.step + 1, &before);
    *end = before + run->phases[phase].steps;
    return true;
}

static bool train_steps(struct trainer *trainer, struct error *error)
{
    struct run *run = trainer->run;
    int64_t phase_end = run->state.step;
    if (run->state.step == run->steps)
        return true;
    for (;;) {
        if (!enter_phase(trainer, &phase_end, error) || !take_step(trainer, error) ||
            !evaluate_if_due(trainer, error))
            return false;
        if (run->state.step == run->steps)
            return save_and_wait(trainer, error);
        if (interrupt_requested())
            return end_interrupted(trainer, error);
        save_if_due(trainer);
    }
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
    if (!open_saver(trainer, error) || (!run->resumed && !save_and_wait(trainer, error)) ||
        !open_records(trainer, error))
        return false;
    trainer->base_seconds = run->state.seconds;
    trainer->progress.begun = trainer->saved = machine_seconds();
    trainer->progress.begun_step = run->state.step;
    begin_record(trainer);
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
