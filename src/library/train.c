/* Training, as cloze.h declares it. */

#include "library/model_handle.h"

#include "train/finetune.h"
#include "train/run_kind.h"

#include <locale.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the watcher ---- */

struct training {
    struct cloze_watcher watcher;
    struct buffer line; /* the beginning of a message whose end has not been written yet */
};

static double or_nan(bool known, double value)
{
    return known ? value : NAN;
}

static struct cloze_step step_of(const struct train_report *report)
{
    const struct train_metrics *metrics = report->metrics;
    const struct run_evaluation *evaluation = report->evaluation;
    const bool is_task = run_config_is_task(report->config), pairs = !is_task && metrics->pairs;
    return (struct cloze_step){
        .step = metrics->step,
        .steps = report->steps,
        .seed = report->config->seed,
        .loss = metrics->loss,
        .mlm_loss = or_nan(!is_task, metrics->mlm_loss),
        .mlm_accuracy = or_nan(!is_task, metrics->mlm_accuracy),
        .nsp_loss = or_nan(pairs, metrics->nsp_loss),
        .nsp_accuracy = or_nan(pairs, metrics->nsp_accuracy),
        .accuracy = or_nan(is_task, metrics->accuracy),
        .learning_rate = metrics->learning_rate,
        .grad_norm = metrics->grad_norm,
        .tokens_per_second = metrics->tokens_per_second,
        .seconds = metrics->seconds,
        .seconds_left = report->seconds_left,
        .evaluated = evaluation != NULL,
        .held_out_loss = evaluation ? evaluation->record.loss : NAN,
        .held_out_score = evaluation ? evaluation->score : NAN,
    };
}

static bool watch(void *context, const struct train_report *report)
{
    const struct training *training = context;
    const struct cloze_step step = step_of(report);
    return training->watcher.step(training->watcher.context, &step);
}

/* Passes whole lines on; a cookie_write_function_t. A line that memory is short for is lost. */
static ssize_t write_lines(void *cookie, const char *bytes, size_t size)
{
    struct training *training = cookie;
    struct buffer *line = &training->line;
    struct error ignored = {0};
    for (size_t begin = 0, end; begin < size; begin = end + 1) {
        const char *newline = memchr(bytes + begin, '\n', size - begin);
        end = newline ? (size_t)(newline - bytes) : size;
        if (!buffer_append(line, bytes + begin, end - begin, &ignored) || !newline)
            continue;
        training->watcher.message(training->watcher.context, line->data);
        line->size = 0;
    }
    return (ssize_t)size;
}

/* Opens the log that passes its lines on. */
static bool open_log(struct training *training, struct log *log, struct error *error)
{
    const cookie_io_functions_t functions = {.write = write_lines};
    *log = (struct log){.stream = fopencookie(training, "w", functions)};
    return log->stream || fail_work(error, "out of memory: a stream for messages");
}

/* ---- training ---- */

static bool train_config(const struct run_config *config, const struct train_options *options,
                         struct log *log, struct error *error)
{
    struct finetune_results results;
    if (!run_config_is_task(config))
        return train(config, options, NULL, log, error);
    if (!finetune(config, options, &results, log, error))
        return false;
    finetune_results_free(&results);
    return true;
}

/* Returns the run directory; NULL on failure. */
static char *train_file(struct training *training, const char *path, const char *const *settings,
                        size_t setting_count, bool resume, struct error *error)
{
    const struct train_options options = {
        .resume = resume, .watch = training->watcher.step ? watch : NULL, .context = training};
    struct log opened, *log = NULL;
    char *output = NULL;
    if (training->watcher.message) {
        if (!open_log(training, &opened, error))
            return NULL;
        log = &opened;
    }
    const struct config_schema *schema = run_config_schema_of(path, error);
    struct run_config *config =
        schema ? run_config_load(schema, path, settings, setting_count, log, error) : NULL;
    bool done = config && train_config(config, &options, log, error);
    if (config && !done && error->kind == ERROR_INTERRUPTED) {
        log_line(log, "%s", error->message);
        done = true;
    }
    if (done) {
        output = strdup(config->output);
        if (!output)
            fail_work(error, "out of memory: the name of the run directory");
    }
    run_config_free(config);
    if (log)
        fclose(log->stream);
    return output;
}

/* Sets what the numbers of a run depend on in the calling thread, and restores it afterwards: the
 * decimal point of files and settings, and as many threads as the configuration says. */
char *cloze_train(const char *config, const char *const *settings, size_t setting_count,
                  bool resume, const struct cloze_watcher *watcher, struct cloze_error *published)
{
    struct error error = {0};
    struct training training = {0};
    if (watcher)
        training.watcher = *watcher;
    const int threads = omp_get_max_threads(), dynamic = omp_get_dynamic();
    const locale_t before = uselocale((locale_t)0), base = duplocale(before);
    const locale_t plain = base ? newlocale(LC_NUMERIC_MASK, "C", base) : base;
    if (!plain) {
        if (base)
            freelocale(base);
        fail_work(&error, "out of memory: a locale");
        return publish_error(&error, published);
    }
    uselocale(plain);
    omp_set_dynamic(0);
    char *output = train_file(&training, config, settings, setting_count, resume, &error);
    omp_set_dynamic(dynamic);
    omp_set_num_threads(threads);
    uselocale(before);
    freelocale(plain);
    buffer_free(&training.line);
    return output ? output : publish_error(&error, published);
}
