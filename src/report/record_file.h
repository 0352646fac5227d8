/* Files of records, such as metrics.jsonl: a JSON object on each line with an integer "step", in
 * the order of the steps. */
#ifndef CLOZE_REPORT_RECORD_FILE_H
#define CLOZE_REPORT_RECORD_FILE_H

#include "base/append_file.h"

#include <jansson.h>

/* Opens the file for appending, creating it if absent. Records of steps after `last_step`, at which
 * a run is resumed (-1: all records), and a last line torn by a crash are removed first, by
 * rewriting the file atomically. Any other line that is not a record is ERROR_INPUT with file and
 * line. The structure must be closed even on failure. */
bool record_file_open(struct append_file *file, const char *path, int64_t last_step,
                      struct error *error);

/* A record in its file. */
struct record_line {
    json_t *record; /* not owned */
    int64_t step;
    const char *text; /* the line, [size] bytes with its end */
    size_t size;
    int number; /* from 1 */
};

/* Takes a record that is read. It may return false, with the error set, to end the reading. */
typedef bool record_taker(void *context, const struct record_line *line, struct error *error);

/* Passes the records of a file to `take`, in the order of the file. A last line without its end is
 * left out: a run may be writing it. Errors are as those of record_file_open. */
bool record_file_read(const char *path, record_taker *take, void *context, struct error *error);

#endif
