#include "cli/text_progress.h"

#include "base/format.h"
#include "base/machine.h"

/* Seconds between two lines, which would otherwise change hundreds of times a second. */
static const double BETWEEN_LINES = 0.1;

struct text_progress text_progress_begin(struct log *log)
{
    const double now = machine_seconds();
    return (struct text_progress){.log = log, .begun = now, .shown = now - BETWEEN_LINES};
}

static void show(void *context, size_t done)
{
    struct text_progress *progress = context;
    const double now = machine_seconds();
    const uint64_t texts = progress->texts + done;
    if (now - progress->shown < BETWEEN_LINES)
        return;
    progress->shown = now;
    log_live(progress->log, "%s, %.0f/s", format_number_of(texts, "text").text,
             (double)texts / (now - progress->begun));
}

struct text_listener text_progress_listener(struct text_progress *progress)
{
    return (struct text_listener){show, progress};
}

void text_progress_end_block(struct text_progress *progress, size_t texts)
{
    progress->texts += texts;
}

double text_progress_seconds(const struct text_progress *progress)
{
    return machine_seconds() - progress->begun;
}

double text_progress_rate(const struct text_progress *progress)
{
    return (double)progress->texts / text_progress_seconds(progress);
}
