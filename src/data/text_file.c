#include "data/text_file.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "data/json_reader.h"
#include "data/line_reader.h"
#include "data/tar_reader.h"
#include "data/text_name.h"
#include "text/content.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text_file {
    const char *path;
    struct text_field field;
    bool strict;
    struct text_notes *notes;
    struct byte_source *source;
    struct tar_reader *tar;     /* NULL if the file is not an archive */
    struct byte_source *member; /* the current member; NULL between members */
    struct buffer member_name;  /* "ARCHIVE:MEMBER" */

    /* The reader of the current text, a file or a member; the other is NULL, both between texts. */
    struct line_reader *lines;
    struct json_reader *json;

    bool in_record;        /* whether lines of the current record are left */
    struct json_text left; /* the rest of the record */
    uint64_t surrogates;   /* number of lone surrogates in the JSON so far */
};

/* ---- notes ---- */

/* Writes the path and `rest` to `place`; cuts the path at its beginning if they do not fit. */
static void set_place(char *place, size_t size, const char *path, const char *rest)
{
    size_t length = strlen(path), tail = strlen(rest);
    size_t room = size > tail + 4 ? size - tail - 1 : 4;
    const char *start = path;
    if (length > room)
        for (start += length - (room - 3); (*start & 0xC0) == 0x80;)
            start++; /* not in the middle of a character */
    snprintf(place, size, "%s%s%s", start > path ? "..." : "", start, rest);
}

void text_note_add(struct text_note *note, uint64_t count, const char *place)
{
    if (note->count == 0 && count)
        set_place(note->first, sizeof note->first, place, "");
    note->count += count;
}

static const char *name_of(const struct text_file *file)
{
    return file->member_name.size ? file->member_name.data : file->path;
}

void text_file_place(const struct text_file *file, char *place, size_t size)
{
    char number[32];
    uint64_t line = file->json    ? json_reader_line(file->json)
                    : file->lines ? line_reader_number(file->lines)
                                  : 0;
    snprintf(number, sizeof number, ":%llu", (unsigned long long)line);
    set_place(place, size, name_of(file), number);
}

/* ---- opening ---- */

static bool is_zeros(const char *bytes, size_t size)
{
    size_t i = 0;
    while (i < size && bytes[i] == 0)
        i++;
    return i == size;
}

/* Recognizes the contents of a source. A name of a tar archive must be right. */
static bool recognize(const struct text_file *file, struct byte_source *source,
                      struct text_name name, struct content *content, struct error *error)
{
    const void *bytes;
    size_t size;
    if (!byte_source_peek(source, &bytes, &size, error))
        return false;
    *content = content_recognize(bytes, size);
    if (name.tar && content->kind != CONTENT_TAR) {
        /* An archive without members is zeros. */
        if (!is_zeros(bytes, size))
            return fail_input(error,
                              "%s: the name is that of a tar archive, but the file is not one",
                              name_of(file));
        content->kind = CONTENT_TAR;
    }
    return true;
}

/* Opens the reader of a source: lines or JSON. */
static bool open_text(struct text_file *file, struct byte_source *source, struct text_name name,
                      const struct content *content, struct error *error)
{
    struct text_notes *notes = file->notes;
    const char *path = name_of(file);
    file->surrogates = 0;
    if (name.json || content->kind == CONTENT_JSON) {
        text_note_add(&notes->json_by_content, !name.json, path);
        file->json = json_reader_open(source, path, file->field, error);
        if (file->json && file->tar && !file->strict)
            json_reader_allow_no_text(file->json);
        return file->json != NULL;
    }
    bool marked = name.marked || content->marked;
    text_note_add(&notes->marked, marked, path);
    const enum text_form form = name.table ? FORM_TABLE : content->form;
    text_note_add(&notes->forms[form], !marked && form != FORM_PROSE, path);
    file->lines = line_reader_open(source, path, error);
    if (file->lines && content->lone_cr) {
        line_reader_end_in_cr(file->lines);
        text_note_add(&notes->lone_cr, 1, path);
    }
    return file->lines != NULL;
}

