#include "report/metrics.h"

#include "base/format.h"
#include "base/memory.h"
#include "report/record_file.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct metrics_writer {
    struct append_file file;
    struct event_writer *events; /* not owned; NULL: none */
    enum metrics_layout layout;
};

/* ---- opening and closing ---- */

struct metrics_writer *metrics_open(const char *path, int64_t last_step, enum metrics_layout layout,
                                    struct error *error)
{
    struct metrics_writer *writer = allocate(1, sizeof *writer, error);
    if (!writer)
        return NULL;
    writer->layout = layout;
    if (!record_file_open(&writer->file, path, last_step, error)) {
        metrics_close(writer);
        return NULL;
    }
    return writer;
}

void metrics_send_events(struct metrics_writer *writer, struct event_writer *events)
{
    writer->events = events;
}

void metrics_close(struct metrics_writer *writer)
{
    if (!writer)
        return;
    append_file_close(&writer->file);
    free(writer);
}

/* ---- records ---- */

/* A line that is being made. The longest has some 600 bytes. */
struct line {
    char text[1024];
    size_t size;
};

static void put_text(struct line *line, const char *text)
{
    size_t size = strlen(text);
    CHECK(line->size + size < sizeof line->text);
    memcpy(line->text + line->size, text, size);
    line->size += size;
}

static void put_key(struct line *line, const char *key)
{
    put_text(line, line->size == 1 ? "\"" : ", \"");
    put_text(line, key);
    put_text(line, "\": ");
}

static void put_null(struct line *line, const char *key)
{
    put_key(line, key);
    put_text(line, "null");
}

static void put_integer(struct line *line, const char *key, int64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRId64, value);
    put_key(line, key);
    put_text(line, digits);
}

/* Appends a real number; a whole one gets ".0". Readers that take a column's type from its first
 * values, such as polars, would otherwise take it for an integer. */
static void put_real(struct line *line, const char *key, double value)
{
    float rounded = (float)value;
    if (!isfinite(rounded)) {
        put_null(line, key);
        return;
    }
    const struct text32 digits = format_float(rounded);
    put_key(line, key);
    put_text(line, digits.text);
    if (!strpbrk(digits.text, ".e"))
        put_text(line, ".0");
}

/* A key of the records, and where its value is in each kind of record; an offset is SIZE_MAX if
 * that kind of record has no such value. */
struct column {
    const char *name;
    bool integer; /* whether the value is an int64_t, not a double */
    bool nsp;     /* whether the value is null without next-sentence prediction */
    size_t train, eval;
    const char *train_tag, *eval_tag; /* in TensorBoard; NULL: not there */
};

#define IN_TRAIN(member) offsetof(struct train_metrics, member), SIZE_MAX
#define IN_BOTH(member)                                                                            \
    offsetof(struct train_metrics, member), offsetof(struct eval_metrics, member)

#define IN_EVAL(member) SIZE_MAX, offsetof(struct eval_metrics, member)

/* clang-format off */
/* The columns of every layout. */
#define COMMON_COLUMNS                                                                             \
    {"learning_rate", false, false, IN_TRAIN(learning_rate), "train/learning_rate", NULL},         \
    {"grad_norm", false, false, IN_TRAIN(grad_norm), "train/grad_norm", NULL},                     \
    {"tokens", true, false, IN_TRAIN(tokens), NULL, NULL},                                         \
    {"tokens_per_second", false, false, IN_TRAIN(tokens_per_second), "train/tokens_per_second",    \
     NULL},                                                                                        \
    {"seconds", false, false, IN_BOTH(seconds), NULL, NULL},                                       \
    {"save_stall_seconds", false, false, IN_TRAIN(save_stall_seconds), NULL, NULL},                \
    {"save_stall_steps", false, false, IN_TRAIN(save_stall_steps), NULL, NULL},                    \
    {"skipped_steps", true, false, IN_TRAIN(skipped_steps), NULL, NULL}
/* clang-format on */

/* Every record has every key, and the first records, which are those of steps, have values for all
 * of them: polars takes names and types of its columns from the first hundred lines, and refuses a
 * number in a column that was null in all of them. "eval" follows the step. */
