#include "train/summary.h"

#include "base/file.h"
#include "base/format.h"
#include "base/machine.h"
#include "base/shell.h"
#include "train/example_sentences.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the training ---- */

static struct text32 step_text(int64_t step)
{
    return format_count((unsigned long long)step);
}

static struct text32 share(uint64_t part, uint64_t whole)
{
    struct text32 result;
    snprintf(result.text, sizeof result.text, "%.2f %%",
             whole ? 100 * (double)part / (double)whole : 0);
    return result;
}

static void log_achieved(const struct run *run, const struct progress *progress, double waited)
{
    const struct batch_rates *rates = &progress->rates;
    double seconds = fmax(machine_seconds() - progress->begun, 1e-9);
    log_line(run->log, "done: step %s after %s, %s tokens/s", step_text(run->state.step).text,
             format_duration(progress_seconds(progress)).text,
             format_count((unsigned long long)((double)rates->tokens / seconds)).text);
    log_line(run->log, "%.1f %% of the time spent waiting for data", 100 * waited / seconds);
    log_line(run->log, "masked %s of the tokens: %s by [MASK], %s by a random token,",
             share(rates->selected, rates->tokens).text,
             share(rates->shown_mask, rates->tokens).text,
             share(rates->shown_random, rates->tokens).text);
    log_line(run->log, "  %s left as they were", share(rates->shown_same, rates->tokens).text);
    if (rates->pairs)
        log_line(run->log, "%s of %s sentence pairs were consecutive",
                 share(rates->is_next, rates->pairs).text, format_count(rates->pairs).text);
}

static void log_saves(const struct run *run, const struct progress *progress)
{
    const struct save_stalls *stalls = &progress->stalls;
    const uint64_t count = (uint64_t)stalls->count, failed = (uint64_t)stalls->failed;
    const uint64_t saved = count - failed, skipped = (uint64_t)run->state.skipped_steps;
    if (count)
        log_line(run->log, "saved %s in the background; training paused %.3f s%s",
                 format_number_of(saved, "checkpoint").text, stalls->seconds / (double)count,
                 count == 1 ? "" : " each");
    if (failed)
        log_line(run->log, "%s could not be saved", format_number_of(failed, "checkpoint").text);
    if (skipped)
        log_line(run->log, "%s step%s skipped because of the loss or gradient",
                 format_count(skipped).text, skipped == 1 ? " was" : "s were");
}

/* ---- the model's quality ---- */

static void log_guessing(const struct run *run, const struct signs *signs,
                         const struct evaluation *numbers)
{
    const struct unigram guess = signs->guess;
    if (!signs->guess_known)
        return;
    log_line(run->log, "on held-out text, compared with guessing by token frequency:");
    log_line(run->log, "  MLM loss      %7.4f    guessing %7.4f", numbers->mlm_loss, guess.loss);
    log_line(run->log, "  MLM accuracy  %5.1f %%    guessing %5.1f %%", 100 * numbers->mlm_accuracy,
             100 * guess.accuracy);
    if (numbers->pairs)
        log_line(run->log, "  NSP accuracy  %5.1f %%    guessing  50.0 %%",
                 100 * numbers->nsp_accuracy);
    if (!(numbers->mlm_loss_interval.high < guess.loss))
        log_line(run->log, "not clearly better than guessing yet: train for more steps");
}

/* A lower loss is an improvement, however small, because text and masks are the same. */
void summary_trend(const struct progress_evaluation *evaluation, struct log *log)
{
    double now = evaluation->numbers.text.mlm_loss;
    if (evaluation->best_step < 0)
        return;
    if (now < evaluation->best_score)
        log_line(log, "still improving: held-out MLM loss %.4f now, %.4f at step %s", now,
                 evaluation->best_score, step_text(evaluation->best_step).text);
    else
        log_line(log, "no longer improving since step %s: %.4f then, %.4f now",
                 step_text(evaluation->best_step).text, evaluation->best_score, now);
}

static void log_quality(const struct run *run, const struct progress *progress)
{
    if (!run->valid_data)
        log_line(run->log, "nothing is held out, so how good the model is was not measured");
    else if (progress->evaluation.step >= 0) {
        log_guessing(run, &progress->signs, &progress->evaluation.numbers.text);
        summary_trend(&progress->evaluation, run->log);
    }
}

/* ---- the next command ---- */

/* Finds a sentence in the held-out text, or else in the training text. Returns its text, which the
 * caller owns; NULL if there is none. */
static char *find_example(const struct run *run)
{
    struct example_place place = {0};
    struct example_sentence example;
    const struct dataset *data = run->valid_data ? run->valid_data : run->train_data;
    return example_sentence_find(data, run->tokenizer, &place, &example) ? example.text : NULL;
}

