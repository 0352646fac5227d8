/* Text broken into lines of limited width: in bytes, or in columns of a terminal where said. */
#ifndef CLOZE_BASE_WRAP_H
#define CLOZE_BASE_WRAP_H

#include "base/buffer.h"

/* Returns the columns that a text of `size` bytes takes on a terminal: two for a wide character,
 * none for a combining one, one for a byte that is not UTF-8. */
int text_columns(const char *text, size_t size);

/* Appends the words of `text`, starting in column `column` (from 0), separated by one space. A word
 * that would pass column `width` starts a new line, indented by `indent`; one that is longer than a
 * line is left whole. What brackets enclose is one word. No newline at the end. */
bool wrap_words(struct buffer *out, const char *text, int column, int indent, int width,
                struct error *error);

/* Appends the text, its long lines broken at spaces: a line has up to `width` columns, one that
 * continues another is indented by 2, and a word that is longer than a line is left whole. From the
 * first line on that is indented, the text is a command or a path, which stays as it is.
 *
 * What a user may copy is one word, spaces or not: after ": " the rest of a line that begins with
 * "cloze " or "iconv " and is a single sentence; the path in "PATH: ..." and "cloze train: PATH:
 * ..." if it is absolute or shorter than a line; what quotes enclose; and an option with its
 * value. */
bool wrap_message(struct buffer *out, const char *text, int width, struct error *error);

#endif
