/* Text as the source of a manual page: man(7), which groff and mandoc typeset. Each function
 * appends whole lines. */
#ifndef CLOZE_CLI_ROFF_H
#define CLOZE_CLI_ROFF_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

/* Begins a section, or a part of one. */
bool roff_section(struct buffer *out, const char *title, struct error *error);
bool roff_subsection(struct buffer *out, const char *title, struct error *error);

/* Appends a usage line: options in bold and, in italics, words in capitals, for which something is
 * given. Its lines are broken here, because what brackets enclose stays together. */
bool roff_usage(struct buffer *out, const char *command, const char *arguments,
                struct error *error);

/* Begins an item: a term in bold and, unless `value` is empty, a value in italics. Its text
 * follows. */
bool roff_item(struct buffer *out, const char *term, const char *value, struct error *error);

/* Appends running text: a paragraph goes on. In bold are options, and what quotes enclose if it
 * begins with "cloze " or with a key. */
bool roff_words(struct buffer *out, const char *text, struct error *error);

/* Appends paragraphs, items and literal text (cli/help_text.h). */
bool roff_text(struct buffer *out, const char *text, struct error *error);

/* Appends the examples of a command (cli/command.h). */
bool roff_examples(struct buffer *out, const char *examples, struct error *error);

#endif
