#include "train/progress.h"

#include "base/file.h"
#include "base/format.h"
#include "base/machine.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the banner ---- */

static struct text64 number_of(int64_t count, const char *noun)
{
    return format_number_of((unsigned long long)count, noun);
}

static void log_model(const struct run *run)
{
    const struct model_config *model = &run->trainee.model->config;
    log_line(run->log, "model       %s, hidden size %s, %s, %s",
             number_of(model->num_hidden_layers, "layer").text,
             format_count((unsigned long long)model->hidden_size).text,
             number_of(model->num_attention_heads, "head").text,
             number_of(model->vocab_size, "token").text);
    log_line(run->log, "parameters  %s", format_count(run->trainee.model->table.elements).text);
}

/* Returns how often the examples are seen. A longer sequence counts as several of the first
 * phase. */
static double epochs_of(const struct run *run)
{
    if (run->steps_per_epoch)
        return (double)run->steps / (double)run->steps_per_epoch;
    return (double)run_length_sum(run, run->steps) / run->phases[0].seq_len *
           (double)run->config->train.batch_size / (double)run->examples_per_epoch;
}

static void log_steps(const struct run *run)
{
    struct text64 batch = number_of(run->config->train.batch_size, "sequence");
    log_line(run->log, "training    %s, about %.1f epochs of %s",
             number_of(run->steps, "step").text, epochs_of(run),
             format_number_of(run->examples_per_epoch, "example").text);
    if (run->phase_count == 1)
        log_line(run->log, "step        %s of %d tokens", batch.text, run->phases[0].seq_len);
    else
        log_line(run->log, "step        %s", batch.text);
    for (size_t i = 0; run->phase_count > 1 && i < run->phase_count; i++)
        log_line(run->log, "phase %-5zu %s with sequences of %d tokens", i + 1,
                 number_of(run->phases[i].steps, "step").text, run->phases[i].seq_len);
    run->kind->log_epochs(run, epochs_of(run));
}

static void log_memory(const struct run *run)
{
    const struct memory_plan *plan = &run->plan;
    log_line(run->log, "memory      %s: parameters and optimizer %s, activations %s%s",
             format_bytes(plan->total).text, format_bytes(plan->parameters).text,
             format_bytes(plan->activations).text, memory_plan_examples(plan).text);
    if (plan->micro_batch_size < run->share.count)
        log_line(run->log, "            (%s at a time)",
                 number_of(plan->micro_batch_size, "sequence").text);
}

/* Lists the processes: when one has died, some launchers name it by its number alone. */
static void log_processes(const struct run *run)
{
    const int ranks = process_group_size(run->group);
    enum { LISTED = 16 };
    if (ranks == 1)
        return;
    log_line(run->log, "processes   %d on %s, each with up to %s of a step", ranks,
             number_of(process_group_machines(run->group), "machine").text,
             number_of(run->share.count, "sequence").text);
    for (int rank = 0; rank < ranks && rank < LISTED; rank++)
        log_line(run->log, "            %s", process_group_name(run->group, rank).text);
    if (ranks > LISTED)
        log_line(run->log, "            and %d more", ranks - LISTED);
}

void progress_banner(const struct run *run)
{
    log_model(run);
    run->kind->log_data(run);
    log_steps(run);
    log_memory(run);
    log_processes(run);
    log_line(run->log, "threads     %d%s", run->threads, run->group ? " of each process" : "");
    log_line(run->log, "output      %s", path_shown(run->config->output));
}

/* ---- the table ---- */

/* The columns that may be left out, in the order in which they are: those of the heads come after
 * these, the last one first; the loss of the first head always stays. */
enum column { GRADIENT, RATE, HEAD_COLUMNS };

/* Returns how many columns of the heads may be left out. */
static int optional_columns(const struct run *run)
{
    int heads;
    run->kind->titles(run, &heads);
    return 2 * heads - 1;
}

/* Appends the losses and accuracies of the heads, but for the last `left_out` columns. */
static void add_heads(struct table_row *row, const struct run *run, const struct progress *progress,
                      int left_out)
{
    int heads;
    const struct head_titles *titles = run->kind->titles(run, &heads);
    int columns = 2 * heads - left_out;
    for (int i = 0; i < heads && 2 * i < columns; i++) {
        const struct loss_sums *sums = &progress->sums.heads[i];
        table_cell(row, 10, titles[i].loss, "%.3f", loss_sums_mean(sums));
        if (2 * i + 1 < columns && titles[i].accuracy)
            table_cell(row, 10, titles[i].accuracy, "%.1f %%", 100 * loss_sums_accuracy(sums));
    }
}

