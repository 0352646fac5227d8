#include "data/corpus.h"

#include "base/buffer.h"
#include "base/format.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/content.h"

#include <stdlib.h>
#include <string.h>

/* Counts over consecutive lines of a text, by which text in another encoding is recognized. */
struct window {
    uint64_t size;    /* number of bytes */
    uint64_t invalid; /* number of sequences that are not UTF-8 */
    char first[256];  /* "FILE:LINE" of the first of them */
};

struct corpus_reader {
    const struct corpus_files *files;
    struct text_field text_field;
    bool strict;
    size_t opened;          /* number of files opened so far */
    uint64_t closed;        /* bytes of the files before the current one */
    struct text_file *file; /* the current file; NULL between files */

    const char *line; /* the last line */
    size_t line_size;
    struct buffer repaired;         /* memory of a line whose UTF-8 was not valid */
    struct window previous, window; /* the last complete window of the text, and the current one */

    bool blank;         /* whether the last line was blank */
    bool line_pending;  /* whether the last line did not fit in the last piece */
    bool document_open; /* whether pieces of the current document have been returned */
    struct buffer piece;
    struct corpus_counts counts;
};

struct corpus_reader *corpus_reader_open(const struct corpus_files *files,
                                         struct text_field text_field, bool strict,
                                         struct error *error)
{
    struct corpus_reader *reader = allocate(1, sizeof *reader, error);
    if (!reader)
        return NULL;
    reader->files = files;
    reader->text_field = text_field;
    if (!text_field.name)
        reader->text_field.name = CORPUS_TEXT_FIELD;
    reader->strict = strict;
    return reader;
}

void corpus_reader_close(struct corpus_reader *reader)
{
    if (!reader)
        return;
    text_file_close(reader->file);
    buffer_free(&reader->repaired);
    buffer_free(&reader->piece);
    free(reader);
}

const struct corpus_counts *corpus_reader_counts(const struct corpus_reader *reader)
{
    return &reader->counts;
}

uint64_t corpus_reader_position(const struct corpus_reader *reader)
{
    return reader->closed + (reader->file ? text_file_position(reader->file) : 0);
}

/* Puts the place of the last line before an error's message. */
static bool fail_at_line(const struct corpus_reader *reader, struct error *error)
{
    char place[1024];
    text_file_place(reader->file, place, sizeof place);
    return fail_context(error, "%s", place);
}

/* ---- counts ---- */

static void add_note(struct text_note *sum, const struct text_note *note)
{
    text_note_add(sum, note->count, note->first);
}

void corpus_counts_add(struct corpus_counts *sum, const struct corpus_counts *counts)
{
    if (sum->invalid_utf8 == 0)
        memcpy(sum->first_invalid, counts->first_invalid, sizeof sum->first_invalid);
    sum->bytes += counts->bytes;
    sum->lines += counts->lines;
    sum->documents += counts->documents;
    sum->paragraphs += counts->paragraphs;
    sum->invalid_utf8 += counts->invalid_utf8;
    add_note(&sum->notes.skipped_members, &counts->notes.skipped_members);
    add_note(&sum->notes.json_by_content, &counts->notes.json_by_content);
    add_note(&sum->notes.marked, &counts->notes.marked);
    for (int form = 0; form < FORM_COUNT; form++)
        add_note(&sum->notes.forms[form], &counts->notes.forms[form]);
    add_note(&sum->notes.lone_cr, &counts->notes.lone_cr);
    add_note(&sum->notes.empty_records, &counts->notes.empty_records);
    sum->notes.null_records += counts->notes.null_records;
    add_note(&sum->notes.surrogates, &counts->notes.surrogates);
}

static void log_form(enum text_form form, const struct text_note *note, struct log *log)
{
    if (note->count)
        log_warning(log, "%s read as text in %s file%s, the first:\n  %s\n  %s",
                    text_form_what(form), format_count(note->count).text, plural(note->count),
                    note->first, text_form_remedy(form));
}

