/* Bytes that come a block at a time: of a file, of what a decompressor makes of another stream, of
 * a member of an archive. */
#ifndef CLOZE_DATA_BYTE_STREAM_H
#define CLOZE_DATA_BYTE_STREAM_H

#include "base/error.h"

#include <stddef.h>

struct byte_stream {
    /* The next bytes, which belong to the stream until its next call; size 0 only at the end, and
     * again after it. Errors say the reason alone. */
    bool (*next)(void *context, const void **bytes, size_t *size, struct error *error);
    void *context;
};

static inline bool byte_stream_next(const struct byte_stream *stream, const void **bytes,
                                    size_t *size, struct error *error)
{
    return stream->next(stream->context, bytes, size, error);
}

#endif