static bool open_source(struct text_file *file, struct error *error)
{
    struct text_name name = text_name_read(file->path);
    struct content content;
    file->source = byte_source_open(file->path, error);
    if (!file->source || !recognize(file, file->source, name, &content, error))
        return false;
    if (content.kind != CONTENT_TAR)
        return content_require_text(&content, file->path, error) &&
               open_text(file, file->source, name, &content, error);
    file->tar = tar_reader_open(byte_source_stream(file->source), error);
    return file->tar || fail_context(error, "%s", file->path);
}

struct text_file *text_file_open(const char *path, struct text_field field, bool strict,
                                 struct text_notes *notes, struct error *error)
{
    struct text_file *file = allocate(1, sizeof *file, error);
    if (!file)
        return NULL;
    file->path = path;
    file->field = field;
    file->strict = strict;
    file->notes = notes;
    if (open_source(file, error))
        return file;
    text_file_close(file);
    return NULL;
}

/* Closes the readers of one text. */
static void close_text(struct text_file *file)
{
    line_reader_close(file->lines);
    json_reader_close(file->json);
    byte_source_close(file->member);
    file->lines = NULL;
    file->json = NULL;
    file->member = NULL;
    file->in_record = false;
}

void text_file_close(struct text_file *file)
{
    if (!file)
        return;
    close_text(file);
    tar_reader_close(file->tar);
    byte_source_close(file->source);
    buffer_free(&file->member_name);
    free(file);
}

/* ---- members ---- */

static bool skip_member(struct text_file *file, const char *what, struct error *error)
{
    if (!buffer_print(&file->member_name, error, " (%s)", what))
        return false;
    text_note_add(&file->notes->skipped_members, 1, file->member_name.data);
    return true;
}

static bool open_member(struct text_file *file, enum tar_member kind, struct error *error)
{
    /* Without "ARCHIVE:", which is no part of the member's own name. */
    struct text_name name = text_name_read(file->member_name.data + strlen(file->path) + 1);
    struct content content;
    if (kind == TAR_OTHER)
        return true;
    if (kind == TAR_LINK)
        return skip_member(file, "a link", error);
    if (kind == TAR_HOLES)
        return skip_member(file, "a file with holes, which text does not have", error);
    if (name.metadata)
        return skip_member(file, "metadata of macOS", error);
    file->member =
        byte_source_open_stream(tar_reader_contents(file->tar), file->member_name.data, error);
    if (!file->member || !recognize(file, file->member, name, &content, error))
        return false;
    if (content.kind == CONTENT_TEXT || content.kind == CONTENT_JSON)
        return open_text(file, file->member, name, &content, error);
    close_text(file);
    return skip_member(
        file, content.kind == CONTENT_TAR ? "an archive in an archive" : content.what, error);
}

/* Opens the next member that is text; sets *end if there is none. */
static bool next_member(struct text_file *file, bool *end, struct error *error)
{
    *end = false;
    while (!file->lines && !file->json) {
        enum tar_member kind;
        const char *name;
        if (!tar_reader_next(file->tar, &kind, &name, error))
            return fail_context(error, "%s", file->path);
        *end = kind == TAR_END;
        if (*end)
            return true;
        file->member_name.size = 0;
        if (!buffer_print(&file->member_name, error, "%s:%s", file->path, name) ||
            !open_member(file, kind, error))
            return false;
    }
    return true;
}

/* ---- events ---- */

/* Returns the next line of the record that is not blank, or a break after the last one. */
static enum text_event next_record_line(struct text_file *file, const char **line, size_t *size)
{
    struct json_text *left = &file->left;
    while (left->size) {
        const char *newline = memchr(left->text, '\n', left->size);
        *line = left->text;
        *size = newline ? (size_t)(newline - left->text) : left->size;
        size_t taken = newline ? *size + 1 : *size;
        left->text += taken;
        left->size -= taken;
        if (*size && (*line)[*size - 1] == '\r')
            --*size;
        if (!line_is_blank(*line, *size))
            return TEXT_LINE;
    }
    file->in_record = false;
    return TEXT_BREAK;
}

static void note_surrogates(struct text_file *file)
{
    uint64_t surrogates = json_reader_surrogates(file->json);
    if (surrogates == file->surrogates)
        return;
    char place[256];
    text_file_place(file, place, sizeof place);
    text_note_add(&file->notes->surrogates, surrogates - file->surrogates, place);
    file->surrogates = surrogates;
}

