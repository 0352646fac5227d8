/* Forms of plain text that have marks, such as commas between columns. The marks would be learned
 * as if they were words. */
#ifndef CLOZE_TEXT_TEXT_FORM_H
#define CLOZE_TEXT_TEXT_FORM_H

#include <stddef.h>

enum text_form {
    FORM_PROSE,
    FORM_TABLE,            /* CSV, TSV */
    FORM_MAIL,             /* with headers: .eml, .mbox, news */
    FORM_SUBTITLES,        /* SubRip, WebVTT */
    FORM_DICTS,            /* of Python, printed */
    FORM_UTF7,             /* four encodings that are ASCII */
    FORM_HZ,               /* GB 2312 */
    FORM_QUOTED_PRINTABLE, /* of mail */
    FORM_ESCAPES,          /* of terminals */
    FORM_ISO_2022,         /* a few escape sequences of it */
    FORM_COUNT,
};

/* By the beginning of a text: its first 64 KiB or more. What only looks a little like another form
 * is prose. */
enum text_form text_form_recognize(const char *text, size_t size);

/* "mail with headers is", to go before "read as text", and what to do about it. */
const char *text_form_what(enum text_form form);
const char *text_form_remedy(enum text_form form);

#endif
