#include "data/labelled_rows.h"

#include "base/file.h"
#include "base/memory.h"
#include "data/excerpt.h"
#include "data/labelled_rows_internal.h"
#include "data/text_name.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const task_kind_names[] = {"classification", "regression", "tokens", NULL};
const char *const labelled_format_names[] = {"", "tsv", "csv", "jsonl", "conll", "txt", NULL};

const struct labelled_names labelled_key_names = {.text = "task.text",
                                                  .text_pair = "task.text_pair",
                                                  .label = "task.label",
                                                  .format = "task.format",
                                                  .no_header = "task.header: false"};

/* ---- what the formats share ---- */

const char *labelled_column_setting(const struct labelled_rows *rows, enum labelled_column column)
{
    const struct labelled_names *names = rows->settings.names;
    const char *const settings[] = {names->text, names->text_pair, names->label};
    return settings[column];
}

const char *labelled_column_name(const struct labelled_rows *rows, enum labelled_column column)
{
    const struct labelled_settings *settings = &rows->settings;
    const char *const given[] = {settings->text, settings->text_pair, settings->label};
    const bool tokens = settings->kind == TASK_TOKENS;
    if (column == COLUMN_LABEL && settings->labels == LABELS_IGNORED)
        return NULL;
    if (given[column] && *given[column])
        return given[column];
    if (rows->format == LABELLED_CONLL || column == COLUMN_TEXT_PAIR)
        return NULL;
    if (column == COLUMN_TEXT)
        return tokens ? "tokens" : "text";
    return tokens ? "labels" : "label";
}