/* The name of the running program; of a program that uses the library (Python), "cloze". */
static const char *cloze_program(void)
{
    return strncmp(program_invocation_short_name, "cloze", 5) ? "cloze" : program_invocation_name;
}

/* Appends "PROGRAM fill MODEL SENTENCE" as a person types it, with the separator before MODEL and
 * before SENTENCE. */
static bool put_fill(struct buffer *line, const char *separator, const char *model,
                     const char *sentence, struct error *error)
{
    struct buffer first = {0}, second = {0};
    bool done =
        shell_put(line, cloze_program(), error) && shell_put(line, "fill", error) &&
        shell_put(&first, model, error) && shell_put(&second, sentence, error) &&
        buffer_print(line, error, "%s%s%s%s", separator, first.data, separator, second.data);
    buffer_free(&first);
    buffer_free(&second);
    return done;
}

/* Prints the command; one that is too long for a line is continued on other lines. */
static bool print_fill(struct buffer *line, const char *model, const char *sentence,
                       struct error *error)
{
    enum { INDENT = 2 };
    if (!put_fill(line, " ", model, sentence, error))
        return false;
    if (line->size + INDENT <= LOG_WIDTH)
        return true;
    line->size = 0;
    return put_fill(line, " \\\n    ", model, sentence, error);
}

/* Returns the checkpoint of a step by the name of its link, or by its own name if the link leads
 * elsewhere; cp -rL, for example, makes the link a directory, which is left alone. NULL if the
 * checkpoint was not kept. */
static char *checkpoint_name(const struct run *run, const char *link, int64_t step, bool *linked)
{
    struct error error = {0};
    char *own = checkpoint_path(run->config->output, step, &error);
    char *path = own ? path_join(run->config->output, link, &error) : NULL;
    *linked = path && path_same_file(path, own);
    if (!*linked) {
        free(path);
        path = own && path_is_directory(own) ? path_join("", own, &error) : NULL;
    }
    free(own);
    return path;
}

/* Logs the best checkpoint, if it was kept and is not the latest one. */
static void log_best(const struct run *run)
{
    int64_t best = run->state.best_step;
    bool linked;
    if (best < 0 || best == run->state.step)
        return;
    char *path = checkpoint_name(run, "checkpoints/best", best, &linked);
    if (path)
        log_line(run->log, "best: %s (step %s)", path_shown(path), step_text(best).text);
    free(path);
}

/* Returns what to write where the text, of whatever language, has no fit sentence; owned by the
 * caller. */
static char *general_example(const struct run *run)
{
    struct error error = {0};
    struct buffer text = {0};
    const struct vocabulary *vocabulary = tokenizer_vocabulary(run->tokenizer);
    if (buffer_print(&text, &error, "a sentence of your text with %s in it",
                     vocabulary_special_name(vocabulary, SPECIAL_MASK)))
        return text.data;
    buffer_free(&text);
    return NULL;
}

static void log_next(const struct run *run)
{
    struct error error = {0};
    struct buffer command = {0};
    bool linked;
    char *latest = checkpoint_name(run, "checkpoints/latest", run->state.step, &linked);
    char *example = find_example(run);
    if (!example)
        example = general_example(run);
    const char *model = path_shown(linked || !latest ? run->config->output : latest);
    if (latest)
        log_line(run->log, "model: %s", path_shown(latest));
    log_best(run);
    if (example && print_fill(&command, model, example, &error))
        log_line(run->log, "try it:\n  %s", command.data);
    buffer_free(&command);
    free(example);
    free(latest);
}

/* Logs that nothing was left to do, and how to go on. */
static void log_finished(const struct run *run)
{
    const struct config_key *key = run_config_length_key(run->config);
    const bool patience = run->state.step < run->steps;
    const struct text64 steps = format_number_of((unsigned long long)run->state.step, "step");
    if (patience || key->changes_on_resume) {
        log_line(run->log, "this run is finished (%s); raise %s to go on", steps.text,
                 patience ? "train.patience" : key->path);
        return;
    }
    log_line(run->log, "this run is finished (%s); %s cannot be extended:", steps.text, key->path);
    log_line(run->log, "  a new run goes on from its model with model.init_from: %s",
             path_shown(run->config->output));
}

void summary_log(const struct run *run, const struct progress *progress, double waited)
{
    if (progress->rates.sequences) {
        log_achieved(run, progress, waited);
        log_saves(run, progress);
        log_quality(run, progress);
    } else
        log_finished(run);
    log_next(run);
}
