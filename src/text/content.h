/* What the bytes at the beginning of a file are, whatever its name says. */
#ifndef CLOZE_TEXT_CONTENT_H
#define CLOZE_TEXT_CONTENT_H

#include "text/text_form.h"

#include <stdbool.h>
#include <stddef.h>

/* So many bytes of a file are looked at: two headers of a tar archive would do, but it takes more
 * text to tell Latin-1 from what is not text. */
enum { CONTENT_LOOK = 64 << 10 };

enum content_kind {
    CONTENT_TEXT,    /* UTF-8, perhaps with some bytes that are not */
    CONTENT_JSON,    /* begins as an object does, or as an array of objects or strings */
    CONTENT_TAR,     /* begins with the header of a tar archive */
    CONTENT_FOREIGN, /* everything else: not text that can be read */
};

struct content {
    enum content_kind kind;
    char what[96];       /* of what is foreign: "a PNG image" */
    const char *remedy;  /* and the way out */
    bool marked;         /* text in HTML or XML */
    enum text_form form; /* of other text */
    bool lone_cr;        /* of text: there are CRs and no LF, as on a Mac before 2001 */
};

/* size: the file's, or at least CONTENT_LOOK. Decompressed bytes: what is compressed is foreign. */
struct content content_recognize(const void *bytes, size_t size);

/* Whether a later piece of a text, of CONTENT_LOOK bytes or more, is no text: binary data, or an
 * encoding that changes character sets by escape sequences. Then *place is where that begins, and
 * content says what it is. Padding at the piece's end does not count. Reads the bytes at memory
 * speed as long as they are text; bytes that are not UTF-8 are not looked for. */
bool content_is_broken(const void *bytes, size_t size, struct content *content, size_t *place);

#endif
