#include "train/metrics.h"

#include "base/append_file.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A record is some 300 bytes; a file of this size holds millions of them. */
#define FILE_LIMIT ((size_t)1 << 32)

struct metrics_writer {
    struct append_file file;
    bool nsp;
};

/* ---- what stays of an earlier run's file ---- */

/* False if the line is no record: not an object, or without an integer "step". */
static bool record_step(const char *line, size_t size, int64_t *step)
{
    json_t *record = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
    const json_t *value = json_object_get(record, "step");
    bool found = json_is_integer(value);
    if (found)
        *step = json_integer_value(value);
    json_decref(record);
    return found;
}

/* Appends to `kept` the lines of `text` that are records up to last_step. */
static bool keep_records(const struct buffer *text, const char *path, int64_t last_step,
                         struct buffer *kept, struct error *error)
{
    const char *line = text->data, *end = text->data + text->size;
    for (int number = 1; line < end; number++) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        if (!newline)
            return true; /* torn: a whole record ends its line */
        size_t size = (size_t)(newline - line);
        int64_t step;
        if (!record_step(line, size, &step))
            return fail_input(error,
                              "%s:%d: expected a JSON object with an integer \"step\"; found "
                              "\"%.*s\"",
                              path, number, (int)(size < 60 ? size : 60), line);
        if (step <= last_step && !buffer_append(kept, line, size + 1, error))
            return false;
        line = newline + 1;
    }
    return true;
}

/* Rewrites the file without the records after last_step; an absent or clean file is left alone. */
static bool cut_file(const char *path, int64_t last_step, struct error *error)
{
    if (!path_exists(path))
        return true;
    struct buffer text = {0}, kept = {0};
    bool done = file_read(path, FILE_LIMIT, &text, error) &&
                (text.size == 0 || keep_records(&text, path, last_step, &kept, error)) &&
                (kept.size == text.size || file_write(path, kept.data, kept.size, error));
    buffer_free(&text);
    buffer_free(&kept);
    return done;
}

/* ---- opening and closing ---- */

struct metrics_writer *metrics_open(const char *path, int64_t last_step, bool nsp,
                                    struct error *error)
{
    if (!cut_file(path, last_step, error))
        return NULL;
    struct metrics_writer *writer = allocate(1, sizeof *writer, error);
    if (!writer)
        return NULL;
    writer->nsp = nsp;
    if (!append_file_open(&writer->file, path, false, error)) {
        metrics_close(writer);
        return NULL;
    }
    return writer;
}

void metrics_close(struct metrics_writer *writer)
{
    if (!writer)
        return;
    append_file_close(&writer->file);
    free(writer);
}

/* ---- records ---- */

/* One line under construction. The longest is some 400 bytes. */
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

static void put_integer(struct line *line, const char *key, int64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRId64, value);
    put_key(line, key);
    put_text(line, digits);
}

static void put_real(struct line *line, const char *key, double value)
{
    put_key(line, key);
    float rounded = (float)value;
    if (!isfinite(rounded)) {
        put_text(line, "null");
        return;
    }
    char digits[24];
    int precision = 6;
    do
        snprintf(digits, sizeof digits, "%.*g", precision, (double)rounded);
    while (strtof(digits, NULL) != rounded && ++precision <= 9);
    put_text(line, digits);
}

static bool append_line(struct metrics_writer *writer, struct line *line, struct error *error)
{
    put_text(line, "}\n");
    return append_file_put(&writer->file, line->text, line->size, error);
}

bool metrics_write_train(struct metrics_writer *writer, const struct train_metrics *record,
                         struct error *error)
{
    struct line line = {.text = "{", .size = 1};
    put_integer(&line, "step", record->step);
    put_real(&line, "loss", record->loss);
    put_real(&line, "mlm_loss", record->mlm_loss);
    if (writer->nsp)
        put_real(&line, "nsp_loss", record->nsp_loss);
    put_real(&line, "mlm_accuracy", record->mlm_accuracy);
    if (writer->nsp)
        put_real(&line, "nsp_accuracy", record->nsp_accuracy);
    put_real(&line, "learning_rate", record->learning_rate);
    put_real(&line, "grad_norm", record->grad_norm);
    put_integer(&line, "tokens", record->tokens);
    put_real(&line, "tokens_per_second", record->tokens_per_second);
    put_real(&line, "seconds", record->seconds);
    put_real(&line, "save_stall_seconds", record->save_stall_seconds);
    put_real(&line, "save_stall_steps", record->save_stall_steps);
    put_integer(&line, "skipped_steps", record->skipped_steps);
    return append_line(writer, &line, error);
}

bool metrics_write_eval(struct metrics_writer *writer, const struct eval_metrics *record,
                        struct error *error)
{
    struct line line = {.text = "{", .size = 1};
    put_integer(&line, "step", record->step);
    put_key(&line, "eval");
    put_text(&line, "true");
    put_real(&line, "loss", record->loss);
    put_real(&line, "mlm_loss", record->mlm_loss);
    put_real(&line, "perplexity", record->perplexity);
    put_real(&line, "mlm_accuracy", record->mlm_accuracy);
    if (writer->nsp) {
        put_real(&line, "nsp_loss", record->nsp_loss);
        put_real(&line, "nsp_accuracy", record->nsp_accuracy);
    }
    put_integer(&line, "predictions", record->predictions);
    if (writer->nsp)
        put_integer(&line, "pairs", record->pairs);
    put_real(&line, "seconds", record->seconds);
    return append_line(writer, &line, error);
}