void corpus_counts_log(const struct corpus_counts *counts, struct log *log)
{
    const struct text_notes *notes = &counts->notes;
    if (notes->json_by_content.count)
        log_line(log, "read as JSON by their contents: %s file%s, the first:\n  %s",
                 format_count(notes->json_by_content.count).text,
                 plural(notes->json_by_content.count), notes->json_by_content.first);
    if (notes->skipped_members.count)
        log_warning(log, "skipped %s member%s of archives, the first:\n  %s",
                    format_count(notes->skipped_members.count).text,
                    plural(notes->skipped_members.count), notes->skipped_members.first);
    if (notes->marked.count)
        log_warning(log, "markup is read as text in %s file%s, the first:\n  %s",
                    format_count(notes->marked.count).text, plural(notes->marked.count),
                    notes->marked.first);
    for (enum text_form form = FORM_PROSE; form < FORM_COUNT; form++)
        log_form(form, &notes->forms[form], log);
    if (notes->lone_cr.count)
        log_line(log, "CR ends lines, up to the first LF, in %s file%s, the first:\n  %s",
                 format_count(notes->lone_cr.count).text, plural(notes->lone_cr.count),
                 notes->lone_cr.first);
    if (notes->empty_records.count)
        log_warning(log, "%s JSON record%s without text (%s null), the first:\n  %s",
                    format_count(notes->empty_records.count).text,
                    plural(notes->empty_records.count), format_count(notes->null_records).text,
                    notes->empty_records.first);
    if (notes->surrogates.count)
        log_warning(log, "replaced %s lone surrogate%s of JSON\n  the first is at %s",
                    format_count(notes->surrogates.count).text, plural(notes->surrogates.count),
                    notes->surrogates.first);
    if (counts->invalid_utf8)
        log_warning(log,
                    "replaced %s invalid character%s (%.3g %% of the text); is the text UTF-8?\n"
                    "  the first is at %s",
                    format_count(counts->invalid_utf8).text, plural(counts->invalid_utf8),
                    100.0 * (double)counts->invalid_utf8 / (double)counts->bytes,
                    counts->first_invalid);
}

/* ---- UTF-8 ---- */

static bool meet_invalid(struct corpus_reader *reader, size_t offset, struct error *error)
{
    struct corpus_counts *counts = &reader->counts;
    struct window *window = &reader->window;
    if (window->invalid++ == 0)
        text_file_place(reader->file, window->first, sizeof window->first);
    if (reader->strict) {
        fail_input(error, "invalid UTF-8 at byte %zu of the line: 0x%02X", offset + 1,
                   (unsigned char)reader->line[offset]);
        return fail_at_line(reader, error);
    }
    if (counts->invalid_utf8++ == 0)
        text_file_place(reader->file, counts->first_invalid, sizeof counts->first_invalid);
    return true;
}

/* Replaces the line by a copy with U+FFFD for every maximal ill-formed subpart. */
static bool repair_line(struct corpus_reader *reader, struct error *error)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    struct buffer *out = &reader->repaired;
    out->size = 0;
    for (size_t offset = 0; offset < reader->line_size;) {
        const char *rest = reader->line + offset;
        size_t valid = utf8_valid_prefix(rest, reader->line_size - offset);
        if (!buffer_append(out, rest, valid, error))
            return false;
        offset += valid;
        if (offset == reader->line_size)
            break;
        if (!meet_invalid(reader, offset, error) ||
            !buffer_append(out, replacement, sizeof replacement - 1, error))
            return false;
        utf8_decode(reader->line, reader->line_size, &offset);
    }
    reader->line = out->data;
    reader->line_size = out->size;
    return true;
}

/* ---- files ---- */

static bool open_file(struct corpus_reader *reader, struct error *error)
{
    const char *path = reader->files->paths[reader->opened++];
    reader->file =
        text_file_open(path, reader->text_field, reader->strict, &reader->counts.notes, error);
    return reader->file != NULL;
}

static bool fail_null(const struct corpus_reader *reader, struct error *error)
{
    fail_input(error, "the \"%s\" field is null, not a string", reader->text_field.name);
    return fail_at_line(reader, error);
}

/* Returns whether the window has more invalid UTF-8 than a text may have; the limit is the same as
 * for the beginning of a file (text/content.c). */
static bool is_foreign(const struct window *window)
{
    return window->invalid >= 16 && window->invalid > window->size / 4;
}

