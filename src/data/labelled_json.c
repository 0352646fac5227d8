/* JSON lines: jsonl. */
#include "base/format.h"
#include "data/excerpt.h"
#include "data/json_lines.h"
#include "data/labelled_rows_internal.h"

#include <math.h>
#include <string.h>

static bool fail_key(struct labelled_rows *rows, enum labelled_column column, const char *name,
                     struct error *error)
{
    struct buffer keys = {0};
    const char *key;
    json_t *value;
    cells_clear(&rows->cells);
    json_object_foreach (rows->record, key, value) {
        if (!cells_add(&rows->cells, key, strlen(key), error))
            return false;
    }
    if (cells_describe(&rows->cells, &keys, error))
        labelled_fail(rows, rows->row_line, error, "this JSON object has no \"%s\" (%s); %s%s",
                      name, labelled_column_setting(rows, column),
                      keys.size ? "its keys are " : "it has no keys", keys.size ? keys.data : "");
    buffer_free(&keys);
    return false;
}

/* Sets *value to the one under a column's key; to NULL if the file is read without the column. */
static bool find_value(struct labelled_rows *rows, enum labelled_column column,
                       const json_t **value, struct error *error)
{
    const char *name = labelled_column_name(rows, column);
    *value = name ? json_object_get(rows->record, name) : NULL;
    if (column == COLUMN_LABEL && !rows->begun)
        rows->has_labels = *value || (name && rows->settings.labels == LABELS_REQUIRED);
    if (column == COLUMN_LABEL && !rows->has_labels)
        *value = NULL;
    else if (name && !*value)
        return fail_key(rows, column, name, error);
    return true;
}

static bool fail_value(const struct labelled_rows *rows, enum labelled_column column,
                       const json_t *value, const char *expected, struct error *error)
{
    const char *name = labelled_column_name(rows, column);
    return labelled_fail(rows, rows->row_line, error, "\"%s\" is %s; expected %s",
                         excerpt_of(name, strlen(name)).text, json_kind(value), expected);
}

static struct cell cell_of(const json_t *string)
{
    return (struct cell){.text = json_string_value(string), .size = json_string_length(string)};
}

/* Sets the cell to a text; it is left alone if the file is read without the column. */
static bool get_text(struct labelled_rows *rows, enum labelled_column column, struct cell *cell,
                     struct error *error)
{
    const json_t *value;
    if (!find_value(rows, column, &value, error))
        return false;
    if (!value)
        return true;
    if (!json_is_string(value))
        return fail_value(rows, column, value, "a string", error);
    *cell = cell_of(value);
    return true;
}

/* Returns the number as Python and pandas write it: as few digits as it needs, with ".0" if it is
 * whole, and an exponent from 1e16 on. */
static struct text32 real_text(double value)
{
    struct text32 text = format_double(value);
    if (fabs(value) < 1e16 && value == trunc(value))
        snprintf(text.text, sizeof text.text, "%.1f", value);
    return text;
}

/* Replaces the contents of the buffer by a number, true or false as it stands in other files. */
static bool print_scalar(struct buffer *out, const json_t *value, struct error *error)
{
    out->size = 0;
    if (json_is_boolean(value))
        return buffer_print(out, error, "%s", json_is_true(value) ? "true" : "false");
    if (json_is_integer(value))
        return buffer_print(out, error, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return buffer_print(out, error, "%s", real_text(json_real_value(value)).text);
}

/* Sets the cell to a label: a string, a number, true or false. A number has as few digits as it
 * needs, so that 0.1 is the label "0.1" of a table. */
static bool get_label(struct labelled_rows *rows, const json_t *value, struct cell *cell,
                      struct error *error)
{
    if (json_is_string(value)) {
        *cell = cell_of(value);
        return labelled_trim_label(rows, rows->row_line, cell, error);
    }
    if (!json_is_number(value) && !json_is_boolean(value))
        return fail_value(rows, COLUMN_LABEL, value, "a string or a number", error);
    const bool done = print_scalar(&rows->label, value, error);
    *cell = (struct cell){.text = rows->label.data, .size = rows->label.size};
    return done;
}

static bool read_texts(struct labelled_rows *rows, struct labelled_row *row, struct error *error)
{
    const json_t *label;
    return get_text(rows, COLUMN_TEXT, &row->text, error) &&
           get_text(rows, COLUMN_TEXT_PAIR, &row->text_pair, error) &&
           find_value(rows, COLUMN_LABEL, &label, error) &&
           (!label || get_label(rows, label, &row->label, error));
}

static bool read_words(struct labelled_rows *rows, const json_t *list, struct error *error)
{
    CHECK(list); /* the column of the text always has a name */
    if (!json_is_array(list))
        return fail_value(rows, COLUMN_TEXT, list, "an array of strings", error);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *word = json_array_get(list, i);
        if (!json_is_string(word))
            return labelled_fail(rows, rows->row_line, error, "word %zu is %s; expected a string",
                                 i + 1, json_kind(word));
        const struct cell cell = cell_of(word);
        if (!cells_add(&rows->words, cell.text, cell.size, error))
            return false;
    }
    return true;
}

static bool read_word_labels(struct labelled_rows *rows, const json_t *list, struct error *error)
{
    struct cell cell = {0};
    if (!json_is_array(list))
        return fail_value(rows, COLUMN_LABEL, list, "an array of labels", error);
    if (json_array_size(list) != rows->words.count)
        return labelled_fail(rows, rows->row_line, error,
                             "found %zu labels of %zu words; expected one of each",
                             json_array_size(list), rows->words.count);
    for (size_t i = 0; i < rows->words.count; i++)
        if (!get_label(rows, json_array_get(list, i), &cell, error) ||
            !cells_add(&rows->word_labels, cell.text, cell.size, error))
            return false;
    return true;
}

static bool read_tokens(struct labelled_rows *rows, struct labelled_row *row, struct error *error)
{
    const json_t *words = NULL, *labels = NULL;
    cells_clear(&rows->words);
    cells_clear(&rows->word_labels);
    if (!find_value(rows, COLUMN_TEXT, &words, error) || !read_words(rows, words, error) ||
        !find_value(rows, COLUMN_LABEL, &labels, error) ||
        (labels && !read_word_labels(rows, labels, error)))
        return false;
    row->words = &rows->words;
    row->word_labels = labels ? &rows->word_labels : NULL;
    return true;
}

bool labelled_json_next(struct labelled_rows *rows, struct labelled_row *row, bool *end,
                        struct error *error)
{
    if (!json_lines_next(&rows->lines, "", &rows->record, end, error))
        return false;
    if (*end)
        return true;
    row->line = rows->row_line = rows->lines.number;
    if (rows->settings.kind == TASK_TOKENS ? !read_tokens(rows, row, error)
                                           : !read_texts(rows, row, error))
        return false;
    rows->begun = true;
    return true;
}
