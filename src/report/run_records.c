#include "report/run_records.h"

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "report/record_file.h"

#include <math.h>
#include <stdlib.h>

enum { STEP };

/* The columns by the names of their keys: what the page draws. */
static const char *const record_columns[RECORD_COLUMNS] = {
    [STEP] = "step", "tokens",   "seconds",       "skipped_steps",     "grad_norm",
    "loss",          "mlm_loss", "nsp_loss",      "mlm_accuracy",      "nsp_accuracy",
    "accuracy",      "f1",       "matthews",      "pearson",           "spearman",
    "predictions",   "pairs",    "learning_rate", "tokens_per_second",
};

/* What stands for several records, by column. */
enum { FIRST_LARGEST = 4, FIRST_MEAN = 5 }; /* before them: the last value */

/* ---- reading ---- */

struct reader {
    const char *path;
    struct run_records *records;
};

static bool fail_value(const struct reader *reader, const struct record_line *line, const char *key,
                       const char *expected, struct error *error)
{
    return fail_input(error, "%s:%d: expected %s as \"%s\"; found %s", reader->path, line->number,
                      expected, key, json_kind(json_object_get(line->record, key)));
}

/* Removes the records of steps from `step` on. */
static void forget_from(struct record_table *table, int64_t step)
{
    while (table->count && table->rows[(table->count - 1) * RECORD_COLUMNS + STEP] >= (double)step)
        table->count--;
}

static bool take_record(void *context, const struct record_line *line, struct error *error)
{
    const struct reader *reader = context;
    const json_t *eval = json_object_get(line->record, "eval");
    if (!eval || !json_is_boolean(eval))
        return eval ? fail_value(reader, line, "eval", "true or false", error)
                    : fail_input(error, "%s:%d: expected a record of a run, with the key \"eval\"",
                                 reader->path, line->number);
    struct record_table *own =
        json_is_true(eval) ? &reader->records->eval : &reader->records->train;
    struct record_table *other =
        own == &reader->records->eval ? &reader->records->train : &reader->records->eval;
    forget_from(own, line->step);
    forget_from(other, line->step + 1);
    if (!grow(&own->rows, &own->capacity, (own->count + 1) * RECORD_COLUMNS, sizeof *own->rows,
              error))
        return false;
    double *row = own->rows + own->count * RECORD_COLUMNS;
    for (int i = 0; i < RECORD_COLUMNS; i++) {
        const json_t *value = json_object_get(line->record, record_columns[i]);
        if (value && !json_is_number(value) && !json_is_null(value))
            return fail_value(reader, line, record_columns[i], "a number or null", error);
        row[i] = json_is_number(value) ? json_number_value(value) : NAN;
    }
    own->count++;
    return true;
}

bool run_records_read(const char *path, struct run_records *records, struct error *error)
{
    struct reader reader = {path, records};
    *records = (struct run_records){0};
    return !path_is_taken(path) || record_file_read(path, take_record, &reader, error);
}

void run_records_free(struct run_records *records)
{
    free(records->train.rows);
    free(records->eval.rows);
    *records = (struct run_records){0};
}

/* ---- the curves ---- */

/* Returns what stands for the values of the records [first, end) in a column; NAN if there is
 * none. */
static double value_of(const struct record_table *table, size_t first, size_t end, int column)
{
    double sum = 0, largest = -INFINITY, last = NAN;
    size_t count = 0;
    for (size_t i = first; i < end; i++) {
        const double value = table->rows[i * RECORD_COLUMNS + (size_t)column];
        if (isnan(value))
            continue;
        count++;
        sum += value;
        largest = fmax(largest, value);
        last = value;
    }
    if (!count || column < FIRST_LARGEST)
        return last;
    return column < FIRST_MEAN ? largest : sum / (double)count;
}

static bool has_values(const struct record_table *table, int column)
{
    for (size_t i = 0; i < table->count; i++)
        if (!isnan(table->rows[i * RECORD_COLUMNS + (size_t)column]))
            return true;
    return false;
}

/* Returns a list of the values in a column, one for each of the groups. */
static json_t *column_json(const struct record_table *table, size_t groups, int column)
{
    json_t *list = json_array();
    for (size_t i = 0; i < groups && list; i++) {
        const double value =
            value_of(table, i * table->count / groups, (i + 1) * table->count / groups, column);
        json_t *number = json_null();
        if (isfinite(value))
            number = floor(value) == value && fabs(value) < 1e15 ? json_integer((json_int_t)value)
                                                                 : json_real(value);
        list = json_append(list, number);
    }
    return list;
}

json_t *record_table_json(const struct record_table *table, size_t limit)
{
    const size_t groups = table->count > limit ? limit : table->count;
    json_t *object = json_object();
    for (int i = 0; i < RECORD_COLUMNS && object; i++)
        if (has_values(table, i) &&
            json_object_set_new(object, record_columns[i], column_json(table, groups, i)) != 0) {
            json_decref(object);
            return NULL;
        }
    return object;
}
