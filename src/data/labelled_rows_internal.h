/* What labelled_rows.c and the files of the formats share. */
#ifndef CLOZE_DATA_LABELLED_ROWS_INTERNAL_H
#define CLOZE_DATA_LABELLED_ROWS_INTERNAL_H

#include "base/json.h"
#include "data/csv_rows.h"
#include "data/labelled_rows.h"
#include "data/text_lines.h"

enum labelled_column { COLUMN_TEXT, COLUMN_TEXT_PAIR, COLUMN_LABEL, COLUMN_COUNT };

struct labelled_rows {
    struct labelled_settings settings;
    enum labelled_format format;
    struct text_lines lines;
    uint64_t row_line; /* where the current row begins */
    bool begun;        /* whether there was a row */
    bool has_labels;   /* once there was a row; in tables and conll once there was a line */

    /* Tables and conll: */
    struct csv_rows *csv;
    struct cells cells; /* the current line or row */
    bool waiting;       /* whether it is a row that has not been returned */
    size_t width;       /* columns of the first line; 0 before it */
    uint64_t first_line;
    size_t columns[COLUMN_COUNT];

    /* JSON: */
    json_t *record;
    struct buffer label; /* a label that is not a string, as text */

    /* Texts of words: */
    struct cells words, word_labels;
    uint64_t *word_lines; /* [words.count] of conll; NULL otherwise */
    size_t word_line_capacity;
};

/* Returns the name of a column's setting. */
const char *labelled_column_setting(const struct labelled_rows *rows, enum labelled_column column);

/* Returns the column as the user gives it, or its default name. NULL: the file is read without it,
 * or in conll: the default place. */
const char *labelled_column_name(const struct labelled_rows *rows, enum labelled_column column);

/* Sets an input error, "FILE:LINE: ...", and returns false. */
bool labelled_fail(const struct labelled_rows *rows, uint64_t line, struct error *error,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Takes the white space around the label of a row away. A label without anything else is an
 * error. */
bool labelled_trim_label(const struct labelled_rows *rows, uint64_t line, struct cell *label,
                         struct error *error);

/* Checks that the current line has as many columns as the first one, or is the first one. */
bool labelled_check_width(struct labelled_rows *rows, uint64_t line, struct error *error);

/* Returns whether the text is a number from 0 to that of the last column. 0 counts, so that
 * labelled_number_column refuses it, instead of the column counting as absent. */
bool labelled_has_number(const struct labelled_rows *rows, const char *number);

/* Sets rows->columns[column] from a number that the user gives; the width is known. */
bool labelled_number_column(struct labelled_rows *rows, enum labelled_column column,
                            const char *number, struct error *error);

/* What each format does after opening (only tables do anything), and its labelled_rows_next. */
bool labelled_table_begin(struct labelled_rows *rows, struct error *error);
bool labelled_table_next(struct labelled_rows *rows, struct labelled_row *row, bool *end,
                         struct error *error);
bool labelled_conll_next(struct labelled_rows *rows, struct labelled_row *row, bool *end,
                         struct error *error);
bool labelled_json_next(struct labelled_rows *rows, struct labelled_row *row, bool *end,
                        struct error *error);
bool labelled_text_next(struct labelled_rows *rows, struct labelled_row *row, bool *end,
                        struct error *error);

#endif