double progress_seconds(const struct progress *progress)
{
    return progress->earlier_seconds + machine_seconds() - progress->begun;
}

/* Returns the seconds from a step until a later one, at the pace since the run began. */
static double time_until(const struct run *run, const struct progress *progress, int64_t step,
                         int64_t later)
{
    const int64_t here = run_length_sum(run, step);
    const double pace = (machine_seconds() - progress->begun) /
                        (double)(here - run_length_sum(run, progress->begun_step));
    return pace * (double)(run_length_sum(run, later) - here);
}

double progress_time_left(const struct run *run, const struct progress *progress, int64_t step)
{
    return time_until(run, progress, step, run->steps);
}

static void add_rate(struct table_row *row, const struct train_metrics *metrics, int left_out)
{
    if (left_out <= RATE)
        table_cell(row, 8, "lr", "%.1e", metrics->learning_rate);
    if (left_out <= GRADIENT)
        table_cell(row, 8, "grad", metrics->grad_norm < 9999 ? "%.2f" : "%.1e", metrics->grad_norm);
}

/* Makes a row without the first `left_out` optional columns. The seconds until the next checkpoint,
 * if they are finite, stand in the place of rate and gradient. */
static struct table_row make_row(const struct run *run, const struct progress *progress,
                                 const struct train_metrics *metrics, double saves, int left_out)
{
    struct table_row row = {0};
    int width = (int)strlen(format_count((unsigned long long)run->steps).text);
    table_cell(&row, width > 5 ? width : 5, "step", "%s",
               format_count((unsigned long long)metrics->step).text);
    add_heads(&row, run, progress, left_out > HEAD_COLUMNS ? left_out - HEAD_COLUMNS : 0);
    if (isfinite(saves) && left_out <= GRADIENT)
        table_cell(&row, 16, "lr    grad", "save in %s", format_duration(saves).text);
    else
        add_rate(&row, metrics, left_out);
    table_cell(&row, 10, "tokens/s", "%s",
               format_count((unsigned long long)(metrics->tokens_per_second + 0.5)).text);
    table_cell(&row, 8, "left", "%s",
               format_duration(progress_time_left(run, progress, metrics->step)).text);
    return row;
}

static struct table_row fit_row(const struct run *run, const struct progress *progress,
                                const struct train_metrics *metrics, double saves)
{
    const size_t width = (size_t)log_width(run->log);
    const int optional = HEAD_COLUMNS + optional_columns(run);
    int left_out = 0;
    struct table_row row = make_row(run, progress, metrics, saves, left_out);
    while (strlen(row.cells) > width && left_out < optional)
        row = make_row(run, progress, metrics, saves, ++left_out);
    return row;
}

/* Returns the seconds until the next checkpoint that is due by its step or by the clock; infinity
 * if there is only the one at the end. */
static double time_to_save(const struct run *run, const struct progress *progress, int64_t step)
{
    const int64_t every = run->config->train.save_every;
    const double minutes = run->config->train.save_minutes;
    const int64_t next = every ? step + every - step % every : run->steps;
    double seconds = next < run->steps ? time_until(run, progress, step, next) : INFINITY;
    if (minutes > 0)
        seconds = fmin(seconds, fmax(progress->saved + 60 * minutes - machine_seconds(), 0));
    return seconds < progress_time_left(run, progress, step) ? seconds : INFINITY;
}

/* A live row also has the time to the next checkpoint: at its end where there is room. */
static struct table_row live_row(const struct run *run, const struct progress *progress,
                                 const struct train_metrics *metrics)
{
    const double saves = time_to_save(run, progress, metrics->step);
    struct table_row row = fit_row(run, progress, metrics, INFINITY);
    const size_t used = strlen(row.cells);
    if (isfinite(saves) && used + 20 < (size_t)log_live_width(run->log))
        snprintf(row.cells + used, sizeof row.cells - used, "  saves in %s",
                 format_duration(saves).text);
    else if (isfinite(saves))
        row = fit_row(run, progress, metrics, saves);
    return row;
}

void progress_row(const struct run *run, struct progress *progress,
                  const struct train_metrics *metrics, bool final)
{
    if (!final && !run->log->terminal)
        return;
    const double now = machine_seconds(), between = 0.1;
    if (!final && now - progress->shown < between)
        return;
    progress->shown = now;
    const struct table_row row =
        final ? fit_row(run, progress, metrics, INFINITY) : live_row(run, progress, metrics);
    table_log(&progress->table, &row, final, run->log);
}
