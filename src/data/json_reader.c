#include "data/json_reader.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "data/json_bytes.h"
#include "data/line_reader.h"

#include <stdlib.h>
#include <string.h>

/* The kind of value under the field in the current record. */
enum found { FOUND_NOTHING, FOUND_STRING, FOUND_NULL, FOUND_OTHER };

struct json_reader {
    struct json_bytes bytes;
    struct text_field field;
    bool started;    /* whether reading is past the beginning of the file */
    bool in_array;   /* whether the records are elements of an array */
    bool any_record; /* whether there were records */

    bool in_text;  /* whether the text of the current record has not been read to its end */
    bool bare;     /* whether the current record is not an object */
    bool in_parts; /* whether a part of its text has been returned */
    enum found found;
    const char *found_kind; /* the kind of value with FOUND_OTHER: "a number" */
    bool any_member;        /* whether the current record has had a member */
    uint32_t high;          /* the last \u escape, if it is half of a surrogate pair; otherwise 0 */
    uint64_t surrogates;    /* number of lone surrogates in texts */

    struct buffer text;
    size_t returned;      /* bytes at the beginning of `text` that the next call drops */
    bool no_text_allowed; /* whether records without a text are skipped; until a record has one */
    struct error no_text; /* the error of the first record without a text */
    struct buffer key;    /* the last key */
    struct buffer keys;   /* the keys of the current record, for a message */
};

struct json_reader *json_reader_open(struct byte_source *source, const char *name,
                                     struct text_field field, struct error *error)
{
    struct json_reader *reader = allocate(1, sizeof *reader, error);
    if (!reader)
        return NULL;
    reader->bytes =
        (struct json_bytes){.source = source, .name = name, .line = 1, .record_line = 1};
    reader->field = field;
    return reader;
}

void json_reader_close(struct json_reader *reader)
{
    if (!reader)
        return;
    free(reader->bytes.nesting);
    buffer_free(&reader->text);
    buffer_free(&reader->key);
    buffer_free(&reader->keys);
    free(reader);
}

size_t json_reader_ahead(const struct json_reader *reader)
{
    return (size_t)(reader->bytes.end - reader->bytes.next);
}

void json_reader_allow_no_text(struct json_reader *reader)
{
    reader->no_text_allowed = true;
}

bool json_reader_had_no_text(const struct json_reader *reader)
{
    return reader->no_text_allowed && reader->no_text.kind != ERROR_NONE;
}

uint64_t json_reader_line(const struct json_reader *reader)
{
    return reader->bytes.record_line;
}

uint64_t json_reader_surrogates(const struct json_reader *reader)
{
    return reader->surrogates;
}

/* ---- strings ---- */

/* Appends U+FFFD for half of a surrogate pair whose other half is missing. */
static bool settle_surrogate(struct json_reader *reader, struct buffer *out, struct error *error)
{
    if (!reader->high)
        return true;
    reader->high = 0;
    reader->surrogates += out == &reader->text;
    return buffer_append(out, "\xEF\xBF\xBD", 3, error);
}

/* Appends a UTF-16 code unit, or remembers it if it is the first half of a surrogate pair. */
static bool append_unit(struct json_reader *reader, uint32_t unit, struct buffer *out,
                        struct error *error)
{
    bool low = unit >= 0xDC00 && unit <= 0xDFFF, pair = low && reader->high;
    if (pair)
        unit = 0x10000 + ((reader->high - 0xD800) << 10) + (unit - 0xDC00);
    else if (!settle_surrogate(reader, out, error))
        return false;
    reader->high = 0;
    if (pair || unit < 0xD800 || unit > 0xDFFF) {
        char encoded[4];
        return buffer_append(out, encoded, utf8_encode(unit, encoded), error);
    }
    reader->high = unit;
    return !low || settle_surrogate(reader, out, error);
}

