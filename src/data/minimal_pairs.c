#include "data/minimal_pairs.h"

#include "base/json.h"
#include "base/memory.h"
#include "data/byte_source.h"
#include "data/line_reader.h"
#include "text/content.h"

#include <stdlib.h>

struct minimal_pairs {
    const char *path;
    struct byte_source *source;
    struct line_reader *lines;
    json_t *record; /* of the current pair */
};

/* Opens the reader of lines if the file is text. */
static bool open_lines(struct minimal_pairs *reader, struct error *error)
{
    const void *bytes;
    size_t size;
    if (!byte_source_peek(reader->source, &bytes, &size, error))
        return false;
    const struct content content = content_recognize(bytes, size);
    if (content.kind == CONTENT_TAR)
        return fail_input(error, "%s: is a tar archive, not JSON lines; unpack it first",
                          reader->path);
    if (content.kind == CONTENT_FOREIGN)
        return fail_input(error, "%s: is %s, not JSON lines; %s", reader->path, content.what,
                          content.remedy);
    reader->lines = line_reader_open(reader->source, reader->path, error);
    if (reader->lines && content.lone_cr)
        line_reader_end_in_cr(reader->lines);
    return reader->lines;
}

struct minimal_pairs *minimal_pairs_open(const char *path, struct error *error)
{
    struct minimal_pairs *reader = allocate(1, sizeof *reader, error);
    if (!reader)
        return NULL;
    reader->path = path;
    reader->source = byte_source_open(path, error);
    if (!reader->source || !open_lines(reader, error)) {
        minimal_pairs_close(reader);
        return NULL;
    }
    return reader;
}

void minimal_pairs_close(struct minimal_pairs *reader)
{
    if (!reader)
        return;
    json_decref(reader->record);
    line_reader_close(reader->lines);
    byte_source_close(reader->source);
    free(reader);
}

static unsigned long long line_of(const struct minimal_pairs *reader)
{
    return (unsigned long long)line_reader_number(reader->lines);
}

/* Sets *text to the string of a key; to NULL if the key is missing or null and not required. */
static bool get_text(const struct minimal_pairs *reader, const char *key, bool required,
                     const char **text, struct error *error)
{
    const json_t *value = json_object_get(reader->record, key);
    *text = json_string_value(value);
    if (*text || (!required && (!value || json_is_null(value))))
        return true;
    if (!value)
        return fail_input(error,
                          "%s:%llu: this JSON object has no \"%s\"; expected \"sentence_good\" "
                          "and \"sentence_bad\"",
                          reader->path, line_of(reader), key);
    return fail_input(error, "%s:%llu: the \"%s\" field is not a string but %s", reader->path,
                      line_of(reader), key, json_kind(value));
}

static bool parse(struct minimal_pairs *reader, const char *line, size_t size, struct error *error)
{
    json_error_t problem;
    if (!json_is_modest(line, size))
        return fail_input(error, "%s:%llu: holds more than %d JSON values", reader->path,
                          line_of(reader), JSON_MAX_VALUES);
    json_decref(reader->record);
    reader->record = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
    if (!reader->record)
        return fail_input(error,
                          "%s:%llu: is not JSON (%s); expected an object with \"sentence_good\" "
                          "and \"sentence_bad\"",
                          reader->path, line_of(reader), problem.text);
    return json_is_object(reader->record) ||
           fail_input(error,
                      "%s:%llu: found %s; expected a JSON object with \"sentence_good\" and "
                      "\"sentence_bad\"",
                      reader->path, line_of(reader), json_kind(reader->record));
}

bool minimal_pairs_next(struct minimal_pairs *reader, struct minimal_pair *pair, bool *end,
                        struct error *error)
{
    const char *line;
    size_t size;
    do {
        if (!line_reader_next(reader->lines, &line, &size, end, error))
            return false;
        if (*end)
            return true;
    } while (line_is_blank(line, size));
    pair->line = line_reader_number(reader->lines);
    return parse(reader, line, size, error) &&
           get_text(reader, "sentence_good", true, &pair->good, error) &&
           get_text(reader, "sentence_bad", true, &pair->bad, error) &&
           get_text(reader, "UID", false, &pair->uid, error) &&
           get_text(reader, "field", false, &pair->field, error);
}
