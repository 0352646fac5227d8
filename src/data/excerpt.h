/* The beginnings of texts from a file, for a message. */
#ifndef CLOZE_DATA_EXCERPT_H
#define CLOZE_DATA_EXCERPT_H

#include "base/buffer.h"

enum { EXCERPT_BYTES = 60 };

struct excerpt {
    char
        text[EXCERPT_BYTES + 4]; /* at most EXCERPT_BYTES of the text, then "..." if it is longer */
};

/* Control characters and bytes that are not UTF-8 become "?". Cannot fail. */
struct excerpt excerpt_of(const char *text, size_t size);

/* Appends text `index` of `count` to a list for a message: "a", "b" and so on up to ten, then the
 * number of the others. Returns false when memory is short. */
bool excerpt_list(struct buffer *list, size_t index, size_t count, const char *text, size_t size,
                  struct error *error);

#endif
