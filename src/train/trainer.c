#include "train/trainer.h"

#include "base/directory.h"
#include "base/file.h"
#include "base/machine.h"
#include "checkpoint/checkpoint_saver.h"
#include "optim/schedule.h"
#include "report/fill_ins.h"
#include "report/metrics.h"
#include "report/record_file.h"
#include "report/tensorboard.h"
#include "train/interrupt.h"
#include "train/progress.h"
#include "train/run.h"
#include "train/step.h"
#include "train/time_plan.h"
#include "train/warning_records.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct text128 {
    char text[128];
};

struct trainer {
    struct run *run;
    const struct train_options *options;
    struct workspace *workspace; /* the workspace of the current phase */
    struct batch_source batches; /* of the current phase */
    struct checkpoint_saver *saver;
    struct learning_rate_schedule schedule;
    struct metrics_writer *metrics;
    struct append_file fills; /* of pre-training: fills.jsonl */
    struct event_writer *events;
    struct warning_records warnings;
    struct progress progress;
    double waited;        /* seconds spent waiting for batches of phases that are closed */
    double base_seconds;  /* seconds of training before this process began */
    int64_t lost_records; /* records of metrics and events lost since one was last written */
    struct train_metrics measured; /* of the last step */

    /* At the last record of metrics, or since then: */
    double step_begun;   /* its clock, moved forward by the time spent saving and evaluating */
    int64_t begun_step;  /* its step */
    int64_t step_tokens; /* its tokens */
    double stalled;      /* seconds since then for which training has waited for saves */
};

/* ---- opening and closing ---- */

/* Opens fills.jsonl, which only a run of pre-training has. */
static bool open_fills(struct trainer *trainer, struct error *error)
{
    const struct run *run = trainer->run;
    if (run->kind->layout(run) == METRICS_TASK)
        return true;
    char *path = path_join(run->config->output, "fills.jsonl", error);
    bool done = path && record_file_open(&trainer->fills, path, run->state.step, error);
    free(path);
    return done;
}

static bool open_records(struct trainer *trainer, struct error *error)
{
    const struct run *run = trainer->run;
    char *metrics = path_join(run->config->output, "metrics.jsonl", error);
    char *events = metrics ? path_join(run->config->output, "events", error) : NULL;
    bool done = metrics && events && directory_make(events, error);
    if (done)
        trainer->metrics = metrics_open(metrics, run->state.step, run->kind->layout(run), error);
    if (trainer->metrics)
        trainer->events = event_writer_open(events, (double)time(NULL), run->state.step + 1, error);
    if (trainer->events)
        metrics_send_events(trainer->metrics, trainer->events);
    free(metrics);
    free(events);
    return trainer->events && open_fills(trainer, error) &&
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
        &run->trainee.model->config,
        memory_plan_limits(&run->request, run->plan.micro_batch_size, phase->seq_len), true, error);
    return trainer->workspace && run->kind->open_batches(run, first, &trainer->batches, error);
}

static void close_trainer(struct trainer *trainer)
{
    checkpoint_saver_close(trainer->saver);
    close_phase(trainer);
    append_file_close(&trainer->fills);
    metrics_close(trainer->metrics);
    event_writer_close(trainer->events);
    warning_records_close(&trainer->warnings);
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
    const struct checkpoint_model model = checkpoint_model_of(&run->trainee);
    const struct checkpoint_saver_options options = {
        .run_directory = run->config->output,
        .tokenizer = run->tokenizer,
        .retention = {run->config->train.keep_checkpoints, run->config->train.keep_best},
        .last_step = run->resumed ? run->state.step : -1,
        .log = run->log,
    };
    trainer->saver = checkpoint_saver_open(&model, &options, error);
    return trainer->saver != NULL;
}

static void start_save(struct trainer *trainer)
{
    struct run *run = trainer->run;
    trainer->progress.saved = machine_seconds();
    if (run->state.step > 0)
        run->state.seconds = seconds_trained(trainer);
    checkpoint_saver_start(trainer->saver, &run->state, run_trained_length(run));
}