/* Moves past the bytes of an escape after its backslash and appends the character. */
static bool read_escape(struct json_reader *reader, struct buffer *out, struct error *error)
{
    static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    int byte = json_bytes_peek(&reader->bytes, error);
    if (byte == 'u') {
        uint32_t unit;
        reader->bytes.next++;
        return json_bytes_take_digits(&reader->bytes, &unit, error) &&
               append_unit(reader, unit, out, error);
    }
    const char *escape = byte > 0 ? strchr(escapes, byte) : NULL;
    if (!escape)
        return json_bytes_fail(&reader->bytes, "an escape of JSON", error);
    reader->bytes.next++;
    return settle_surrogate(reader, out, error) &&
           buffer_append(out, &meanings[escape - escapes], 1, error);
}

/* Appends the bytes of the block up to the next quote, backslash or control character. */
static bool read_plain(struct json_reader *reader, struct buffer *out, struct error *error)
{
    const unsigned char *start = reader->bytes.next, *end = start;
    while (end < reader->bytes.end && *end != '"' && *end != '\\' && *end >= ' ')
        end++;
    reader->bytes.next = end;
    return end == start || (settle_surrogate(reader, out, error) &&
                            buffer_append(out, start, (size_t)(end - start), error));
}

/* Continues to read a string, until `out` holds `limit` bytes or past the closing quote: then
 * *closed is true. */
static bool read_string(struct json_reader *reader, struct buffer *out, size_t limit, bool *closed,
                        struct error *error)
{
    *closed = false;
    while (out->size < limit) {
        int byte = json_bytes_peek(&reader->bytes, error);
        if (byte == JSON_END || (byte < ' ' && byte >= 0))
            return json_bytes_fail(&reader->bytes, "the end of a string", error);
        if (byte == '"') {
            reader->bytes.next++;
            *closed = true;
            return settle_surrogate(reader, out, error);
        }
        reader->bytes.next += byte == '\\';
        if (byte == '\\' ? !read_escape(reader, out, error) : !read_plain(reader, out, error))
            return false;
    }
    return true;
}

/* ---- records ---- */

static bool fail_record(const struct json_reader *reader, struct error *error)
{
    return fail_context(error, "%s:%llu", reader->bytes.name,
                        (unsigned long long)reader->bytes.record_line);
}

static const char *kind_of(int byte)
{
    return byte == '{'                  ? "an object"
           : byte == '['                ? "an array"
           : byte == 'n'                ? "null"
           : byte == 't' || byte == 'f' ? "true or false"
           : byte == '"'                ? "a string"
                                        : "a number";
}

/* Remembers the key for the message that the field is missing, if the message can show it. */
static bool note_key(struct json_reader *reader, struct error *error)
{
    enum { ROOM = 200 };
    const struct buffer *key = &reader->key;
    if (reader->keys.size > ROOM || key->size == 0 || key->size > ROOM / 4 ||
        utf8_valid_prefix(key->data, key->size) < key->size)
        return true;
    for (size_t i = 0; i < key->size; i++)
        if ((unsigned char)key->data[i] < ' ')
            return true;
    return buffer_print(&reader->keys, error, "%s\"%s\"", reader->keys.size ? ", " : "", key->data);
}

/* Reads a key of the record and moves past its colon. */
static bool read_key(struct json_reader *reader, struct error *error)
{
    if (json_bytes_skip_space(&reader->bytes, error) != '"')
        return json_bytes_fail(&reader->bytes, "a key or '}'", error);
    reader->bytes.next++;
    reader->key.size = 0;
    for (bool closed = false; !closed;) {
        /* The beginning of a key of many megabytes is enough: it is not the field. */
        if (reader->key.size > JSON_TEXT_LIMIT)
            reader->key.size = JSON_TEXT_LIMIT;
        if (!read_string(reader, &reader->key, JSON_TEXT_LIMIT + 1, &closed, error))
            return false;
    }
    return json_bytes_take(&reader->bytes, ':', "':'", error) && note_key(reader, error);
}

static bool is_field(const struct json_reader *reader)
{
    return reader->key.size == strlen(reader->field.name) &&
           (!reader->key.size ||
            memcmp(reader->key.data, reader->field.name, reader->key.size) == 0);
}

/* Begins the text, whose quote is the next byte. */
static void enter_text(struct json_reader *reader)
{
    reader->bytes.next++;
    reader->text.size = 0;
    reader->in_text = true;
    reader->found = FOUND_STRING;
}

