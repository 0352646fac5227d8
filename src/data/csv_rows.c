#include "data/csv_rows.h"

#include "base/memory.h"

#include <csv.h>
#include <inttypes.h>
#include <stdlib.h>

struct csv_rows {
    struct text_lines *lines;
    struct csv_parser parser;

    /* Of the current row: */
    struct cells *cells;
    size_t size; /* bytes of its lines */
    bool ended;
    struct error failure; /* of the callbacks */
};

static int no_space(unsigned char byte)
{
    (void)byte;
    return 0;
}

static int is_line_end(unsigned char byte)
{
    return byte == '\n';
}

struct csv_rows *csv_rows_create(struct text_lines *lines, struct error *error)
{
    struct csv_rows *rows = allocate(1, sizeof *rows, error);
    if (!rows)
        return NULL;
    rows->lines = lines;
    CHECK(csv_init(&rows->parser, CSV_STRICT | CSV_STRICT_FINI) == 0);
    csv_set_space_func(&rows->parser, no_space);
    csv_set_term_func(&rows->parser, is_line_end);
    return rows;
}

void csv_rows_free(struct csv_rows *rows)
{
    if (!rows)
        return;
    csv_free(&rows->parser);
    free(rows);
}

static void take_field(void *field, size_t size, void *context)
{
    struct csv_rows *rows = context;
    if (rows->failure.kind == ERROR_NONE)
        cells_add(rows->cells, field, size, &rows->failure);
}

static void take_row(int terminator, void *context)
{
    (void)terminator;
    ((struct csv_rows *)context)->ended = true;
}

static bool fail_row(const struct csv_rows *rows, uint64_t line, const char *problem,
                     struct error *error)
{
    return fail_input(error, "%s:%" PRIu64 ": %s", rows->lines->name, line, problem);
}

/* Gives the parser a line with its end. */
static bool parse_line(struct csv_rows *rows, const char *line, size_t size, struct error *error)
{
    const bool read =
        (!size || csv_parse(&rows->parser, line, size, take_field, take_row, rows) == size) &&
        csv_parse(&rows->parser, "\n", 1, take_field, take_row, rows) == 1;
    if (rows->failure.kind != ERROR_NONE) {
        *error = rows->failure;
        return false;
    }
    if (read)
        return true;
    if (csv_error(&rows->parser) == CSV_EPARSE)
        return fail_row(rows, rows->lines->number,
                        "a double quote within a field; expected the whole field in quotes and "
                        "the quotes in it doubled (RFC 4180); a file whose quotes are text is "
                        "tsv, with tabs between the columns",
                        error);
    return fail_work(error, "%s:%" PRIu64 ": %s", rows->lines->name, rows->lines->number,
                     csv_strerror(csv_error(&rows->parser)));
}

bool csv_rows_next(struct csv_rows *rows, struct cells *cells, uint64_t *line, bool *end,
                   struct error *error)
{
    const char *text;
    size_t size;
    cells_clear(cells);
    rows->cells = cells;
    rows->ended = false;
    rows->size = 0;
    *line = 0;
    while (!rows->ended) {
        if (!text_lines_next(rows->lines, &text, &size, end, error))
            return false;
        if (*end)
            return !*line || fail_row(rows, *line, "the row has a quote that is not closed", error);
        if (!*line && !size)
            continue;
        *line = *line ? *line : rows->lines->number;
        rows->size += size + 1;
        if (rows->size > LINE_LIMIT)
            return fail_input(error,
                              "%s:%" PRIu64 ": the row is longer than %d MiB; is a quote in "
                              "it not closed?",
                              rows->lines->name, *line, LINE_LIMIT >> 20);
        if (!parse_line(rows, text, size, error))
            return false;
    }
    return true;
}
