/* A file of text, whatever it is packed in, as lines and the breaks between documents:
 *   plain text        blank lines and the end of the file break;
 *   JSON              a record is a document (data/json_reader.h): by the name (data/text_name.h),
 *                     or because the file begins as JSON does;
 *   a tar archive     each regular member is such a file, by its own name; members that are not
 *                     text, links and what macOS adds are skipped and counted.
 * Each may be compressed (data/byte_source.h), the members of an archive too. What is not text is
 * refused, with its kind and the way out; in an archive a member, or the rest of one, is
 * skipped. */
#ifndef CLOZE_DATA_TEXT_FILE_H
#define CLOZE_DATA_TEXT_FILE_H

#include "base/error.h"
#include "data/json_reader.h"
#include "text/text_form.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Something that happened, how often, and where first: a file, a line; of a long place the end. */
struct text_note {
    uint64_t count;
    char first[256];
};

/* What was decided without being asked for, over all files. */
struct text_notes {
    struct text_note skipped_members;   /* of archives */
    struct text_note json_by_content;   /* files that are JSON by their contents alone */
    struct text_note marked;            /* files with markup: HTML, XML */
    struct text_note tables;            /* files with columns: CSV, TSV */
    struct text_note forms[FORM_COUNT]; /* files with other forms of text than these two */
    struct text_note lone_cr;           /* files whose lines end in CR, up to their first LF */
    struct text_note empty_records;     /* of JSON, in which null or "" stands for the text; */
    uint64_t null_records;              /* null */
    struct text_note surrogates;        /* lone surrogates in JSON, read as U+FFFD */
};

/* Counts once more; the first time, the place is kept. */
void text_note_add(struct text_note *note, uint64_t count, const char *place);

struct text_file;

/* field: of a JSON record. In an archive, JSON in which no record has a text is skipped, with
 * `strict` an error. The path, the field and the notes must outlive the file. NULL if the
 * file is missing, not a regular file, not readable, or not text. Errors begin with the path. */
struct text_file *text_file_open(const char *path, struct text_field field, bool strict,
                                 struct text_notes *notes, struct error *error);
void text_file_close(struct text_file *file); /* NULL is accepted */

enum text_event {
    TEXT_LINE,  /* a line, not blank, perhaps not UTF-8 */
    TEXT_BLANK, /* a blank line; it breaks too */
    TEXT_BREAK, /* what was read so far is a document; several in a row separate only once */
    TEXT_LAST,  /* a break, after the last line of the file or of a member of an archive */
    TEXT_END,   /* after the last break */
};

/* The next event; line, size are out, and belong to the file until its next call. */
bool text_file_next(struct text_file *file, enum text_event *event, const char **line, size_t *size,
                    struct error *error);

/* Skips what is left of a member that turned out to be no text, with a note that says what follows
 * `place`. False, with *error left alone, in a file of its own and with `strict`: then the caller
 * fails; with *error set when memory is short. */
bool text_file_leave_member(struct text_file *file, const char *place, const char *what,
                            struct error *error);

/* "FILE:LINE" of the last line, "ARCHIVE:MEMBER:LINE" within an archive; in JSON the line where the
 * record begins. The path is cut at its beginning if it does not fit. */
void text_file_place(const struct text_file *file, char *place, size_t size);

#endif
