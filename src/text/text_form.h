/* Recognizes forms of plain text that have marks, such as commas between columns. A model would
 * learn these marks as if they were words. */
#ifndef CLOZE_TEXT_TEXT_FORM_H
#define CLOZE_TEXT_TEXT_FORM_H

#include <stddef.h>

enum text_form {
    FORM_PROSE,
    FORM_TABLE,            /* CSV, TSV */
    FORM_MAIL,             /* mail or news with headers: .eml, .mbox */
    FORM_SUBTITLES,        /* SubRip, WebVTT */
    FORM_DICTS,            /* printed dicts of Python */
    FORM_UTF7,             /* an encoding in ASCII, as are the next two */
    FORM_HZ,               /* an encoding of GB 2312 */
    FORM_QUOTED_PRINTABLE, /* an encoding of mail */
    FORM_ESCAPES,          /* escape sequences of terminals */
    FORM_ISO_2022,         /* text with a few escape sequences of ISO 2022 */
    FORM_COUNT,
};

/* Returns the form of a text, by its first 64 KiB or more. A text that only slightly resembles
 * another form is prose. */
enum text_form text_form_recognize(const char *text, size_t size);

/* text_form_what returns the subject of a message such as "mail with headers is read as text", with
 * its verb; text_form_remedy returns what the user can do about it. */
const char *text_form_what(enum text_form form);
const char *text_form_remedy(enum text_form form);

#endif
