/* Bytes that are read a block at a time: from a file, from a decompressor of another stream, or
 * from a member of an archive. */
#ifndef CLOZE_DATA_BYTE_STREAM_H
#define CLOZE_DATA_BYTE_STREAM_H

#include "base/error.h"

#include <stddef.h>

struct byte_stream {
    /* Returns the next bytes, which belong to the stream until its next call; size is 0 only at the
     * end, and in every call after it. Errors have only a reason. */
    bool (*next)(void *context, const void **bytes, size_t *size, struct error *error);
    void *context;
};

static inline bool byte_stream_next(const struct byte_stream *stream, const void **bytes,
                                    size_t *size, struct error *error)
{
    return stream->next(stream->context, bytes, size, error);
}

#endif
