#include "train/progress.h"

#include "base/file.h"
#include "base/machine.h"

#include <math.h>
#include <string.h>

static struct text32 share(uint64_t part, uint64_t whole)
{
    struct text32 result;
    snprintf(result.text, sizeof result.text, "%.2f %%",
             whole ? 100 * (double)part / (double)whole : 0);
    return result;
}

static void log_model(const struct run *run)
{
    const struct model_config *model = &run->model->config;
    log_line(run->log,
             "model     BERT %d layers, hidden size %d, %d heads, vocabulary %s: %s parameters",
             model->num_hidden_layers, model->hidden_size, model->num_attention_heads,
             format_count((unsigned long long)model->vocab_size).text,
             format_count(run->model->table.elements).text);
}

static void log_data(const struct run *run)
{
    double examples = (double)run->steps * (double)run->config->train.batch_size;
    log_line(run->log, "data      %s documents, %s tokens; %s held out; %s examples an epoch",
             format_count(dataset_documents(run->train_data)).text,
             format_count(dataset_tokens(run->train_data)).text,
             run->valid_data ? format_count(dataset_tokens(run->valid_data)).text : "none",
             format_count(run->examples_per_epoch).text);
    log_line(run->log, "training  %s steps of %lld sequences of %d tokens, about %.1f epochs",
             format_count((unsigned long long)run->steps).text,
             (long long)run->config->train.batch_size, run->phases[0].seq_len,
             examples / (double)run->examples_per_epoch);
    for (size_t i = 0; run->phase_count > 1 && i < run->phase_count; i++)
        log_line(run->log, "          phase %zu: %s steps of length %d", i + 1,
                 format_count((unsigned long long)run->phases[i].steps).text,
                 run->phases[i].seq_len);
}

static void log_memory(const struct run *run)
{
    const struct memory_plan *plan = &run->plan;
    log_line(run->log,
             "memory    %s: parameters, optimizer and snapshot %s, activations %s (%d sequences at "
             "a time)",
             format_bytes(plan->total).text, format_bytes(plan->parameters).text,
             format_bytes(plan->activations).text, plan->micro_batch_size);
    log_line(run->log, "threads   %d", run->threads);
}

void progress_banner(const struct run *run)
{
    log_model(run);
    log_data(run);
    log_memory(run);
    log_line(run->log, "output    %s", path_shown(run->config->output));
}

static double accuracy(const struct cross_entropy *sums)
{
    return sums->count ? 100 * (double)sums->correct / (double)sums->count : 0;
}

/* Seconds until the last step, by the pace since the run began or was resumed. */
static double time_left(const struct run *run, const struct progress *progress, int64_t step)
{
    double pace = (machine_seconds() - progress->begun) / (double)(step - progress->begun_step);
    return pace * (double)(run->steps - step);
}

void progress_line(const struct run *run, const struct progress *progress,
                   const struct train_metrics *metrics, bool final)
{
    char line[512], nsp[96] = "";
    const struct pretraining_sums *sums = &progress->sums;
    if (sums->nsp.count)
        snprintf(nsp, sizeof nsp, " | nsp %.3f %4.1f %%", pretraining_nsp_loss(sums),
                 accuracy(&sums->nsp));
    snprintf(line, sizeof line,
             "step %lld/%lld | mlm %.3f %4.1f %%%s | lr %.2e | grad %.2f | %s tokens/s | %s left",
             (long long)metrics->step, (long long)run->steps, pretraining_mlm_loss(sums),
             accuracy(&sums->mlm), nsp, metrics->learning_rate, metrics->grad_norm,
             format_count((unsigned long long)metrics->tokens_per_second).text,
             format_duration(time_left(run, progress, metrics->step)).text);
    if (final)
        log_line(run->log, "%s", line);
    else
        log_live(run->log, "%s", line);
}

static void log_achieved(const struct run *run, const struct progress *progress, double waited)
{
    const struct batch_rates *rates = &progress->rates;
    double seconds = machine_seconds() - progress->begun;
    log_line(run->log,
             "done: step %lld after %s, %s tokens a second; waited %.2f s (%.1f %%) for data",
             (long long)run->state.step, format_duration(seconds).text,
             format_count((unsigned long long)((double)rates->tokens / fmax(seconds, 1e-9))).text,
             waited, 100 * waited / fmax(seconds, 1e-9));
    log_line(
        run->log, "selected %s of the tokens: %s as [MASK], %s as a random token, %s unchanged",
        share(rates->selected, rates->tokens).text, share(rates->shown_mask, rates->tokens).text,
        share(rates->shown_random, rates->tokens).text,
        share(rates->shown_same, rates->tokens).text);
    if (rates->pairs)
        log_line(run->log, "IsNext in %s of %s pairs", share(rates->is_next, rates->pairs).text,
                 format_count(rates->pairs).text);
}

/* In seconds, and in steps of this run's average length. */
static void log_saves(const struct run *run, const struct progress *progress)
{
    const struct save_stalls *stalls = &progress->stalls;
    int64_t steps = run->state.step - progress->begun_step;
    double step = (machine_seconds() - progress->begun - progress->aside) / (double)steps;
    double mean = stalls->seconds / (double)stalls->count;
    if (stalls->count && step > 0)
        log_line(run->log,
                 "%s checkpoints were written beside the training, which stood still for %.3f s "
                 "each (%.2f steps), at most %.3f s (%.2f steps)",
                 format_count((unsigned long long)stalls->count).text, mean, mean / step,
                 stalls->longest, stalls->longest / step);
    if (run->state.skipped_steps)
        log_line(run->log, "%s steps were skipped for their loss or gradient",
                 format_count((unsigned long long)run->state.skipped_steps).text);
}

void progress_summary(const struct run *run, const struct progress *progress, double waited)
{
    if (progress->rates.sequences) {
        log_achieved(run, progress, waited);
        log_saves(run, progress);
    } else
        log_line(run->log, "nothing to do: the run has all of its %s steps",
                 format_count((unsigned long long)run->steps).text);
    const char *output = path_shown(run->config->output);
    log_line(run->log, "model: %s/checkpoints/latest", output);
    log_line(run->log, "next:  cloze fill %s \"... [MASK] ...\"", output);
}
