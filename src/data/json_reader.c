#include "data/json_reader.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "data/json_bytes.h"
#include "data/line_reader.h"

#include <stdlib.h>
#include <string.h>

/* What stands under the field. */
enum found { FOUND_NOTHING, FOUND_STRING, FOUND_NULL, FOUND_OTHER };

struct json_reader {
    struct json_bytes bytes;
    struct text_field field;
    bool started;  /* past the beginning of the file */
    bool in_array; /* of records, which began the file; */
    bool any;      /* had some of them */

    bool in_text; /* within the string that is the text; */
    bool bare;    /* it is the record itself; */
    bool parts;   /* a part of it was given out */
    enum found found;
    const char *found_kind; /* of FOUND_OTHER: "a number" */
    bool any_member;
    uint32_t high; /* half of a surrogate pair whose other half is due, or 0 */
    uint64_t surrogates;

    struct buffer text;
    size_t given;            /* of the text: the next call drops it */
    bool may_be_other;       /* until a record has a text; */
    struct error other;      /* what is wrong with the first that has none */
    struct buffer key, keys; /* the last one; those of the record, for a message */
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

void json_reader_expect_other(struct json_reader *reader)
{
    reader->may_be_other = true;
}

bool json_reader_was_other(const struct json_reader *reader)
{
    return reader->may_be_other && reader->other.kind != ERROR_NONE;
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

/* Writes the replacement of a half whose other half did not come. */
static bool settle_surrogate(struct json_reader *reader, struct buffer *out, struct error *error)
{
    if (!reader->high)
        return true;
    reader->high = 0;
    reader->surrogates += out == &reader->text;
    return buffer_append(out, "\xEF\xBF\xBD", 3, error);
}

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

/* Past what follows a backslash. */
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

/* Appends what stands in the block up to the next quote, backslash or control character. */
static bool read_run(struct json_reader *reader, struct buffer *out, struct error *error)
{
    const unsigned char *start = reader->bytes.next, *end = start;
    while (end < reader->bytes.end && *end != '"' && *end != '\\' && *end >= ' ')
        end++;
    reader->bytes.next = end;
    return end == start || (settle_surrogate(reader, out, error) &&
                            buffer_append(out, start, (size_t)(end - start), error));
}

/* Reads on in a string, past its last quote (*closed) or until `out` holds `limit` bytes. */
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
        if (byte == '\\' ? !read_escape(reader, out, error) : !read_run(reader, out, error))
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

/* Remembers the key for the message that the field is missing, if it can be shown there. */
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

/* Past a key of the record and its colon, as far as it can be the field. */
static bool read_key(struct json_reader *reader, struct error *error)
{
    if (json_bytes_skip_space(&reader->bytes, error) != '"')
        return json_bytes_fail(&reader->bytes, "a key or '}'", error);
    reader->bytes.next++;
    reader->key.size = 0;
    for (bool closed = false; !closed;) {
        /* Of a key of many megabytes the beginning is enough: it is not the field. */
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

/* Begins with the text, whose quote is the next byte. */
static void enter_text(struct json_reader *reader)
{
    reader->bytes.next++;
    reader->text.size = 0;
    reader->in_text = true;
    reader->found = FOUND_STRING;
}

/* Past the value under a key; of the text only its beginning. */
static bool read_value(struct json_reader *reader, struct error *error)
{
    int byte = json_bytes_skip_space(&reader->bytes, error);
    if (!is_field(reader))
        return json_bytes_skip_value(&reader->bytes, error);
    if (reader->parts) {
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
    reader->text.size = 0; /* of the same field before */
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
        fail_input(error, "the \"%s\" field is not a string but %s", reader->field.name,
                   reader->found_kind);
    else
        fail_input(error, "this JSON object has no \"%s\" field but %s%s%s", reader->field.name,
                   reader->keys.size ? reader->keys.data : "no other either",
                   reader->field.option ? "; name the field with the text: " : "",
                   reader->field.option ? reader->field.option : "");
    return fail_record(reader, error);
}

/* Whether a record may be passed over that is no text, which the error says; then there is no
 * error. */
static bool pass_over(struct json_reader *reader, bool text, struct error *error)
{
    if (text || !reader->may_be_other)
        return text;
    if (reader->other.kind == ERROR_NONE)
        reader->other = *error;
    *error = (struct error){0};
    return true;
}

/* ---- the file ---- */

/* Before the first record: the byte order mark, and the bracket of an array. */
static bool begin_file(struct json_reader *reader, struct error *error)
{
    struct json_bytes *bytes = &reader->bytes;
    reader->started = true;
    if (json_bytes_peek(bytes, error) == 0xEF) /* the start of a file is one block */
        bytes->next +=
            bytes->end - bytes->next >= 3 && memcmp(bytes->next, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    reader->in_array = json_bytes_skip_space(bytes, error) == '[';
    if (reader->in_array)
        bytes->next++;
    return !bytes->failed;
}

/* Past what stands between records; the byte that the next one begins with. RFC 7464 puts 0x1E
 * before each. */
static int skip_between(struct json_reader *reader, struct error *error)
{
    int byte = json_bytes_skip_space(&reader->bytes, error);
    while (byte == 0x1E && !reader->in_array) {
        reader->bytes.next++;
        byte = json_bytes_skip_space(&reader->bytes, error);
    }
    return byte;
}

/* Finds the next record; *end if there is none. */
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
        reader->field.name = NULL; /* nothing may follow */
        byte = skip_between(reader, error);
        bytes->record_line = bytes->line;
    } else if (reader->in_array && reader->any) {
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

/* A record that is neither an object nor a string. */
static bool take_other_value(struct json_reader *reader, int byte, struct error *error)
{
    reader->bare = true;
    fail_input(error, "found %s; expected a JSON object with a \"%s\" field", kind_of(byte),
               reader->field.name);
    return pass_over(reader, fail_record(reader, error), error) &&
           json_bytes_skip_value(&reader->bytes, error);
}

static bool begin_record(struct json_reader *reader, bool *end, struct error *error)
{
    struct json_bytes *bytes = &reader->bytes;
    if (!find_record(reader, end, error) || *end)
        return !bytes->failed && *end;
    reader->any = true;
    reader->bare = reader->in_text = reader->parts = reader->any_member = false;
    reader->found = FOUND_NOTHING;
    reader->keys.size = reader->text.size = reader->given = 0;
    int byte = json_bytes_peek(bytes, error);
    if (byte == '"') {
        enter_text(reader);
        reader->bare = true;
    } else if (byte == '{')
        bytes->next++;
    else if (byte == '[' || (byte > 0 && strchr("-0123456789tfnNI", byte)))
        return take_other_value(reader, byte, error);
    else
        return json_bytes_fail(bytes, "an object", error);
    return true;
}

/* Gives out the lines that the text has so far: it is too long to be held as a whole. */
static bool give_part(struct json_reader *reader, struct json_text *text, struct error *error)
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
    reader->parts = true;
    reader->given = size;
    *text = (struct json_text){.text = text_start, .size = size};
    return true;
}

/* Drops what was given out. */
static void drop_part(struct json_reader *reader)
{
    struct buffer *text = &reader->text;
    text->size -= reader->given;
    if (reader->given && text->size)
        memmove(text->data, text->data + reader->given, text->size);
    reader->given = 0;
}

/* The next record, which may turn out not to have a text. */
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
            return give_part(reader, text, error);
        reader->in_text = false;
    }
    if (!pass_over(reader, check_record(reader, error), error))
        return false;
    *text = (struct json_text){
        .text = reader->text.data,
        .size = reader->text.size,
        .ends_record = true,
        .is_empty = reader->text.size == 0 && !reader->parts,
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
    if (*end || !reader->may_be_other)
        return true;
    reader->may_be_other = false;
    if (reader->other.kind == ERROR_NONE)
        return true;
    *error = reader->other;
    return false;
}
