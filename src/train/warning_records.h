/* warnings.jsonl: what a run has warned of, for its page (report/report_warnings.h). A record has
 * "step", the updates before it, and "warning", the text. The file is made by the first warning;
 * where it cannot be written, that is a warning itself, and training goes on. */
#ifndef CLOZE_TRAIN_WARNING_RECORDS_H
#define CLOZE_TRAIN_WARNING_RECORDS_H

#include "base/append_file.h"
#include "base/buffer.h"
#include "base/log.h"

struct warning_records {
    struct log *log;
    const int64_t *step; /* of the run */
    int64_t last_step;   /* at which the run is resumed */
    char *path;          /* NULL before warning_records_open */
    struct append_file file;
    struct buffer early; /* warnings before the file has a place, each with its zero byte */
    bool lost;           /* whether the last one could not be kept */
};

/* Begins to listen to the log's warnings. The structure must be closed. */
void warning_records_begin(struct warning_records *records, struct log *log);

/* Keeps warnings, also those since the beginning, in the run directory from now on. Records that
 * are there are removed if they are of steps after `last_step`, at which the run is resumed; -1:
 * all. `step` must outlive the records. */
bool warning_records_open(struct warning_records *records, const char *directory, int64_t last_step,
                          const int64_t *step, struct error *error);

void warning_records_close(struct warning_records *records);

#endif
