/* A growing array of bytes. Zero-initialize it; free it with buffer_free. */
#ifndef CLOZE_BASE_BUFFER_H
#define CLOZE_BASE_BUFFER_H

#include "base/error.h"

#include <stddef.h>

struct buffer {
    char *data; /* owned; after every append data[size] is 0, so a text is also a C string */
    size_t size;
    size_t capacity;
};

bool buffer_append(struct buffer *buffer, const void *bytes, size_t size, struct error *error);
bool buffer_print(struct buffer *buffer, struct error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void buffer_free(struct buffer *buffer);

#endif