bool labelled_fail(const struct labelled_rows *rows, uint64_t line, struct error *error,
                   const char *format, ...)
{
    char text[sizeof error->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return fail_input(error, "%s:%llu: %s", rows->lines.name, (unsigned long long)line, text);
}

static bool is_blank(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

bool labelled_trim_label(const struct labelled_rows *rows, uint64_t line, struct cell *label,
                         struct error *error)
{
    while (label->size && is_blank(*label->text)) {
        label->text++;
        label->size--;
    }
    while (label->size && is_blank(label->text[label->size - 1]))
        label->size--;
    return label->size || labelled_fail(rows, line, error, "the label is empty");
}

bool labelled_check_width(struct labelled_rows *rows, uint64_t line, struct error *error)
{
    if (!rows->width) {
        rows->width = rows->cells.count;
        rows->first_line = line;
    }
    return rows->cells.count == rows->width ||
           labelled_fail(rows, line, error, "found %zu column%s; expected %zu as in line %llu",
                         rows->cells.count, rows->cells.count == 1 ? "" : "s", rows->width,
                         (unsigned long long)rows->first_line);
}

bool labelled_has_number(const struct labelled_rows *rows, const char *number)
{
    const size_t digits = strspn(number, "0123456789");
    return digits && !number[digits] && strtoull(number, NULL, 10) <= rows->width;
}

bool labelled_number_column(struct labelled_rows *rows, enum labelled_column column,
                            const char *number, struct error *error)
{
    const char *setting = labelled_column_setting(rows, column);
    const size_t digits = strspn(number, "0123456789");
    const unsigned long long value = strtoull(number, NULL, 10);
    if (!digits || number[digits] || !value)
        return fail_input(error,
                          "%s: %s is \"%s\"; expected the number of a column from 1, because "
                          "the file is read without a header",
                          rows->lines.name, setting, excerpt_of(number, strlen(number)).text);
    if (value > rows->width)
        return labelled_fail(rows, rows->first_line, error,
                             "there is no column %s (%s); expected a number up to %zu", number,
                             setting, rows->width);
    rows->columns[column] = (size_t)value - 1;
    return true;
}

/* ---- texts without columns ---- */

bool labelled_text_next(struct labelled_rows *rows, struct labelled_row *row, bool *end,
                        struct error *error)
{
    const char *line;
    size_t size;
    if (!text_lines_next(&rows->lines, &line, &size, end, error))
        return false;
    if (*end)
        return true;
    row->line = rows->row_line = rows->lines.number;
    if (rows->settings.kind == TASK_TOKENS) {
        row->words = &rows->words;
        return cells_split(&rows->words, line, size, " \t\n\v\f\r", error);
    }
    cells_clear(&rows->cells);
    if (!cells_add(&rows->cells, line, size, error))
        return false;
    row->text = cells_get(&rows->cells, 0);
    return true;
}

/* ---- opening ---- */

static enum labelled_format format_of_ending(const char *path)
{
    static const struct {
        const char *ending;
        enum labelled_format format;
    } endings[] = {
        {".tsv", LABELLED_TSV},    {".csv", LABELLED_CSV},      {".jsonl", LABELLED_JSONL},
        {".json", LABELLED_JSONL}, {".ndjson", LABELLED_JSONL}, {".conll", LABELLED_CONLL},
        {".txt", LABELLED_TXT},
    };
    const char *name = path_name(path);
    const size_t size = strlen(name) - strlen(text_name_read(path).ending);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t length = strlen(endings[i].ending);
        if (size > length && strncasecmp(name + size - length, endings[i].ending, length) == 0)
            return endings[i].format;
    }
    return LABELLED_BY_ENDING;
}

static bool choose_format(struct labelled_rows *rows, struct error *error)
{
    const struct labelled_settings *settings = &rows->settings;
    const char *name = rows->lines.name;
    const bool tokens = settings->kind == TASK_TOKENS;
    rows->format = settings->format ? settings->format : format_of_ending(name);
    if (!rows->format)
        rows->format = settings->otherwise;
    if (!rows->format)
        return fail_input(error,
                          "%s: the ending does not say how the file is read; expected .tsv, .csv, "
                          ".jsonl, .conll or .txt, or one of these as %s",
                          name, settings->names->format);
    if (tokens && rows->format == LABELLED_TSV)
        rows->format = LABELLED_CONLL;
    if (tokens == (rows->format == LABELLED_CONLL) || rows->format == LABELLED_JSONL ||
        rows->format == LABELLED_TXT)
        return true;
    return fail_input(error, "%s: is read as %s, which has no %s; expected %s (%s)", name,
                      labelled_format_names[rows->format], tokens ? "lists of words" : "texts",
                      tokens ? "conll or jsonl" : "tsv, csv or jsonl", settings->names->format);
}

/* Checks that a file of lines is not asked for what it does not have. */
static bool check_text(const struct labelled_rows *rows, struct error *error)
{
    const struct labelled_settings *settings = &rows->settings;
    const bool pair = labelled_column_name(rows, COLUMN_TEXT_PAIR);
    if (rows->format != LABELLED_TXT || (!pair && settings->labels != LABELS_REQUIRED))
        return true;
    return fail_input(error,
                      "%s: is read as lines of text, which have no %s; expected %s, by the ending "
                      "or %s",
                      rows->lines.name, pair ? "pairs" : "labels",
                      settings->kind == TASK_TOKENS ? "conll or jsonl" : "tsv, csv or jsonl",
                      settings->names->format);
}

static bool begin(struct labelled_rows *rows, struct error *error)
{
    if (!choose_format(rows, error) || !check_text(rows, error))
        return false;
    if (rows->format == LABELLED_CSV && !(rows->csv = csv_rows_create(&rows->lines, error)))
        return false;
    return (rows->format != LABELLED_TSV && rows->format != LABELLED_CSV) ||
           labelled_table_begin(rows, error);
}

static struct labelled_rows *create(const struct labelled_settings *settings, struct error *error)
{
    struct labelled_rows *rows = allocate(1, sizeof *rows, error);
    if (rows)
        rows->settings = *settings;
    return rows;
}

/* Ends an opening; frees the rows after a failure. */
static struct labelled_rows *finish_opening(struct labelled_rows *rows, bool opened,
                                            struct error *error)
{
    if (opened && begin(rows, error))
        return rows;
    labelled_rows_close(rows);
    return NULL;
}

struct labelled_rows *labelled_rows_open(const char *path, const struct labelled_settings *settings,
                                         struct error *error)
{
    struct labelled_rows *rows = create(settings, error);
    return rows ? finish_opening(rows, text_lines_open(&rows->lines, path, error), error) : NULL;
}

struct labelled_rows *labelled_rows_open_stream(struct byte_stream stream, const char *name,
                                                const struct labelled_settings *settings,
                                                struct error *error)
{
    struct labelled_rows *rows = create(settings, error);
    return rows ? finish_opening(rows, text_lines_open_stream(&rows->lines, stream, name, error),
                                 error)
                : NULL;
}

void labelled_rows_close(struct labelled_rows *rows)
{
    if (!rows)
        return;
    csv_rows_free(rows->csv);
    text_lines_close(&rows->lines);
    cells_free(&rows->cells);
    json_decref(rows->record);
    buffer_free(&rows->label);
    cells_free(&rows->words);
    cells_free(&rows->word_labels);
    free(rows->word_lines);
    free(rows);
}

bool labelled_rows_next(struct labelled_rows *rows, struct labelled_row *row, bool *end,
                        struct error *error)
{
    *row = (struct labelled_row){0};
    switch (rows->format) {
    case LABELLED_CONLL:
        return labelled_conll_next(rows, row, end, error);
    case LABELLED_JSONL:
        return labelled_json_next(rows, row, end, error);
    case LABELLED_TXT:
        return labelled_text_next(rows, row, end, error);
    default:
        return labelled_table_next(rows, row, end, error);
    }
}

uint64_t labelled_rows_word_line(const struct labelled_rows *rows, size_t index)
{
    CHECK(index < rows->words.count);
    return rows->word_lines ? rows->word_lines[index] : rows->row_line;
}