/* Moves past the value of a key; of the text, only past its opening quote. */
static bool read_value(struct json_reader *reader, struct error *error)
{
    int byte = json_bytes_skip_space(&reader->bytes, error);
    if (!is_field(reader))
        return json_bytes_skip_value(&reader->bytes, error);
    if (reader->in_parts) {
        fail_input(error, "the \"%s\" field is repeated after a text of more than %d MiB",
                   reader->field.name, JSON_TEXT_LIMIT >> 20);
        return fail_record(reader, error);
    }
    if (byte == '"') {
        enter_text(reader);
        return true;
    }
    reader->found = byte == 'n' ? FOUND_NULL : FOUND_OTHER;
    reader->found_kind = kind_of(byte);
    reader->text.size = 0; /* drops the text of an earlier, repeated field */
    return json_bytes_skip_value(&reader->bytes, error);
}

/* Reads members until the text begins (in_text) or the record ends. */
static bool read_members(struct json_reader *reader, struct error *error)
{
    struct json_bytes *bytes = &reader->bytes;
    while (!reader->in_text) {
        int byte = json_bytes_skip_space(bytes, error);
        if (byte == '}') {
            bytes->next++;
            return true;
        }
        if (reader->any_member && !json_bytes_take(bytes, ',', "',' or '}'", error))
            return false;
        reader->any_member = true;
        if (!read_key(reader, error) || !read_value(reader, error))
            return false;
    }
    return true;
}

static bool has_text(const struct json_reader *reader)
{
    return reader->found == FOUND_STRING || reader->found == FOUND_NULL;
}

static bool check_record(const struct json_reader *reader, struct error *error)
{
    if (has_text(reader))
        return true;
    if (reader->found == FOUND_OTHER)
        fail_input(error, "the \"%s\" field is %s, not a string", reader->field.name,
                   reader->found_kind);
    else
        fail_input(error, "this JSON object has no \"%s\" field, %s%s%s%s", reader->field.name,
                   reader->keys.size ? "only " : "nor any other",
                   reader->keys.size ? reader->keys.data : "",
                   reader->field.option ? "; name the field with the text: " : "",
                   reader->field.option ? reader->field.option : "");
    return fail_record(reader, error);
}

/* Returns whether reading can go on after a record. If it has no text, *error is set; it is cleared
 * and remembered if the record is skipped. */
static bool skip_without_text(struct json_reader *reader, bool with_text, struct error *error)
{
    if (with_text || !reader->no_text_allowed)
        return with_text;
    if (reader->no_text.kind == ERROR_NONE)
        reader->no_text = *error;
    *error = (struct error){0};
    return true;
}

/* ---- the file ---- */

