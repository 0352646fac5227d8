#include "train/progress.h"

#include "base/file.h"
#include "base/machine.h"

#include <math.h>
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

/* Warns of many epochs. BERT saw its text about 40 times (a million steps of 256 x 512 tokens of
 * 3.3 billion words). A model that reads its text far more often learns it by heart and gets worse
 * on held-out text. */
static void warn_of_epochs(const struct run *run, double epochs)
{
    enum { USUAL = 40, MANY = 100 };
    if (epochs <= MANY)
        return;
    log_warning(run->log, "about %s epochs: the model will learn this little text by heart",
                format_count((unsigned long long)epochs).text);
    log_line(run->log, "  give more text, or about %s steps (%d epochs)",
             format_count((unsigned long long)ceil((double)run->steps * USUAL / epochs)).text,
             USUAL);
}

static void log_data(const struct run *run)
{
    log_line(run->log, "text        %s, %s",
             format_number_of(dataset_documents(run->train_data), "document").text,
             format_number_of(dataset_tokens(run->train_data), "token").text);
    if (run->valid_data)
        log_line(run->log, "held out    %s, %s",
                 format_number_of(dataset_documents(run->valid_data), "document").text,
                 format_number_of(dataset_tokens(run->valid_data), "token").text);
    else
        log_line(run->log, "held out    nothing");
}

static void log_steps(const struct run *run)
{
    double examples = (double)run->steps * (double)run->config->train.batch_size;
    struct text64 batch = number_of(run->config->train.batch_size, "sequence");
    log_line(run->log, "training    %s, about %.1f epochs of %s",
             number_of(run->steps, "step").text, examples / (double)run->examples_per_epoch,
             format_number_of(run->examples_per_epoch, "example").text);
    if (run->phase_count == 1)
        log_line(run->log, "step        %s of %d tokens", batch.text, run->phases[0].seq_len);
    else
        log_line(run->log, "step        %s", batch.text);
    for (size_t i = 0; run->phase_count > 1 && i < run->phase_count; i++)
        log_line(run->log, "phase %-5zu %s with sequences of %d tokens", i + 1,
                 number_of(run->phases[i].steps, "step").text, run->phases[i].seq_len);
    warn_of_epochs(run, examples / (double)run->examples_per_epoch);
}

static void log_memory(const struct run *run)
{
    const struct memory_plan *plan = &run->plan;
    log_line(run->log, "memory      %s: parameters and optimizer %s, activations %s",
             format_bytes(plan->total).text, format_bytes(plan->parameters).text,
             format_bytes(plan->activations).text);
    if (plan->micro_batch_size < run->config->train.batch_size)
        log_line(run->log, "            (%s at a time)",
                 number_of(plan->micro_batch_size, "sequence").text);
}

void progress_banner(const struct run *run)
{
    log_model(run);
    log_data(run);
    log_steps(run);
    log_memory(run);
    log_line(run->log, "threads     %d", run->threads);
    log_line(run->log, "output      %s", path_shown(run->config->output));
}

/* ---- the table ---- */

/* The columns that may be left out, in the order in which they are. */
enum column { GRADIENT, RATE, NSP_ACCURACY, NSP_LOSS, MLM_ACCURACY, OPTIONAL };

/* Returns the seconds until the last step, at the pace since the run began or was resumed. */
static double time_left(const struct run *run, const struct progress *progress, int64_t step)
{
    double pace = (machine_seconds() - progress->begun) / (double)(step - progress->begun_step);
    return pace * (double)(run->steps - step);
}

/* Makes a row without the columns before `first`. */
static struct table_row make_row(const struct run *run, const struct progress *progress,
                                 const struct train_metrics *metrics, enum column first)
{
    const struct loss_sums *mlm = &progress->sums.heads[HEAD_MLM];
    const struct loss_sums *nsp = &progress->sums.heads[HEAD_NSP];
    struct table_row row = {0};
    int width = (int)strlen(format_count((unsigned long long)run->steps).text);
    table_cell(&row, width > 5 ? width : 5, "step", "%s",
               format_count((unsigned long long)metrics->step).text);
    table_cell(&row, 10, "MLM loss", "%.3f", loss_sums_mean(mlm));
    if (first <= MLM_ACCURACY)
        table_cell(&row, 10, "accuracy", "%.1f %%", 100 * loss_sums_accuracy(mlm));
    if (first <= NSP_LOSS && run_trains_nsp(run))
        table_cell(&row, 10, "NSP loss", "%.3f", loss_sums_mean(nsp));
    if (first <= NSP_ACCURACY && run_trains_nsp(run))
        table_cell(&row, 10, "accuracy", "%.1f %%", 100 * loss_sums_accuracy(nsp));
    if (first <= RATE)
        table_cell(&row, 8, "lr", "%.1e", metrics->learning_rate);
    if (first <= GRADIENT)
        table_cell(&row, 8, "grad", metrics->grad_norm < 9999 ? "%.2f" : "%.1e",
                   metrics->grad_norm);
    table_cell(&row, 10, "tokens/s", "%s",
               format_count((unsigned long long)(metrics->tokens_per_second + 0.5)).text);
    table_cell(&row, 8, "left", "%s",
               format_duration(time_left(run, progress, metrics->step)).text);
    return row;
}

static struct table_row fit_row(const struct run *run, const struct progress *progress,
                                const struct train_metrics *metrics)
{
    const size_t width = (size_t)log_width(run->log);
    enum column first = 0;
    struct table_row row = make_row(run, progress, metrics, first);
    while (strlen(row.cells) > width && first < OPTIONAL)
        row = make_row(run, progress, metrics, ++first);
    return row;
}

void progress_row(const struct run *run, struct progress *progress,
                  const struct train_metrics *metrics, bool final)
{
    if (!run->log || (!final && !run->log->terminal))
        return;
    struct table_row row = fit_row(run, progress, metrics);
    table_log(&progress->table, &row, final, run->log);
}