/* Returns "; the checkpoint of step N is kept", or "" if there is none. */
static struct text128 kept(const struct trainer *trainer)
{
    struct text128 text = {""};
    int64_t step = checkpoint_saver_counts(trainer->saver).last_step;
    if (step >= 0)
        snprintf(text.text, sizeof text.text, "; the checkpoint of step %lld is kept",
                 (long long)step);
    return text;
}

/* Saves and waits for the end of the save: for the initialization and the end of training. */
static bool save_and_wait(struct trainer *trainer, struct error *error)
{
    struct error failure = {0};
    start_save(trainer);
    if (checkpoint_saver_wait(trainer->saver, &failure))
        return true;
    return fail_work(error, "%s%s", failure.message, kept(trainer).text);
}

/* Takes note of whether a record was written. Records are for people, so that a record that cannot
 * be written does not end the training. */
static void note_record(struct trainer *trainer, bool written, const struct error *error)
{
    struct log *log = trainer->run->log;
    if (!written && trainer->lost_records++ == 0)
        log_warning(log, "%s; training continues without writing metrics", error->message);
    if (written && trainer->lost_records) {
        log_warning(log, "writing metrics again; %s records were lost",
                    format_count((unsigned long long)trainer->lost_records).text);
        trainer->lost_records = 0;
    }
}

static void record_evaluation(struct trainer *trainer, const struct run_evaluation *evaluation)
{
    struct error error = {0};
    struct eval_metrics record = evaluation->record;
    record.step = trainer->run->state.step;
    record.seconds = seconds_trained(trainer);
    bool written =
        metrics_write_eval(trainer->metrics, &record, &error) &&
        fill_ins_write(&trainer->fills, trainer->run->state.step, &evaluation->fills, &error);
    note_record(trainer, written, &error);
}

static int seq_len_of_step(const struct run *run, int64_t step)
{
    int64_t before;
    return run->phases[run_phase_of(run, step, &before)].seq_len;
}

/* True if the best evaluation so far can be compared with one of the current phase. Losses of
 * sequences of different lengths cannot: from the first evaluation of this phase on, the best one
 * of a phase with another length no longer counts. */
static bool best_is_comparable(const struct run *run)
{
    return run->state.best_step >= 0 &&
           seq_len_of_step(run, run->state.best_step) == seq_len_of_step(run, run->state.step);
}

static void note_evaluation(struct trainer *trainer, const struct run_evaluation *evaluation)
{
    struct training_state *state = &trainer->run->state;
    const double score = evaluation->score;
    bool comparable = best_is_comparable(trainer->run);
    trainer->progress.evaluation = (struct progress_evaluation){
        *evaluation, state->step, comparable ? state->best_step : -1, state->best_score};
    bool better = trainer->run->kind->higher_is_better ? score > state->best_score
                                                       : score < state->best_score;
    state->evaluations_since_best++;
    if ((!comparable || better) && isfinite(score)) {
        state->best_step = state->step;
        state->best_score = score;
        state->evaluations_since_best = 0;
    }
}

static bool evaluate_held_out(struct trainer *trainer, struct error *error)
{
    struct run_evaluation evaluation;
    if (!trainer->run->kind->evaluate(trainer->run, trainer->workspace, &evaluation, error))
        return false;
    note_evaluation(trainer, &evaluation);
    signs_of_evaluation(&trainer->progress.signs, trainer->run, &trainer->progress.evaluation);
    record_evaluation(trainer, &evaluation);
    return true;
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
    checkpoint_saver_wait(trainer->saver, &failure);
    return fail_work(error,
                     "%lld steps in a row had an unusable loss or gradient, the last one step %lld "
                     "(%s)%s; a lower train.learning_rate may help%s%s",
                     (long long)run->state.skipped_in_row, step, batch_name(run, step).text,
                     kept(trainer).text, failure.message[0] ? "; " : "", failure.message);
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
        });
}

