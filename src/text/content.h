/* Recognizes the kind of a file by the bytes at its beginning, not by its name. */
#ifndef CLOZE_TEXT_CONTENT_H
#define CLOZE_TEXT_CONTENT_H

#include "base/error.h"
#include "text/text_form.h"

#include <stdbool.h>
#include <stddef.h>

/* The number of bytes of a file that are examined. The header of a tar archive takes only 512, but
 * more are needed to tell text in Latin-1 from data that are not text. */
enum { CONTENT_SAMPLE = 64 << 10 };

enum content_kind {
    CONTENT_TEXT,    /* UTF-8; some bytes may be invalid */
    CONTENT_JSON,    /* begins like an object, or like an array of objects or strings */
    CONTENT_TAR,     /* begins with the header of a tar archive */
    CONTENT_FOREIGN, /* everything else: it cannot be read as text */
};

struct content {
    enum content_kind kind;
    char what[96];       /* with CONTENT_FOREIGN: the kind in words, "a PNG image" */
    const char *remedy;  /* with CONTENT_FOREIGN: what the user can do about it */
    bool marked;         /* whether text is HTML or XML */
    enum text_form form; /* the form of other text */
    bool lone_cr;        /* whether text has CRs but no LF, as on a Mac before 2001 */
};

/* `size` is the size of the file or at least CONTENT_SAMPLE. The bytes must be decompressed:
 * compressed data are foreign. */
struct content content_recognize(const void *bytes, size_t size);

/* Checks that a file whose lines are to be read is text, JSON included. The error is ERROR_INPUT
 * and names the file and what it is. */
bool content_require_text(const struct content *content, const char *name, struct error *error);

/* Returns whether a later piece of a text, of CONTENT_SAMPLE bytes or more, is no longer text: it
 * has binary data, or an encoding that changes character sets by escape sequences. Then sets
 * *offset to the byte where that begins, and *content to its kind. Padding at the piece's end does
 * not count. Text is read at memory speed; bytes that are not UTF-8 do not count. */
bool content_is_broken(const void *bytes, size_t size, struct content *content, size_t *offset);

#endif