/* Moves past the byte order mark and the bracket of an array before the first record. */
static bool begin_file(struct json_reader *reader, struct error *error)
{
    struct json_bytes *bytes = &reader->bytes;
    reader->started = true;
    if (json_bytes_peek(bytes, error) == 0xEF) /* the first block has the whole mark */
        bytes->next +=
            bytes->end - bytes->next >= 3 && memcmp(bytes->next, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    reader->in_array = json_bytes_skip_space(bytes, error) == '[';
    if (reader->in_array)
        bytes->next++;
    return !bytes->failed;
}

/* Moves past white space between records, and past the 0x1E that RFC 7464 puts before each. Returns
 * the next byte. */
static int skip_between(struct json_reader *reader, struct error *error)
{
    int byte = json_bytes_skip_space(&reader->bytes, error);
    while (byte == 0x1E && !reader->in_array) {
        reader->bytes.next++;
        byte = json_bytes_skip_space(&reader->bytes, error);
    }
    return byte;
}

/* Moves to the next record; sets *end if there is none. */
static bool find_record(struct json_reader *reader, bool *end, struct error *error)
{
    struct json_bytes *bytes = &reader->bytes;
    if (!reader->started && !begin_file(reader, error))
        return false;
    int byte = skip_between(reader, error);
    bytes->record_line = bytes->line;
    if (reader->in_array && byte == ']') {
        bytes->next++;
        reader->in_array = false;
        reader->field.name = NULL; /* nothing may follow the array */
        byte = skip_between(reader, error);
        bytes->record_line = bytes->line;
    } else if (reader->in_array && reader->any_record) {
        if (!json_bytes_take(bytes, ',', "',' or ']'", error))
            return false;
        byte = skip_between(reader, error);
        bytes->record_line = bytes->line;
    }
    *end = byte == JSON_END && !reader->in_array;
    if (bytes->failed)
        return false;
    return *end || reader->field.name || json_bytes_fail(bytes, "the end of the file", error);
}

/* Skips a record that is neither an object nor a string, if that is allowed. */
static bool take_value_without_text(struct json_reader *reader, int byte, struct error *error)
{
    reader->bare = true;
    fail_input(error, "found %s; expected a JSON object with a \"%s\" field", kind_of(byte),
               reader->field.name);
    return skip_without_text(reader, fail_record(reader, error), error) &&
           json_bytes_skip_value(&reader->bytes, error);
}

static bool begin_record(struct json_reader *reader, bool *end, struct error *error)
{
    struct json_bytes *bytes = &reader->bytes;
    if (!find_record(reader, end, error) || *end)
        return !bytes->failed && *end;
    reader->any_record = true;
    reader->bare = reader->in_text = reader->in_parts = reader->any_member = false;
    reader->found = FOUND_NOTHING;
    reader->keys.size = reader->text.size = reader->returned = 0;
    int byte = json_bytes_peek(bytes, error);
    if (byte == '"') {
        enter_text(reader);
        reader->bare = true;
    } else if (byte == '{')
        bytes->next++;
    else if (byte == '[' || (byte > 0 && strchr("-0123456789tfnNI", byte)))
        return take_value_without_text(reader, byte, error);
    else
        return json_bytes_fail(bytes, "an object", error);
    return true;
}

/* Returns the lines that the text has so far, because it is too long to be held as a whole. */
static bool return_part(struct json_reader *reader, struct json_text *text, struct error *error)
{
    const char *text_start = reader->text.data;
    const char *newline = memrchr(text_start, '\n', JSON_TEXT_LIMIT + 1);
    size_t size =
        newline ? (size_t)(newline - text_start) + 1 : line_last_break(text_start, JSON_TEXT_LIMIT);
    if (!size) {
        fail_input(error,
                   "a line of the \"%s\" field is longer than %d MiB; put line breaks into it",
                   reader->field.name, JSON_TEXT_LIMIT >> 20);
        return fail_record(reader, error);
    }
    reader->in_parts = true;
    reader->returned = size;
    *text = (struct json_text){.text = text_start, .size = size};
    return true;
}

/* Drops the part of the text that has been returned. */
static void drop_part(struct json_reader *reader)
{
    struct buffer *text = &reader->text;
    text->size -= reader->returned;
    if (reader->returned && text->size)
        memmove(text->data, text->data + reader->returned, text->size);
    reader->returned = 0;
}

/* Reads the next record, which may have no text. */
static bool next_record(struct json_reader *reader, struct json_text *text, bool *end,
                        struct error *error)
{
    *end = false;
    if (!reader->in_text) {
        if (!begin_record(reader, end, error))
            return false;
        if (*end)
            return true;
    }
    drop_part(reader);
    for (bool closed; reader->in_text || !reader->bare;) {
        if (!reader->in_text && !read_members(reader, error))
            return false;
        if (!reader->in_text)
            break;
        if (!read_string(reader, &reader->text, JSON_TEXT_LIMIT + 1, &closed, error))
            return false;
        if (!closed)
            return return_part(reader, text, error);
        reader->in_text = false;
    }
    if (!skip_without_text(reader, check_record(reader, error), error))
        return false;
    *text = (struct json_text){
        .text = reader->text.data,
        .size = reader->text.size,
        .ends_record = true,
        .is_empty = reader->text.size == 0 && !reader->in_parts,
        .is_null = reader->found == FOUND_NULL,
    };
    return true;
}

bool json_reader_next(struct json_reader *reader, struct json_text *text, bool *end,
                      struct error *error)
{
    do
        if (!next_record(reader, text, end, error))
            return false;
    while (!*end && !has_text(reader));
    if (*end || !reader->no_text_allowed)
        return true;
    reader->no_text_allowed = false;
    if (reader->no_text.kind == ERROR_NONE)
        return true;
    *error = reader->no_text;
    return false;
}
