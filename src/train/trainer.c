#include "train/trainer.h"

#include "base/format.h"
#include "base/machine.h"
#include "base/memory.h"
#include "optim/schedule.h"
#include "train/held_out_evaluation.h"
#include "train/interrupt.h"
#include "train/progress.h"
#include "train/ranks.h"
#include "train/record_writer.h"
#include "train/run.h"
#include "train/run_saver.h"
#include "train/step.h"
#include "train/time_plan.h"
#include "train/warning_records.h"

#include <math.h>
#include <stdlib.h>

struct text128 {
    char text[128];
};

struct trainer {
    struct run *run;
    const struct train_options *options;
    struct exchange *exchange; /* with other ranks; NULL: there are none */
    bool is_new;               /* the run; otherwise it is resumed */
    bool told_to_stop;
    struct workspace *workspace; /* the workspace of the current phase */
    struct batch_source batches; /* of the current phase */
    struct run_saver saver;
    struct learning_rate_schedule schedule;
    struct record_writer records; /* on rank 0 */
    struct warning_records warnings;
    struct progress progress;
    double waited;                 /* seconds spent waiting for batches of phases that are closed */
    struct train_metrics measured; /* of the last step */

    /* At the last record of metrics, or since then: */
    double step_begun;   /* its clock, moved forward by the time spent saving and evaluating */
    int64_t begun_step;  /* its step */
    int64_t step_tokens; /* its tokens */
    double stalled;      /* seconds since then for which training has waited for saves */
};

/* ---- opening and closing ---- */

static bool open_records(struct trainer *trainer, struct error *error)
{
    const struct run *run = trainer->run;
    return record_writer_open(&trainer->records, run, error) &&
           warning_records_open(&trainer->warnings, run->config->output,
                                run->resumed ? run->state.step : -1, &run->state.step, error);
}

/* Frees the phase's batches and workspace, if there are any. */
static void close_phase(struct trainer *trainer)
{
    struct batch_source *batches = &trainer->batches;
    if (batches->state) {
        trainer->waited += batches->waited(batches->state);
        batches->close(batches->state);
    }
    workspace_free(trainer->workspace);
    *batches = (struct batch_source){0};
    trainer->workspace = NULL;
}

/* Opens batches and workspace for the phase that begins or goes on after state.step. */
static bool open_phase(struct trainer *trainer, struct error *error)
{
    struct run *run = trainer->run;
    int64_t before, first = run->state.step + 1;
    size_t index = run_phase_of(run, first, &before);
    const struct phase *phase = &run->phases[index];
    close_phase(trainer);
    run->state.phase = (int64_t)index;
    trainer->workspace = workspace_create(
        &run->trainee.model->config, memory_plan_limits(&run->request, &run->plan, phase->seq_len),
        true, error);
    return trainer->workspace && run->kind->open_batches(run, first, &trainer->batches, error);
}

static void close_trainer(struct trainer *trainer)
{
    exchange_close(trainer->exchange);
    run_saver_close(&trainer->saver);
    close_phase(trainer);
    record_writer_close(&trainer->records);
    warning_records_close(&trainer->warnings);
    run_close(trainer->run);
}

static bool leads(const struct trainer *trainer)
{
    return process_group_leads(trainer->options->group);
}

/* ---- one step ---- */

/* Returns the name of the batch that a step was trained on, as `cloze batches` numbers it. */
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
                    "step %lld (%s):\n"
                    "  the gradient norm %g is %.1f standard deviations above its mean;\n"
                    "  skipping the update",
                    step, batch.text, result->norm, result->z_score);
    else
        log_warning(run->log, "step %lld (%s):\n  loss %g, gradient norm %g; skipping the update",
                    step, batch.text, objective_loss(&result->sums), result->norm);
}

/* Counts a step whose update was skipped. Fails if there are too many in a row. */
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
    run_saver_wait(&trainer->saver, &failure);
    fail_work(error,
              "%lld steps in a row had an unusable loss or gradient, the last one step %lld "
              "(%s)%s; a lower train.learning_rate may help%s%s",
              (long long)run->state.skipped_in_row, step, batch_name(run, step).text,
              run_saver_kept(&trainer->saver).text, failure.message[0] ? "; " : "",
              failure.message);
    return process_group_agree(trainer->options->group, false, error); /* all ranks fail here */
}

