/* Command lines as a person types them. */
#ifndef CLOZE_BASE_SHELL_H
#define CLOZE_BASE_SHELL_H

#include "base/buffer.h"

/* Appends a word such that a POSIX shell reads back exactly these bytes: as it is if no character
 * has a meaning for the shell, or else in single quotes. A space precedes all words but the
 * first. */
bool shell_put(struct buffer *line, const char *word, struct error *error);

#endif
