/* Reads a file of texts, with or without labels, as a stream of rows, in constant memory:
 *
 *   tsv     tabs between the columns and nothing else that separates: quotes are text (as GLUE)
 *   csv     RFC 4180 (data/csv_rows.h)
 *   jsonl   a JSON object on each line; columns are its keys
 *   conll   a word on each line with its columns, between blanks or tabs; a line that is empty or
 *           of white space alone ends a text; a line whose first word is -DOCSTART- does so too and
 *           is otherwise ignored (CoNLL 2003)
 *   lines   each line is a text without a label, also an empty one
 *
 * The format is that of the name's ending: .tsv, .csv, .jsonl (.json, .ndjson), .conll, .txt; for
 * labels of tokens .tsv is conll. Files may be compressed, have CRLF and a byte-order mark
 * (data/text_lines.h). Lines without a byte are skipped in tsv and csv, those of white space in
 * jsonl.
 *
 * With labels of tokens a row is a text of words: in conll its lines, in jsonl two lists of equal
 * length under two keys, in lines the words between white space.
 *
 * An empty text is a row like others; an empty label is an error. White space around a label is not
 * part of it. All rows of a table have as many columns as its first line. Errors name file, line,
 * what was found and what was expected. */
#ifndef CLOZE_DATA_LABELLED_ROWS_H
#define CLOZE_DATA_LABELLED_ROWS_H

#include "data/byte_stream.h"
#include "data/cells.h"

#include <stdint.h>

enum task_kind { TASK_CLASSIFICATION, TASK_REGRESSION, TASK_TOKENS };

/* "classification", "regression", "tokens", NULL */
extern const char *const task_kind_names[];

enum labelled_format {
    LABELLED_BY_ENDING,
    LABELLED_TSV,
    LABELLED_CSV,
    LABELLED_JSONL,
    LABELLED_CONLL,
    LABELLED_TXT, /* lines */
};

/* "", "tsv", "csv", "jsonl", "conll", "txt", NULL */
extern const char *const labelled_format_names[];

enum labels_wanted {
    LABELS_REQUIRED,
    LABELS_OPTIONAL, /* read if the file has their column */
    LABELS_IGNORED,
};

/* What the settings are called where the user gives them, for messages. */
struct labelled_names {
    const char *text, *text_pair, *label, *format;
    const char *no_header; /* what says that there are no names of columns */
};

/* "task.text" and so on, as keys of a configuration. */
extern const struct labelled_names labelled_key_names;

/* How a file is read; the strings must outlive the rows. A column is its name, or its number from 1
 * in conll and where `header` is false. NULL or "" is the default: the columns "text" and "label"
 * where they have names, "tokens" and "labels" for tokens, the first and last column of conll. */
struct labelled_settings {
    enum task_kind kind;
    enum labelled_format format;
    enum labelled_format otherwise; /* with LABELLED_BY_ENDING: if the ending says none */
    bool header;           /* whether the first line of tsv and csv has the columns' names */
    const char *text;      /* column of the text, or of the words */
    const char *text_pair; /* column of the second text of a pair; NULL or "": none */
    const char *label;
    enum labels_wanted labels;
    const struct labelled_names *names;
};

/* What is read of a row; it belongs to the rows until the next call. */
struct labelled_row {
    uint64_t line; /* where the row begins, from 1 */

    /* Classification and regression: */
    struct cell text;
    struct cell text_pair; /* its text is NULL if there are no pairs */
    struct cell label;     /* its text is NULL if there are no labels */

    /* Tokens: */
    const struct cells *words;
    const struct cells *word_labels; /* of each word; NULL if there are no labels */
};

struct labelled_rows;

/* Opens a file; or, with a name for it, a stream, such as the standard input. These and the
 * settings must outlive the rows. Reads the header; NULL on failure. */
struct labelled_rows *labelled_rows_open(const char *path, const struct labelled_settings *settings,
                                         struct error *error);
struct labelled_rows *labelled_rows_open_stream(struct byte_stream stream, const char *name,
                                                const struct labelled_settings *settings,
                                                struct error *error);
void labelled_rows_close(struct labelled_rows *rows); /* NULL is accepted */

/* Reads the next row; *end is true, without a row, after the last one. */
bool labelled_rows_next(struct labelled_rows *rows, struct labelled_row *row, bool *end,
                        struct error *error);

/* Returns the number of the line with word `index` of the last row, from 1. */
uint64_t labelled_rows_word_line(const struct labelled_rows *rows, size_t index);

#endif