/* Skips the rest of a member of an archive; foreign content outside an archive is an error. */
static bool leave_foreign(struct corpus_reader *reader, const struct window *window,
                          struct error *error)
{
    static const char what[] = "text in another encoding or binary data";
    if (text_file_leave_member(reader->file, window->first, what, error))
        return true;
    return error->kind == ERROR_NONE &&
           fail_input(error,
                      "%s: is %s from here on (%.0f %% of %llu bytes are not UTF-8); convert it or "
                      "leave it out",
                      window->first, what, 100.0 * (double)window->invalid / (double)window->size,
                      (unsigned long long)window->size);
}

/* Ends the window and sets *left if it is foreign, so that the member was left. A window that is
 * shorter than CONTENT_SAMPLE is judged together with the previous one. */
static bool close_window(struct corpus_reader *reader, bool *left, struct error *error)
{
    struct window judged = reader->window;
    if (judged.size < CONTENT_SAMPLE) {
        judged.size += reader->previous.size;
        judged.invalid += reader->previous.invalid;
    }
    reader->previous = reader->window;
    reader->window = (struct window){0};
    *left = is_foreign(&judged);
    return !*left || leave_foreign(reader, &judged, error);
}

static bool take_line(struct corpus_reader *reader, struct error *error)
{
    reader->window.size += reader->line_size + 1;
    reader->counts.lines++;
    reader->counts.bytes += reader->line_size + 1;
    if (reader->strict && reader->counts.notes.surrogates.count) {
        fail_input(error, "the \"%s\" field has a lone surrogate", reader->text_field.name);
        return fail_at_line(reader, error);
    }
    return utf8_valid_prefix(reader->line, reader->line_size) == reader->line_size ||
           repair_line(reader, error);
}

/* Handles the event and maps it to TEXT_LINE, TEXT_BREAK or TEXT_END. */
static bool take_event(struct corpus_reader *reader, enum text_event *event, struct error *error)
{
    bool left = false;
    if ((*event == TEXT_LAST || reader->window.size >= CONTENT_SAMPLE) &&
        !close_window(reader, &left, error))
        return false;
    if (*event == TEXT_LAST || left) {
        reader->previous = reader->window = (struct window){0};
        *event = TEXT_BREAK;
    }
    if (*event != TEXT_LINE && *event != TEXT_BLANK)
        return true;
    reader->blank = *event == TEXT_BLANK;
    *event = reader->blank ? TEXT_BREAK : TEXT_LINE;
    return take_line(reader, error);
}

/* Returns the next event: TEXT_LINE, TEXT_BREAK, or TEXT_END after the last file. */
static bool next_event(struct corpus_reader *reader, enum text_event *event, struct error *error)
{
    for (;;) {
        if (!reader->file) {
            *event = TEXT_END;
            if (reader->opened == reader->files->count)
                return true;
            if (!open_file(reader, error))
                return false;
        }
        if (!text_file_next(reader->file, event, &reader->line, &reader->line_size, error))
            return false;
        if (reader->strict && reader->counts.notes.null_records)
            return fail_null(reader, error);
        if (!take_event(reader, event, error))
            return false;
        if (*event != TEXT_END)
            return true;
        reader->closed += text_file_position(reader->file);
        text_file_close(reader->file);
        reader->file = NULL;
    }
}

/* ---- pieces ---- */

static bool append_line(struct corpus_reader *reader, struct error *error)
{
    return (reader->piece.size == 0 || buffer_append(&reader->piece, "\n", 1, error)) &&
           buffer_append(&reader->piece, reader->line, reader->line_size, error);
}

static void set_piece(struct corpus_reader *reader, bool ends, struct corpus_piece *piece)
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
        enum text_event event = TEXT_LINE;
        if (!reader->line_pending && !next_event(reader, &event, error))
            return false;
        reader->line_pending = false;
        if (event == TEXT_END) {
            *end = true;
            return true;
        }
        if (event == TEXT_BREAK && text->size) {
            reader->counts.paragraphs += reader->blank;
            set_piece(reader, true, piece);
            return true;
        }
        if (event == TEXT_BREAK)
            continue;
        if (text->size && text->size + 1 + reader->line_size > limit) {
            reader->line_pending = true;
            set_piece(reader, false, piece);
            return true;
        }
        if (!append_line(reader, error))
            return false;
    }
}
