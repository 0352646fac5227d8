#include "data/corpus.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "data/line_reader.h"
#include "text/utf8.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum event {
    EVENT_LINE,  /* a line of text, not blank */
    EVENT_BREAK, /* what was read so far is a document; several in a row separate only once */
    EVENT_END,   /* behind the last file, which ended with a break */
};

struct corpus_reader {
    const struct corpus_files *files;
    bool strict;
    size_t opened;              /* files so far; the last of them is at hand */
    struct line_reader *source; /* of the file at hand, NULL between files */
    bool json_lines;

    json_t *record; /* the text of a record whose lines are at hand, NULL otherwise */
    const char *record_text;
    size_t record_left;

    const char *line; /* of the last EVENT_LINE */
    size_t line_size;
    struct buffer repaired; /* holds the line when its UTF-8 was not valid */

    bool line_waits;    /* it did not fit in the piece before */
    bool document_open; /* pieces of it were given out */
    struct buffer piece;
    struct corpus_counts counts;
};

struct corpus_reader *corpus_reader_open(const struct corpus_files *files, bool strict,
                                         struct error *error)
{
    struct corpus_reader *reader = allocate(1, sizeof *reader, error);
    if (!reader)
        return NULL;
    reader->files = files;
    reader->strict = strict;
    return reader;
}

void corpus_reader_close(struct corpus_reader *reader)
{
    if (!reader)
        return;
    json_decref(reader->record);
    line_reader_close(reader->source);
    buffer_free(&reader->repaired);
    buffer_free(&reader->piece);
    free(reader);
}

const struct corpus_counts *corpus_reader_counts(const struct corpus_reader *reader)
{
    return &reader->counts;
}

/* "FILE:LINE" of the line at hand; of a path that does not fit, the end, which tells more. */
static void name_place(const struct corpus_reader *reader, char *place, size_t size)
{
    enum { NUMBER = 24 };
    const char *path = reader->files->paths[reader->opened - 1];
    size_t length = strlen(path), room = size - NUMBER;
    unsigned long long number = line_reader_number(reader->source);
    const char *end = path;
    if (length > room)
        for (end += length - (room - 3); (*end & 0xC0) == 0x80;)
            end++; /* not in the middle of a character */
    snprintf(place, size, "%s%s:%llu", end > path ? "..." : "", end, number);
}

/* Puts the place of the line at hand before an error's message. */
static bool fail_at_line(const struct corpus_reader *reader, struct error *error)
{
    return fail_context(error, "%s:%llu", reader->files->paths[reader->opened - 1],
                        (unsigned long long)line_reader_number(reader->source));
}

/* ---- UTF-8 ---- */

static bool meet_invalid(struct corpus_reader *reader, size_t offset, struct error *error)
{
    struct corpus_counts *counts = &reader->counts;
    if (reader->strict) {
        fail_input(error, "invalid UTF-8 at byte %zu of the line: 0x%02X", offset + 1,
                   (unsigned char)reader->line[offset]);
        return fail_at_line(reader, error);
    }
    if (counts->invalid_utf8++ == 0)
        name_place(reader, counts->first_invalid, sizeof counts->first_invalid);
    return true;
}

/* Copies the line with U+FFFD for every maximal ill-formed subpart and puts the copy in its place.
 */
static bool repair_line(struct corpus_reader *reader, struct error *error)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    struct buffer *out = &reader->repaired;
    out->size = 0;
    for (size_t place = 0; place < reader->line_size;) {
        const char *rest = reader->line + place;
        size_t valid = utf8_valid_prefix(rest, reader->line_size - place);
        if (!buffer_append(out, rest, valid, error))
            return false;
        place += valid;
        if (place == reader->line_size)
            break;
        if (!meet_invalid(reader, place, error) ||
            !buffer_append(out, replacement, sizeof replacement - 1, error))
            return false;
        utf8_decode(reader->line, reader->line_size, &place);
    }
    reader->line = out->data;
    reader->line_size = out->size;
    return true;
}

static bool is_blank(const char *line, size_t size)
{
    size_t i = 0;
    while (i < size && strchr(" \t\r\v\f", line[i]) && line[i])
        i++;
    return i == size;
}

/* ---- JSON lines ---- */

/* The text of a record. Numbers are read as reals because a record may hold integers of more than
 * 64 bits; zero characters are allowed because normalization drops them, as it does in plain text.
 */
static json_t *parse_record(const struct corpus_reader *reader, struct error *error)
{
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL;
    json_error_t reason;
    json_t *record = json_loadb(reader->line, reader->line_size, flags, &reason);
    json_t *text = json_object_get(record, "text");
    if (!record)
        fail_input(error, "malformed JSON: %s", reason.text);
    else if (!json_is_object(record))
        fail_input(error, "no object; expected one with a string under \"text\"");
    else if (!text)
        fail_input(error, "the record has no \"text\"");
    else if (!json_is_string(text))
        fail_input(error, "\"text\" is no string");
    bool usable = json_is_string(text);
    if (usable)
        json_incref(text);
    json_decref(record);
    return usable ? text : NULL;
}

