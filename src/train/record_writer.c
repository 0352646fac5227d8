#include "train/record_writer.h"

#include "base/directory.h"
#include "base/file.h"
#include "base/format.h"
#include "report/record_file.h"

#include <stdlib.h>
#include <time.h>

/* ---- opening and closing ---- */

/* Opens fills.jsonl, which only a run of pre-training has. */
static bool open_fills(struct record_writer *writer, const struct run *run, struct error *error)
{
    if (run->kind->layout(run) == METRICS_TASK)
        return true;
    char *path = path_join(run->config->output, "fills.jsonl", error);
    bool done = path && record_file_open(&writer->fills, path, run->state.step, error);
    free(path);
    return done;
}

bool record_writer_open(struct record_writer *writer, const struct run *run, struct error *error)
{
    *writer = (struct record_writer){.log = run->log, .fills = {.descriptor = -1}};
    char *metrics = path_join(run->config->output, "metrics.jsonl", error);
    char *events = metrics ? path_join(run->config->output, "events", error) : NULL;
    bool done = metrics && events && directory_make(events, error);
    if (done)
        writer->metrics = metrics_open(metrics, run->state.step, run->kind->layout(run), error);
    if (writer->metrics)
        writer->events = event_writer_open(events, (double)time(NULL), run->state.step + 1, error);
    if (writer->events)
        metrics_send_events(writer->metrics, writer->events);
    free(metrics);
    free(events);
    return writer->events && open_fills(writer, run, error);
}

void record_writer_close(struct record_writer *writer)
{
    if (!writer->metrics)
        return; /* nothing else is open either, and the descriptor may be 0 */
    append_file_close(&writer->fills);
    metrics_close(writer->metrics);
    event_writer_close(writer->events);
    *writer = (struct record_writer){0};
}

/* ---- writing ---- */

/* Takes note of whether a record was written. */
static void note_record(struct record_writer *writer, bool written, const struct error *error)
{
    if (!written && writer->lost++ == 0)
        log_warning(writer->log, "%s; training continues without writing metrics", error->message);
    if (written && writer->lost) {
        log_warning(writer->log, "writing metrics again; %s records were lost",
                    format_count((unsigned long long)writer->lost).text);
        writer->lost = 0;
    }
}

void record_writer_step(struct record_writer *writer, const struct train_metrics *record)
{
    struct error error = {0};
    if (!writer->metrics)
        return;
    bool written = metrics_write_train(writer->metrics, record, &error);
    note_record(writer, written, &error);
}

void record_writer_evaluation(struct record_writer *writer, int64_t step, double seconds,
                              const struct run_evaluation *evaluation)
{
    struct error error = {0};
    if (!writer->metrics)
        return;
    struct eval_metrics record = evaluation->record;
    record.step = step;
    record.seconds = seconds;
    bool written = metrics_write_eval(writer->metrics, &record, &error) &&
                   fill_ins_write(&writer->fills, step, &evaluation->fills, &error);
    note_record(writer, written, &error);
}
