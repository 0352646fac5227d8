/* Tables: tsv and csv. */
#include "data/excerpt.h"
#include "data/labelled_rows_internal.h"

#include <stdlib.h>
#include <string.h>

static bool split_tabs(struct cells *cells, const char *line, size_t size, struct error *error)
{
    cells_clear(cells);
    for (size_t start = 0;;) {
        const char *tab = memchr(line + start, '\t', size - start);
        size_t end = tab ? (size_t)(tab - line) : size;
        if (!cells_add(cells, line + start, end - start, error))
            return false;
        if (!tab)
            return true;
        start = end + 1;
    }
}

/* Reads the next row of any kind into the cells. */
static bool read_row(struct labelled_rows *rows, bool *end, struct error *error)
{
    const char *line;
    size_t size;
    if (rows->csv)
        return csv_rows_next(rows->csv, &rows->cells, &rows->row_line, end, error);
    do {
        if (!text_lines_next(&rows->lines, &line, &size, end, error))
            return false;
        if (*end)
            return true;
    } while (!size);
    rows->row_line = rows->lines.number;
    return split_tabs(&rows->cells, line, size, error);
}

/* ---- the columns ---- */

static bool fail_column(const struct labelled_rows *rows, enum labelled_column column,
                        const char *name, struct error *error)
{
    struct buffer names = {0};
    const bool number = name[strspn(name, "0123456789")] == '\0';
    if (cells_describe(&rows->cells, &names, error))
        labelled_fail(
            rows, rows->row_line, error, "there is no column \"%s\" (%s); the columns are %s%s%s",
            excerpt_of(name, strlen(name)).text, labelled_column_setting(rows, column), names.data,
            number ? "; a file without names in its first line is read with " : "",
            number ? rows->settings.names->no_header : "");
    buffer_free(&names);
    return false;
}

static bool find_named(struct labelled_rows *rows, enum labelled_column column, const char *name,
                       struct error *error)
{
    const size_t found = cells_find(&rows->cells, name, 0);
    if (found == rows->cells.count)
        return fail_column(rows, column, name, error);
    rows->columns[column] = found;
    return cells_find(&rows->cells, name, found + 1) == rows->cells.count ||
           labelled_fail(rows, rows->row_line, error, "two columns are \"%s\" (%s)",
                         excerpt_of(name, strlen(name)).text,
                         labelled_column_setting(rows, column));
}

/* Returns whether the label's column is missing, which is allowed. */
static bool lacks_labels(const struct labelled_rows *rows, const char *name)
{
    if (rows->settings.labels != LABELS_OPTIONAL)
        return false;
    return rows->settings.header ? cells_find(&rows->cells, name, 0) == rows->cells.count
                                 : !labelled_has_number(rows, name);
}

/* Finds the columns of the settings in the first line. */
static bool find_columns(struct labelled_rows *rows, struct error *error)
{
    for (enum labelled_column column = 0; column < COLUMN_COUNT; column++) {
        const char *name = labelled_column_name(rows, column);
        if (!name || (column == COLUMN_LABEL && lacks_labels(rows, name)))
            continue;
        if (rows->settings.header ? !find_named(rows, column, name, error)
                                  : !labelled_number_column(rows, column, name, error))
            return false;
        rows->has_labels |= column == COLUMN_LABEL;
    }
    return true;
}

bool labelled_table_begin(struct labelled_rows *rows, struct error *error)
{
    bool end;
    if (!read_row(rows, &end, error))
        return false;
    if (end)
        return fail_input(error, "%s: is empty; expected a table", rows->lines.name);
    rows->waiting = !rows->settings.header;
    return labelled_check_width(rows, rows->row_line, error) && find_columns(rows, error);
}

bool labelled_table_next(struct labelled_rows *rows, struct labelled_row *row, bool *end,
                         struct error *error)
{
    *end = false;
    if (!rows->waiting && !read_row(rows, end, error))
        return false;
    rows->waiting = false;
    if (*end)
        return true;
    if (!labelled_check_width(rows, rows->row_line, error))
        return false;
    row->line = rows->row_line;
    row->text = cells_get(&rows->cells, rows->columns[COLUMN_TEXT]);
    if (labelled_column_name(rows, COLUMN_TEXT_PAIR))
        row->text_pair = cells_get(&rows->cells, rows->columns[COLUMN_TEXT_PAIR]);
    if (!rows->has_labels)
        return true;
    row->label = cells_get(&rows->cells, rows->columns[COLUMN_LABEL]);
    return labelled_trim_label(rows, row->line, &row->label, error);
}
