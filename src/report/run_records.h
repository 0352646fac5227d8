/* The records of a run that are drawn as curves: the columns of its metrics.jsonl
 * (report/metrics.h). */
#ifndef CLOZE_REPORT_RUN_RECORDS_H
#define CLOZE_REPORT_RUN_RECORDS_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>

enum { RECORD_COLUMNS = 19 };

/* Records of one kind, in the order of their steps, none of which occurs twice. All zeros: none. */
struct record_table {
    double *rows; /* [count, RECORD_COLUMNS]; NAN: null or absent; owned */
    size_t count, capacity;
};

/* The records of the updates and those of the evaluations. */
struct run_records {
    struct record_table train, eval;
};

/* Reads the records; without the file there are none. Where a step was trained again after a
 * resume, as a record of an earlier step tells, the later records count, as in TensorBoard. A line
 * that is no record and a value that is no number are ERROR_INPUT with file and line. The caller
 * frees *records, also on failure. */
bool run_records_read(const char *path, struct run_records *records, struct error *error);
void run_records_free(struct run_records *records);

/* Returns an object with a list for each column that has any value, of at most `limit` numbers or
 * nulls. More records are divided into groups of consecutive ones, as equal as can be, and a number
 * stands for a group: the last step and count, the largest gradient norm, the mean of what else
 * there is. NULL when memory is short. */
json_t *record_table_json(const struct record_table *table, size_t limit);

#endif
