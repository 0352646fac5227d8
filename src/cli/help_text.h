/* The texts that --help and the manual share. They are lines that end in "\n", in blocks:
 *
 *     an empty line
 *     a paragraph     lines that are not indented; it is wrapped
 *     an item         two spaces, a term, two spaces or more, and its meaning, which goes on in the
 *                     lines that are indented to the column where it begins
 *     literal text    any other indented line */
#ifndef CLOZE_CLI_HELP_TEXT_H
#define CLOZE_CLI_HELP_TEXT_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

enum help_kind { HELP_GAP, HELP_PARAGRAPH, HELP_ITEM, HELP_LITERAL };

/* Whole lines of a text. */
struct help_block {
    enum help_kind kind;
    const char *text;
    size_t size;
    size_t term_size, meaning; /* of an item: its term begins at text + 2, its meaning there */
};

/* Sets the block to the one that *text begins with and moves *text past it; false at the end. */
bool help_text_next(const char **text, struct help_block *block);

/* Appends the text as --help shows it, up to LOG_WIDTH columns wide. */
bool help_text_print(struct buffer *out, const char *text, struct error *error);

#endif