static bool open_record(struct corpus_reader *reader, struct error *error)
{
    reader->record = parse_record(reader, error);
    if (!reader->record)
        return fail_at_line(reader, error);
    reader->record_text = json_string_value(reader->record);
    reader->record_left = json_string_length(reader->record);
    return true;
}

/* The next line of the record's text, or a break behind the last one. */
static enum event next_record_line(struct corpus_reader *reader)
{
    while (reader->record_left) {
        const char *line = reader->record_text;
        const char *newline = memchr(line, '\n', reader->record_left);
        size_t size = newline ? (size_t)(newline - line) : reader->record_left;
        size_t taken = newline ? size + 1 : size;
        reader->record_text += taken;
        reader->record_left -= taken;
        if (size && line[size - 1] == '\r')
            size--;
        if (is_blank(line, size))
            continue;
        reader->line = line;
        reader->line_size = size;
        return EVENT_LINE;
    }
    json_decref(reader->record);
    reader->record = NULL;
    return EVENT_BREAK;
}

/* ---- files ---- */

static bool ends_in(const char *text, size_t size, const char *ending)
{
    size_t length = strlen(ending);
    return size >= length && memcmp(text + size - length, ending, length) == 0;
}

static bool is_json_lines(const char *path)
{
    static const char *const compressions[] = {".gz", ".zst", ".xz", ".bz2"};
    size_t size = strlen(path);
    for (size_t i = 0; i < sizeof compressions / sizeof *compressions; i++)
        if (ends_in(path, size, compressions[i]))
            return ends_in(path, size - strlen(compressions[i]), ".jsonl");
    return ends_in(path, size, ".jsonl");
}

static bool open_file(struct corpus_reader *reader, struct error *error)
{
    const char *path = reader->files->paths[reader->opened++];
    reader->json_lines = is_json_lines(path);
    reader->source = line_reader_open(path, error);
    return reader->source;
}

/* Reads a line of the file at hand; *end is true when there is none. */
static bool read_line(struct corpus_reader *reader, bool *end, struct error *error)
{
    if (!line_reader_next(reader->source, &reader->line, &reader->line_size, end, error))
        return false;
    if (*end) {
        line_reader_close(reader->source);
        reader->source = NULL;
        return true;
    }
    reader->counts.lines++;
    reader->counts.bytes += reader->line_size + 1;
    return utf8_valid_prefix(reader->line, reader->line_size) == reader->line_size ||
           repair_line(reader, error);
}

/* Reads on until something happens. */
static bool next_event(struct corpus_reader *reader, enum event *event, struct error *error)
{
    for (;;) {
        if (reader->record) {
            *event = next_record_line(reader);
            return true;
        }
        if (!reader->source) {
            *event = EVENT_END;
            if (reader->opened == reader->files->count)
                return true;
            if (!open_file(reader, error))
                return false;
        }
        bool end;
        if (!read_line(reader, &end, error))
            return false;
        bool blank = end || is_blank(reader->line, reader->line_size);
        if (end || !reader->json_lines) {
            *event = blank ? EVENT_BREAK : EVENT_LINE;
            return true;
        }
        if (!blank && !open_record(reader, error))
            return false;
    }
}

/* ---- pieces ---- */

static bool append_line(struct corpus_reader *reader, struct error *error)
{
    return (reader->piece.size == 0 || buffer_append(&reader->piece, "\n", 1, error)) &&
           buffer_append(&reader->piece, reader->line, reader->line_size, error);
}

static void give_piece(struct corpus_reader *reader, bool ends, struct corpus_piece *piece)
{
    *piece = (struct corpus_piece){
        .text = reader->piece.data,
        .size = reader->piece.size,
        .begins_document = !reader->document_open,
        .ends_document = ends,
    };
    reader->counts.documents += piece->begins_document;
    reader->document_open = !ends;
}

bool corpus_reader_next(struct corpus_reader *reader, size_t limit, struct corpus_piece *piece,
                        bool *end, struct error *error)
{
    struct buffer *text = &reader->piece;
    text->size = 0;
    *end = false;
    for (;;) {
        enum event event = EVENT_LINE;
        if (!reader->line_waits && !next_event(reader, &event, error))
            return false;
        reader->line_waits = false;
        if (event == EVENT_END) {
            *end = true;
            return true;
        }
        if (event == EVENT_BREAK && text->size) {
            give_piece(reader, true, piece);
            return true;
        }
        if (event == EVENT_BREAK)
            continue;
        if (text->size && text->size + 1 + reader->line_size > limit) {
            reader->line_waits = true;
            give_piece(reader, false, piece);
            return true;
        }
        if (!append_line(reader, error))
            return false;
    }
}
