/* The live line of a command that computes texts block by block. A block of a large model takes
 * minutes, so the line changes within blocks too. */
#ifndef CLOZE_CLI_TEXT_PROGRESS_H
#define CLOZE_CLI_TEXT_PROGRESS_H

#include "base/log.h"
#include "model/text_runner.h"

struct text_progress {
    struct log *log;
    uint64_t texts;      /* of the blocks that are done */
    double begun, shown; /* machine_seconds() at the beginning, and of the line */
};

struct text_progress text_progress_begin(struct log *log);

/* Returns a listener that shows "1,200 texts, 35/s" while a block is computed. It points to the
 * progress, which must stay where it is. */
struct text_listener text_progress_listener(struct text_progress *progress);

void text_progress_end_block(struct text_progress *progress, size_t texts);

/* The time since the beginning, and the texts of whole blocks per second. */
double text_progress_seconds(const struct text_progress *progress);
double text_progress_rate(const struct text_progress *progress);

#endif
