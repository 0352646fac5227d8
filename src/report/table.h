/* A table on the log that gets a row now and then while a command works. The columns' titles are
 * written before the first row, after any other line of the log, and again from time to time. */
#ifndef CLOZE_REPORT_TABLE_H
#define CLOZE_REPORT_TABLE_H

#include "base/log.h"

struct table {
    char head[128]; /* the titles that were written last */
    uint64_t said;  /* log->said after the last row */
    int rows;       /* number of rows since the titles */
};

/* A row and the titles above it. Zero-initialize it before the first cell. */
struct table_row {
    char head[128], cells[128];
};

/* Appends a cell, aligned at the right of a column of `width`; a cell that is wider than its column
 * moves the titles after it. */
void table_cell(struct table_row *row, int width, const char *title, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Logs a row. A `final` row stays; others replace the live line of a terminal. */
void table_log(struct table *table, const struct table_row *row, bool final, struct log *log);

#endif
