/* Columns of words: conll. */
#include "base/memory.h"
#include "data/labelled_rows_internal.h"

#include <string.h>

/* Finds the columns of the settings in the first line with a word. */
static bool find_columns(struct labelled_rows *rows, struct error *error)
{
    const char *text = labelled_column_name(rows, COLUMN_TEXT);
    const char *label = labelled_column_name(rows, COLUMN_LABEL);
    const enum labels_wanted wanted = rows->settings.labels;
    rows->columns[COLUMN_TEXT] = 0;
    rows->columns[COLUMN_LABEL] = rows->width - 1;
    rows->begun = true;
    const bool absent = wanted == LABELS_IGNORED ||
                        (label && wanted == LABELS_OPTIONAL && !labelled_has_number(rows, label));
    if ((text && !labelled_number_column(rows, COLUMN_TEXT, text, error)) ||
        (label && !absent && !labelled_number_column(rows, COLUMN_LABEL, label, error)))
        return false;
    rows->has_labels = !absent && rows->columns[COLUMN_LABEL] != rows->columns[COLUMN_TEXT];
    return rows->has_labels || wanted != LABELS_REQUIRED ||
           labelled_fail(rows, rows->first_line, error,
                         "found %zu column%s and no label; expected a word and its label, between "
                         "blanks or tabs",
                         rows->width, rows->width == 1 ? "" : "s");
}

static bool add_word(struct labelled_rows *rows, struct error *error)
{
    const uint64_t line = rows->lines.number;
    if (!labelled_check_width(rows, line, error) || (!rows->begun && !find_columns(rows, error)) ||
        !grow(&rows->word_lines, &rows->word_line_capacity, rows->words.count + 1,
              sizeof *rows->word_lines, error))
        return false;
    rows->word_lines[rows->words.count] = line;
    const struct cell word = cells_get(&rows->cells, rows->columns[COLUMN_TEXT]);
    const struct cell label = cells_get(&rows->cells, rows->columns[COLUMN_LABEL]);
    return cells_add(&rows->words, word.text, word.size, error) &&
           (!rows->has_labels || cells_add(&rows->word_labels, label.text, label.size, error));
}

/* Reads a line; *word is whether it has a word, which is added. */
static bool read_line(struct labelled_rows *rows, bool *word, bool *end, struct error *error)
{
    const char *line;
    size_t size;
    *word = false;
    if (!text_lines_next(&rows->lines, &line, &size, end, error))
        return false;
    if (*end || line_is_blank(line, size))
        return true;
    if (!cells_split(&rows->cells, line, size, " \t", error))
        return false;
    *word = rows->cells.count && strcmp(cells_get(&rows->cells, 0).text, "-DOCSTART-") != 0;
    return !*word || add_word(rows, error);
}

bool labelled_conll_next(struct labelled_rows *rows, struct labelled_row *row, bool *end,
                         struct error *error)
{
    bool word = false;
    cells_clear(&rows->words);
    cells_clear(&rows->word_labels);
    *end = false;
    while (!*end && (word || !rows->words.count))
        if (!read_line(rows, &word, end, error))
            return false;
    if (!rows->words.count)
        return true; /* the end */
    *end = false;    /* of the text, which may be that of the file */
    rows->row_line = rows->word_lines[0];
    row->line = rows->row_line;
    row->words = &rows->words;
    row->word_labels = rows->has_labels ? &rows->word_labels : NULL;
    return true;
}
