#include "report/record_file.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/file_writer.h"
#include "base/min.h"

#include <string.h>

/* A record has some 400 bytes, so that a file of this size holds millions of them. */
#define FILE_LIMIT ((size_t)1 << 32)

/* ---- reading ---- */

/* Returns the record of the line, which the caller owns, and sets its step; NULL if it is no
 * record: not an object, or without an integer "step". */
static json_t *parse_record(struct record_line *line)
{
    json_t *record = json_loadb(line->text, line->size, JSON_REJECT_DUPLICATES, NULL);
    const json_t *value = json_object_get(record, "step");
    if (json_is_integer(value)) {
        line->step = json_integer_value(value);
        return record;
    }
    json_decref(record);
    return NULL;
}

static bool take_line(struct record_line *line, const char *path, record_taker *take, void *context,
                      struct error *error)
{
    json_t *record = parse_record(line);
    line->record = record;
    bool taken =
        record ? take(context, line, error)
               : fail_input(error,
                            "%s:%d: expected a JSON object with an integer \"step\"; found "
                            "\"%.*s\". Remove the line, or rename the file to start another",
                            path, line->number, (int)min_size(line->size - 1, 60), line->text);
    json_decref(record);
    return taken;
}

static bool take_lines(const struct buffer *text, const char *path, record_taker *take,
                       void *context, struct error *error)
{
    const char *end = text->data + text->size;
    struct record_line line = {.text = text->data};
    while (line.text < end) {
        const char *newline = memchr(line.text, '\n', (size_t)(end - line.text));
        if (!newline)
            return true; /* a torn record: a whole one ends with a newline */
        line.size = (size_t)(newline + 1 - line.text);
        line.number++;
        if (!take_line(&line, path, take, context, error))
            return false;
        line.text = newline + 1;
    }
    return true;
}

bool record_file_read(const char *path, record_taker *take, void *context, struct error *error)
{
    struct buffer text = {0};
    bool done = file_read(path, FILE_LIMIT, &text, error) &&
                (text.size == 0 || take_lines(&text, path, take, context, error));
    buffer_free(&text);
    return done;
}

/* ---- the records that are kept when a run is resumed ---- */

struct keeper {
    int64_t last_step;
    struct buffer kept;
};

static bool keep_record(void *context, const struct record_line *line, struct error *error)
{
    struct keeper *keeper = context;
    return line->step > keeper->last_step ||
           buffer_append(&keeper->kept, line->text, line->size, error);
}

/* Rewrites the file without the records after last_step, unless it is absent or has none. */
static bool cut_file(const char *path, int64_t last_step, struct error *error)
{
    if (!path_exists(path))
        return true;
    struct buffer text = {0};
    struct keeper keeper = {.last_step = last_step};
    bool done = file_read(path, FILE_LIMIT, &text, error) &&
                (text.size == 0 || take_lines(&text, path, keep_record, &keeper, error)) &&
                (keeper.kept.size == text.size ||
                 file_write(path, keeper.kept.data, keeper.kept.size, error));
    buffer_free(&text);
    buffer_free(&keeper.kept);
    return done;
}

bool record_file_open(struct append_file *file, const char *path, int64_t last_step,
                      struct error *error)
{
    *file = (struct append_file){.descriptor = -1};
    return cut_file(path, last_step, error) && append_file_open(file, path, false, error);
}