static const struct column pretraining_columns[] = {
    {"loss", false, false, IN_BOTH(loss), "train/loss", NULL},
    {"mlm_loss", false, false, IN_BOTH(mlm_loss), "train/mlm_loss", "eval/mlm_loss"},
    {"nsp_loss", false, true, IN_BOTH(nsp_loss), "train/nsp_loss", "eval/nsp_loss"},
    {"mlm_accuracy", false, false, IN_BOTH(mlm_accuracy), "train/mlm_accuracy",
     "eval/mlm_accuracy"},
    {"nsp_accuracy", false, true, IN_BOTH(nsp_accuracy), "train/nsp_accuracy", "eval/nsp_accuracy"},
    {"perplexity", false, false, IN_BOTH(perplexity), NULL, "eval/perplexity"},
    {"predictions", true, false, IN_BOTH(predictions), NULL, NULL},
    {"pairs", true, true, IN_BOTH(pairs), NULL, NULL},
    COMMON_COLUMNS,
};

/* The metrics of a task are in the records of its evaluations alone, and only some of them. */
static const struct column task_columns[] = {
    {"loss", false, false, IN_BOTH(loss), "train/loss", "eval/loss"},
    {"accuracy", false, false, IN_BOTH(accuracy), "train/accuracy", "eval/accuracy"},
    {"f1", false, false, IN_EVAL(f1), NULL, "eval/f1"},
    {"matthews", false, false, IN_EVAL(matthews), NULL, "eval/matthews"},
    {"pearson", false, false, IN_EVAL(pearson), NULL, "eval/pearson"},
    {"spearman", false, false, IN_EVAL(spearman), NULL, "eval/spearman"},
    {"predictions", true, false, IN_BOTH(predictions), NULL, NULL},
    COMMON_COLUMNS,
};

enum {
    PRETRAINING_COLUMNS = sizeof pretraining_columns / sizeof *pretraining_columns,
    TASK_COLUMNS = sizeof task_columns / sizeof *task_columns,
};

/* Returns the columns of a layout and sets their number. */
static const struct column *columns_of(enum metrics_layout layout, size_t *count)
{
    const bool task = layout == METRICS_TASK;
    *count = task ? TASK_COLUMNS : PRETRAINING_COLUMNS;
    return task ? task_columns : pretraining_columns;
}

/* Returns the value of a column in a record; NULL if it has none. */
static const void *column_value(const struct column *column, bool eval, bool nsp,
                                const void *record)
{
    const size_t offset = eval ? column->eval : column->train;
    return offset == SIZE_MAX || (column->nsp && !nsp) ? NULL : (const char *)record + offset;
}

static bool write_record(struct metrics_writer *writer, int64_t step, bool eval, bool nsp,
                         const void *record, struct error *error)
{
    struct line line = {.text = "{", .size = 1};
    put_integer(&line, "step", step);
    put_key(&line, "eval");
    put_text(&line, eval ? "true" : "false");
    size_t columns_count;
    const struct column *columns = columns_of(writer->layout, &columns_count);
    for (size_t i = 0; i < columns_count; i++) {
        const struct column *column = &columns[i];
        const void *value = column_value(column, eval, nsp, record);
        if (!value)
            put_null(&line, column->name);
        else if (column->integer)
            put_integer(&line, column->name, *(const int64_t *)value);
        else
            put_real(&line, column->name, *(const double *)value);
    }
    put_text(&line, "}\n");
    return append_file_put(&writer->file, line.text, line.size, error);
}

static bool put_event(struct metrics_writer *writer, int64_t step, bool eval, bool nsp,
                      const void *record, struct error *error)
{
    struct event_scalar scalars[PRETRAINING_COLUMNS + TASK_COLUMNS];
    size_t count = 0, columns_count;
    const struct column *columns = columns_of(writer->layout, &columns_count);
    for (size_t i = 0; i < columns_count; i++) {
        const char *tag = eval ? columns[i].eval_tag : columns[i].train_tag;
        const void *value = tag ? column_value(&columns[i], eval, nsp, record) : NULL;
        if (value && (writer->layout != METRICS_TASK || !isnan(*(const double *)value)))
            scalars[count++] = (struct event_scalar){tag, *(const double *)value};
    }
    /* An evaluation whose loss is no number has nothing to show. */
    return !writer->events || count == 0 ||
           event_writer_put(writer->events, (double)time(NULL), step, scalars, count, error);
}

bool metrics_write_train(struct metrics_writer *writer, const struct train_metrics *record,
                         struct error *error)
{
    const bool nsp = writer->layout == METRICS_MLM_NSP && record->pairs > 0;
    return write_record(writer, record->step, false, nsp, record, error) &&
           put_event(writer, record->step, false, nsp, record, error);
}

bool metrics_write_eval(struct metrics_writer *writer, const struct eval_metrics *record,
                        struct error *error)
{
    const bool nsp = writer->layout == METRICS_MLM_NSP && record->pairs > 0;
    return write_record(writer, record->step, true, nsp, record, error) &&
           put_event(writer, record->step, true, nsp, record, error);
}
