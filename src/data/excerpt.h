/* The beginning of a text from a file, for a message. */
#ifndef CLOZE_DATA_EXCERPT_H
#define CLOZE_DATA_EXCERPT_H

#include <stddef.h>

enum { EXCERPT_BYTES = 60 };

struct excerpt {
    char
        text[EXCERPT_BYTES + 4]; /* at most EXCERPT_BYTES of the text, then "..." if it is longer */
};

/* Control characters and bytes that are not UTF-8 become "?". Cannot fail. */
struct excerpt excerpt_of(const char *text, size_t size);

#endif
