#include "base/buffer.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct buffer *buffer, size_t more, struct error *error)
{
    size_t needed;
    if (__builtin_add_overflow(buffer->size, more, &needed) || needed == SIZE_MAX)
        return fail_work(error, "out of memory: a text of %zu + %zu bytes", buffer->size, more);
    return grow(&buffer->data, &buffer->capacity, needed + 1, 1, error);
}

bool buffer_append(struct buffer *buffer, const void *bytes, size_t size, struct error *error)
{
    if (!reserve(buffer, size, error))
        return false;
    if (size)
        memcpy(buffer->data + buffer->size, bytes, size);
    buffer->size += size;
    buffer->data[buffer->size] = 0;
    return true;
}

bool buffer_print(struct buffer *buffer, struct error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    CHECK(length >= 0);
    if (!reserve(buffer, (size_t)length, error))
        return false;
    va_start(arguments, format);
    vsnprintf(buffer->data + buffer->size, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buffer->size += (size_t)length;
    return true;
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}