static struct step_result update(struct trainer *trainer, const struct batch *batch,
                                 double learning_rate)
{
    struct run *run = trainer->run;
    return step_take(
        &run->trainee, trainer->workspace, &run->state.norms, batch,
        &(struct step_settings){
            .seed = (uint64_t)run->config->seed,
            .step = run->state.step + 1,
            .skipped = run->state.skipped_steps,
            .learning_rate = learning_rate,
            .max_grad_norm = run->config->train.max_grad_norm,
            .spikes = {run->config->train.spike_z_score, run->config->train.spike_window},
            .exchange = trainer->exchange,
            .first_example = run->share.first,
        });
}

static struct train_metrics step_metrics(const struct trainer *trainer,
                                         const struct objective_sums *sums, double learning_rate,
                                         double norm)
{
    const struct training_state *state = &trainer->run->state;
    double elapsed = fmax(machine_seconds() - trainer->step_begun, 1e-9);
    double steps = (double)(state->step - trainer->begun_step);
    struct train_metrics metrics = {
        .step = state->step,
        .loss = objective_loss(sums),
        .learning_rate = learning_rate,
        .grad_norm = norm,
        .tokens = state->tokens,
        .tokens_per_second = (double)(state->tokens - trainer->step_tokens) / elapsed,
        .seconds = progress_seconds(&trainer->progress),
        .save_stall_seconds = trainer->stalled,
        .save_stall_steps = trainer->stalled / (elapsed / steps),
        .skipped_steps = state->skipped_steps,
    };
    trainer->run->kind->measure(trainer->run, &metrics, sums);
    return metrics;
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

static void report_step(struct trainer *trainer, const struct objective_sums *sums,
                        double learning_rate, double norm)
{
    struct run *run = trainer->run;
    struct train_metrics *metrics = &trainer->measured;
    *metrics = step_metrics(trainer, sums, learning_rate, norm);
    bool due = is_due(metrics->step, run->config->train.log_every) || metrics->step == run->steps;
    progress_row(run, &trainer->progress, metrics, due);
    if (!due)
        return;
    signs_of_steps(&trainer->progress.signs, run, &trainer->progress.sums);
    trainer->progress.sums = (struct objective_sums){0};
    begin_record(trainer);
    record_writer_step(&trainer->records, metrics);
}

static bool take_step(struct trainer *trainer, struct error *error)
{
    struct run *run = trainer->run;
    const struct batch *batch = trainer->batches.next(trainer->batches.state, error);
    if (!batch)
        return false;
    double learning_rate = schedule_learning_rate(&trainer->schedule, run->state.step + 1);
    struct step_result result = update(trainer, batch, learning_rate);
    if (!check_step(trainer, run->state.step + 1, &result, error))
        return false;
    run->state.step++;
    run->state.tokens += result.tokens;
    if (isfinite(objective_loss(&result.sums)))
        objective_sums_add(&trainer->progress.sums, &result.sums);
    int32_t mask = vocabulary_special(tokenizer_vocabulary(run->tokenizer), SPECIAL_MASK);
    batch_rates_count(&trainer->progress.rates, batch, mask);
    report_step(trainer, &result.sums, learning_rate, result.norm);
    return true;
}

/* ---- the loop ---- */

/* Removes the time since `begun` from the steps' time and returns it. */
static double set_aside(struct trainer *trainer, double begun)
{
    double seconds = machine_seconds() - begun;
    trainer->step_begun += seconds;
    return seconds;
}

static bool evaluate_if_due(struct trainer *trainer, struct error *error)
{
    struct run *run = trainer->run;
    const int64_t asked = trainer->options->eval_every, every = asked ? asked : run->eval_every;
    bool due = is_due(run->state.step, every) || run->state.step == run->steps;
    if (!run->held_out || !due)
        return true;
    double begun = machine_seconds();
    bool done =
        evaluate_held_out(run, trainer->workspace, &trainer->progress, &trainer->records, error);
    set_aside(trainer, begun);
    return done;
}

/* True if the evaluation of this step is the best so far and its checkpoint is to be kept. */
static bool is_best(const struct run *run)
{
    return run->config->train.keep_best && run->state.best_step == run->state.step;
}

/* True if a checkpoint is due, which rank 0 decides. One that is due by its step waits for the save
 * under way, so that the steps with checkpoints do not depend on the speed of the disk. One that is
 * due by the clock is not made while another is under way. */
static bool is_save_due(struct trainer *trainer)
{
    const struct run *run = trainer->run;
    const double minutes = run->config->train.save_minutes;
    if (!leads(trainer))
        return false;
    const bool busy = run_saver_is_busy(&trainer->saver);
    const bool old =
        minutes > 0 && !busy && machine_seconds() - trainer->progress.saved >= minutes * 60;
    return old || is_best(run) || is_due(run->state.step, run->config->train.save_every);
}

static bool save(struct trainer *trainer, struct error *error)
{
    struct save_stalls *stalls = &trainer->progress.stalls;
    const double begun = machine_seconds();
    if (!run_saver_save(&trainer->saver, error))
        return false;
    double stall = set_aside(trainer, begun);
    trainer->stalled += stall;
    stalls->count++;
    stalls->seconds += stall;
    return true;
}

/* Tells the watcher of the step, and returns whether it or a signal asks the run to stop. */
static bool asks_to_stop(const struct trainer *trainer)
{
    const struct run *run = trainer->run;
    const struct train_options *options = trainer->options;
    const struct progress *progress = &trainer->progress;
    const bool evaluated = progress->evaluation.step == run->state.step;
    const struct train_report report = {
        .config = run->config,
        .steps = run->steps,
        .metrics = &trainer->measured,
        .evaluation = evaluated ? &progress->evaluation.numbers : NULL,
        .seconds_left = progress_time_left(run, progress, run->state.step),
    };
    const bool stop = options->watch && !options->watch(options->context, &report);
    return stop || (options->catch_signals && interrupt_requested());
}

/* What follows a step: bits of a mask. */
enum { STOP = 1, SAVE = 2 };

/* Returns what all ranks do after the step: nothing while their parameters differ. */
static unsigned what_follows(struct trainer *trainer)
{
    const struct run *run = trainer->run;
    trainer->told_to_stop |= asks_to_stop(trainer);
    if (!exchange_is_synchronized(trainer->exchange, run->state.step))
        return 0;
    const unsigned asked = (trainer->told_to_stop ? STOP : 0u) | (is_save_due(trainer) ? SAVE : 0u);
    return process_group_any(trainer->options->group, asked);
}

/* Ends a run that was stopped. */
static bool end_interrupted(struct trainer *trainer, struct error *error)
{
    const struct run *run = trainer->run;
    char stopped[96];
    if (trainer->options->group)
        log_line(run->log, "Stopping: saving.");
    if (!run_saver_save_and_wait(&trainer->saver, error))
        return leads(trainer)
                   ? fail_context(error, "interrupted after step %lld", (long long)run->state.step)
                   : false;
    snprintf(stopped, sizeof stopped, "Stopped at step %s and saved.%s",
             format_count((unsigned long long)run->state.step).text,
             run->group ? " Start it as before (mpirun)." : "");
    interrupt_end(stopped, trainer->options->resume_command, run->log, error);
    if (!leads(trainer))
        error->message[0] = 0;
    return false;
}

/* Opens the phase that the next step belongs to, if it is not open, and sets *end to its last
 * step. */
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

/* True after the last step, and when the evaluations have not improved for long enough. */
static bool is_finished(const struct run *run)
{
    int64_t patience = run->config->train.patience;
    return run->state.step == run->steps ||
           (patience && run->state.evaluations_since_best >= patience);
}

static void log_end_of_patience(const struct run *run)
{
    if (run->state.best_step < 0)
        log_line(run->log, "no evaluation had a result to compare (train.patience): the end");
    else
        log_line(run->log, "no better evaluation since step %s (train.patience): the end",
                 format_count((unsigned long long)run->state.best_step).text);
}

static bool train_steps(struct trainer *trainer, struct error *error)
{
    struct run *run = trainer->run;
    int64_t phase_end = run->state.step;
    if (is_finished(run))
        return true;
    for (;;) {
        if (!enter_phase(trainer, &phase_end, error) || !take_step(trainer, error) ||
            !evaluate_if_due(trainer, error))
            return false;
        const unsigned follows = what_follows(trainer);
        if (trainer->options->stopped)
            *trainer->options->stopped = follows & STOP;
        if (is_finished(run)) {
            if (run->state.step < run->steps)
                log_end_of_patience(run);
            return run_saver_save_and_wait(&trainer->saver, error);
        }
        if (follows & STOP)
            return end_interrupted(trainer, error);
        if (follows & SAVE && !save(trainer, error))
            return false;
    }
}

/* ---- the beginning ---- */

/* Opens the run on all ranks. The others load the checkpoint of rank 0; a new run is saved first
 * for that. */
static bool open_run(struct trainer *trainer, const struct run_config *config, struct error *error)
{
    const struct train_options *options = trainer->options;
    struct log *log = trainer->warnings.log;
    bool opened = true;
    if (options->group && !ranks_compare(config, options->group, error))
        return false;
    if (leads(trainer)) {
        trainer->run = run_open(config, options->resume, options->group, log, error);
        opened = trainer->run &&
                 run_saver_open(&trainer->saver, trainer->run, &trainer->progress, error);
        trainer->is_new = opened && !trainer->run->resumed;
    }
    if (!options->group)
        return opened;
    if (trainer->is_new)
        opened = run_saver_save(&trainer->saver, error) && run_saver_wait(&trainer->saver, error);
    if (!process_group_agree(options->group, opened, error) ||
        !ranks_join(&trainer->run, &trainer->is_new, config, options->group, log, error) ||
        !ranks_meet(trainer->run, &trainer->exchange, error))
        return false;
    run_saver_share(&trainer->saver, trainer->run, &trainer->progress, trainer->exchange);
    return true;
}

/* Saves the initialization of a new run. With other ranks that was done before they joined, and is
 * done again only to record the steps that train.hours has come to. */
static bool save_first(struct trainer *trainer, struct error *error)
{
    const bool saved = trainer->exchange && !trainer->run->state.planned_steps;
    return !trainer->is_new || saved || run_saver_save_and_wait(&trainer->saver, error);
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
    if (!save_first(trainer, error) || (leads(trainer) && !open_records(trainer, error)))
        return false;
    if (run->resumed && leads(trainer))
        checkpoint_link_best(config->output, &run->state, config->train.keep_best, run->log);
    trainer->progress.earlier_seconds = run->state.seconds;
    trainer->progress.begun = trainer->progress.saved = machine_seconds();
    trainer->progress.begun_step = run->state.step;
    trainer->progress.evaluation.step = -1;
    begin_record(trainer);
    return true;
}

/* ---- training ---- */

/* Adds up the rates of masking and pairs of all ranks. */
static bool add_rates(struct trainer *trainer, struct error *error)
{
    struct batch_rates own = trainer->progress.rates;
    const size_t ranks = (size_t)process_group_size(trainer->options->group);
    struct batch_rates *all = allocate(ranks, sizeof *all, error);
    if (!all)
        return false;
    process_group_gather(trainer->options->group, &own, sizeof own, all);
    for (size_t rank = 1; rank < ranks; rank++)
        batch_rates_add(&all[0], &all[rank]);
    trainer->progress.rates = all[0];
    free(all);
    return true;
}

static bool run_training(struct trainer *trainer, const struct run_config *config,
                         struct run_result *result, struct error *error)
{
    if (!open_run(trainer, config, error))
        return false;
    struct run *run = trainer->run;
    if (!run->steps && !time_plan_make(run, trainer->exchange, error))
        return false;
    run->result = result;
    if (trainer->options->catch_signals)
        interrupt_install(trainer->options->group);
    progress_banner(run);
    signs_begin(&trainer->progress.signs, run);
    if (!begin(trainer, error) || !train_steps(trainer, error) || !add_rates(trainer, error))
        return false;
    close_phase(trainer);
    trainer->progress.stalls.failed = run_saver_failed(&trainer->saver);
    return !leads(trainer) || run->kind->finish(run, &trainer->progress, trainer->waited, error);
}

bool train(const struct run_config *config, const struct train_options *options,
           struct run_result *result, struct log *log, struct error *error)
{
    struct trainer trainer = {.options = options};
    struct log silent = {0}; /* whose warnings are kept all the same */
    warning_records_begin(&trainer.warnings, log ? log : &silent);
    const bool done = run_training(&trainer, config, result, error);
    if (!done && options->group && error->kind != ERROR_INTERRUPTED &&
        !process_group_has_failed(options->group))
        process_group_abort(options->group, error); /* the others wait for this rank */
    close_trainer(&trainer);
    return done;
}
