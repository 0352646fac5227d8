/* Rows of CSV (RFC 4180, by libcsv): commas between the fields; a field in double quotes may hold
 * commas, line breaks and, doubled, quotes. Blanks belong to a field. Line breaks in a field are
 * read as LF. Lines without a byte between rows are skipped. */
#ifndef CLOZE_DATA_CSV_ROWS_H
#define CLOZE_DATA_CSV_ROWS_H

#include "data/cells.h"
#include "data/text_lines.h"

struct csv_rows;

/* The lines must outlive the rows. Returns NULL when memory is short. */
struct csv_rows *csv_rows_create(struct text_lines *lines, struct error *error);
void csv_rows_free(struct csv_rows *rows); /* NULL is accepted */

/* Replaces the cells by those of the next row, which begins in *line; *end is true, without a row,
 * after the last one. Errors name file and line: a quote in a field without quotes, text after a
 * closing quote, a quote that is not closed, a row of more than LINE_LIMIT bytes. */
bool csv_rows_next(struct csv_rows *rows, struct cells *cells, uint64_t *line, bool *end,
                   struct error *error);

#endif