static void record_step(struct trainer *trainer, const struct train_metrics *record)
{
    struct error error = {0};
    bool written = metrics_write_train(trainer->metrics, record, &error);
    note_record(trainer, written, &error);
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
        .seconds = seconds_trained(trainer),
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
    record_step(trainer, metrics);
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
    run->state.tokens += batch->tokens;
    if (isfinite(objective_loss(&result.sums)))
        objective_sums_add(&trainer->progress.sums, &result.sums);
    int32_t mask = vocabulary_special(tokenizer_vocabulary(run->tokenizer), SPECIAL_MASK);
    batch_rates_add(&trainer->progress.rates, batch, mask);
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
    bool due = is_due(run->state.step, run->eval_every) || run->state.step == run->steps;
    if (!run->held_out || !due)
        return true;
    double begun = machine_seconds();
    bool done = evaluate_held_out(trainer, error);
    set_aside(trainer, begun);
    return done;
}

/* True if the evaluation of this step is the best so far and its checkpoint is to be kept. */
static bool is_best(const struct run *run)
{
    return run->config->train.keep_best && run->state.best_step == run->state.step;
}

/* Saves if a checkpoint is due. One that is due by its step waits for the save under way, so that
 * the steps with checkpoints do not depend on the speed of the disk. One that is due by the clock
 * is not made while another is under way. */
static void save_if_due(struct trainer *trainer)
{
    const struct run *run = trainer->run;
    struct save_stalls *stalls = &trainer->progress.stalls;
    double minutes = run->config->train.save_minutes;
    bool busy = checkpoint_saver_busy(trainer->saver);
    double begun = machine_seconds();
    bool old = minutes > 0 && !busy && begun - trainer->progress.saved >= minutes * 60;
    if (!old && !is_best(run) && !is_due(run->state.step, run->config->train.save_every))
        return;
    start_save(trainer);
    double stall = set_aside(trainer, begun);
    trainer->stalled += stall;
    stalls->count++;
    stalls->seconds += stall;
}

/* Tells the watcher of the step, and returns whether the run is to stop after it. */
static bool is_stopped(const struct trainer *trainer)
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

/* Ends a run that was stopped. */
static bool end_interrupted(struct trainer *trainer, struct error *error)
{
    const struct run *run = trainer->run;
    char stopped[64];
    if (!save_and_wait(trainer, error))
        return fail_context(error, "interrupted after step %lld", (long long)run->state.step);
    snprintf(stopped, sizeof stopped, "Stopped at step %s and saved.",
             format_count((unsigned long long)run->state.step).text);
    return interrupt_end(stopped, trainer->options->resume_command, run->log, error);
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
        const bool stopped = is_stopped(trainer);
        if (trainer->options->stopped)
            *trainer->options->stopped = stopped;
        if (is_finished(run)) {
            if (run->state.step < run->steps)
                log_end_of_patience(run);
            return save_and_wait(trainer, error);
        }
        if (stopped)
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
    if (run->resumed)
        checkpoint_link_best(config->output, &run->state, config->train.keep_best, run->log);
    trainer->base_seconds = run->state.seconds;
    trainer->progress.begun = trainer->progress.saved = machine_seconds();
    trainer->progress.begun_step = run->state.step;
    trainer->progress.evaluation.step = -1;
    begin_record(trainer);
    return true;
}

bool train(const struct run_config *config, const struct train_options *options,
           struct run_result *result, struct log *log, struct error *error)
{
    struct trainer trainer = {.options = options, .fills = {.descriptor = -1}};
    struct log silent = {0}; /* whose warnings are kept all the same */
    warning_records_begin(&trainer.warnings, log ? log : &silent);
    trainer.run = run_open(config, options->resume, trainer.warnings.log, error);
    bool done = trainer.run != NULL;
    if (done && !trainer.run->steps)
        done = time_plan_make(trainer.run, error);
    if (done) {
        trainer.run->result = result;
        if (options->catch_signals)
            interrupt_install();
        progress_banner(trainer.run);
        signs_begin(&trainer.progress.signs, trainer.run);
        done = begin(&trainer, error) && train_steps(&trainer, error);
    }
    if (done) {
        close_phase(&trainer);
        done = trainer.run->kind->finish(trainer.run, &trainer.progress, trainer.waited, error);
    }
    close_trainer(&trainer);
    return done;
}
