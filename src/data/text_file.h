/* Reads a file of text as lines and the breaks between documents:
 *   plain text        blank lines and the end of the file are breaks;
 *   JSON              each record is a document (data/json_reader.h); recognized by its name
 *                     (data/text_name.h) or by its beginning;
 *   a tar archive     each regular member is read as a file of its own name; members that are not
 *                     text, links and the metadata of macOS are skipped and counted.
 * All of them, and the members of an archive, may be compressed (data/byte_source.h). A file that
 * is not text is an error with its kind and a remedy; in an archive the member, or the rest of it,
 * is skipped. */
#ifndef CLOZE_DATA_TEXT_FILE_H
#define CLOZE_DATA_TEXT_FILE_H

#include "base/error.h"
#include "data/json_reader.h"
#include "text/text_form.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The number of times that something happened, and the first place: a file, or a line of it. A long
 * place is cut at its beginning. */
struct text_note {
    uint64_t count;
    char first[256];
};

/* Decisions that the user should know about, over all files. */
struct text_notes {
    struct text_note skipped_members;   /* members of archives that were skipped */
    struct text_note json_by_content;   /* files recognized as JSON by their contents alone */
    struct text_note marked;            /* files with markup: HTML, XML */
    struct text_note forms[FORM_COUNT]; /* files with other forms of text, by content or name */
    struct text_note lone_cr;           /* files whose lines end in CR, up to their first LF */
    struct text_note empty_records;     /* JSON records whose text is "" or null */
    uint64_t null_records;              /* the number of them whose text is null */
    struct text_note surrogates;        /* lone surrogates in JSON, read as U+FFFD */
};

/* Adds to the count, and keeps the place if it is the first one. */
void text_note_add(struct text_note *note, uint64_t count, const char *place);

struct text_file;

/* field   the field of a JSON record that holds its text
 * strict  whether, in an archive, JSON in which no record has a text and a member that is no text
 *         from some place on are errors instead of being skipped
 * The path, the field and the notes must outlive the file. Returns NULL if the file is missing, is
 * not a regular file, cannot be read, or is not text. Errors begin with the path. */
struct text_file *text_file_open(const char *path, struct text_field field, bool strict,
                                 struct text_notes *notes, struct error *error);
void text_file_close(struct text_file *file); /* NULL is accepted */

enum text_event {
    TEXT_LINE,  /* a line that is not blank; it may have bytes that are not UTF-8 */
    TEXT_BLANK, /* a blank line, which is also a break */
    TEXT_BREAK, /* the end of a document; several in a row count as one */
    TEXT_LAST,  /* the break after the last line of the file or of a member of an archive */
    TEXT_END,   /* the end, after the last break */
};

/* Returns the next event. With a line, `line` and `size` are set; the line belongs to the file
 * until its next call. */
bool text_file_next(struct text_file *file, enum text_event *event, const char **line, size_t *size,
                    struct error *error);

/* Returns about how many compressed bytes the returned text came from: the mean ratio of the file's
 * compression is assumed throughout. Of a file that is not compressed these are its own bytes. */
uint64_t text_file_position(const struct text_file *file);

/* Skips the rest of a member that turned out to be no text, with a note of its kind, `what`, from
 * `place` on. Returns false and leaves *error alone if the text is not in an archive or with
 * `strict`: then the caller has to fail. Returns false and sets *error when memory is short. */
bool text_file_leave_member(struct text_file *file, const char *place, const char *what,
                            struct error *error);

/* Writes "FILE:LINE" of the last line, or "ARCHIVE:MEMBER:LINE" within an archive, to `place`; in
 * JSON the line is where the record begins. A path that does not fit is cut at its beginning. */
void text_file_place(const struct text_file *file, char *place, size_t size);

#endif