static void note_empty(struct text_file *file)
{
    if (!file->left.is_empty)
        return;
    char place[256];
    text_file_place(file, place, sizeof place);
    text_note_add(&file->notes->empty_records, 1, place);
    file->notes->null_records += file->left.is_null;
}

static bool skip_without_text(struct text_file *file, struct error *error)
{
    struct buffer what = {0};
    bool done = buffer_print(&what, error, "no record has a text in \"%.60s\"", file->field.name) &&
                skip_member(file, what.data, error);
    buffer_free(&what);
    return done;
}

static bool next_json_event(struct text_file *file, enum text_event *event, const char **line,
                            size_t *size, struct error *error)
{
    bool end = false;
    do {
        if (!file->in_record) {
            if (!json_reader_next(file->json, &file->left, &end, error))
                return false;
            file->in_record = !end;
            note_surrogates(file);
            if (!end)
                note_empty(file);
            else if (json_reader_had_no_text(file->json) && !skip_without_text(file, error))
                return false;
        }
        *event = end ? TEXT_END : next_record_line(file, line, size);
        /* No break follows a part of a record. */
    } while (*event == TEXT_BREAK && !file->left.ends_record);
    return true;
}

bool text_file_leave_member(struct text_file *file, const char *place, const char *what,
                            struct error *error)
{
    struct buffer note = {0};
    if (!file->tar || file->strict ||
        !buffer_print(&note, error, "%s (%s from here on)", place, what))
        return false;
    text_note_add(&file->notes->skipped_members, 1, note.data);
    buffer_free(&note);
    close_text(file);
    return true;
}

/* Handles a failure of line_reader_next: if foreign content follows the lines of a member, skips
 * the rest of the member, clears the error and returns true. */
static bool leave_foreign_rest(struct text_file *file, struct error *error)
{
    uint64_t line;
    char number[32], place[256];
    const char *what = line_reader_foreign_content(file->lines, &line);
    struct error failure = *error;
    if (!what)
        return false;
    snprintf(number, sizeof number, ":%llu", (unsigned long long)line);
    set_place(place, sizeof place, name_of(file), number);
    *error = (struct error){0};
    if (text_file_leave_member(file, place, what, error))
        return true;
    *error = error->kind == ERROR_NONE ? failure : *error;
    return false;
}

static bool next_plain_event(struct text_file *file, enum text_event *event, const char **line,
                             size_t *size, struct error *error)
{
    bool end = true;
    if (!line_reader_next(file->lines, line, size, &end, error) && !leave_foreign_rest(file, error))
        return false;
    *event = end ? TEXT_END : line_is_blank(*line, *size) ? TEXT_BLANK : TEXT_LINE;
    return true;
}

bool text_file_next(struct text_file *file, enum text_event *event, const char **line, size_t *size,
                    struct error *error)
{
    if (!file->lines && !file->json) {
        bool end = true;
        *event = TEXT_END;
        if (file->tar && !next_member(file, &end, error))
            return false;
        if (end)
            return true;
    }
    if (file->json ? !next_json_event(file, event, line, size, error)
                   : !next_plain_event(file, event, line, size, error))
        return false;
    if (*event == TEXT_END) {
        close_text(file);
        *event = TEXT_LAST;
    }
    return true;
}

/* Returns how many bytes have been read but not returned, as they are in the file's contents: a
 * member may be compressed itself. */
static double bytes_ahead(const struct text_file *file)
{
    const double ahead = file->lines  ? (double)line_reader_ahead(file->lines)
                         : file->json ? (double)json_reader_ahead(file->json)
                                      : 0;
    const double unpacked = file->member ? (double)byte_source_delivered(file->member) : 0;
    return unpacked > 0 ? ahead * (double)tar_reader_taken(file->tar) / unpacked : ahead;
}

uint64_t text_file_position(const struct text_file *file)
{
    const double read = (double)byte_source_position(file->source);
    const double delivered = (double)byte_source_delivered(file->source);
    const double ahead = bytes_ahead(file);
    return ahead < delivered ? (uint64_t)(read * (1 - ahead / delivered)) : 0;
}
