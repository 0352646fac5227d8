#include "data/lz4_reader.h"

#include "base/memory.h"

#include <lz4frame.h>
#include <stdlib.h>
#include <string.h>

enum { OUT_SIZE = 256 << 10 };

struct lz4_reader {
    struct byte_stream input;
    LZ4F_dctx *state;
    const unsigned char *in; /* the bytes of the input that have not been decompressed */
    size_t in_size;
    unsigned char *out; /* [OUT_SIZE] */
    bool in_frame;      /* whether the end of the current frame has not been reached */
    bool any_frame;     /* whether a frame has been read to its end */
    bool ended;         /* whether the input has ended */
};

struct lz4_reader *lz4_reader_open(struct byte_stream input, struct error *error)
{
    struct lz4_reader *reader = allocate(1, sizeof *reader, error);
    if (!reader)
        return NULL;
    reader->input = input;
    reader->out = allocate(OUT_SIZE, 1, error);
    if (reader->out && !LZ4F_isError(LZ4F_createDecompressionContext(&reader->state, LZ4F_VERSION)))
        return reader;
    if (reader->out)
        fail_work(error, "out of memory: the state of a decompressor");
    lz4_reader_close(reader);
    return NULL;
}

void lz4_reader_close(struct lz4_reader *reader)
{
    if (!reader)
        return;
    LZ4F_freeDecompressionContext(reader->state);
    free(reader->out);
    free(reader);
}

static bool fill(struct lz4_reader *reader, struct error *error)
{
    const void *bytes;
    if (reader->in_size || reader->ended)
        return true;
    if (!byte_stream_next(&reader->input, &bytes, &reader->in_size, error))
        return false;
    reader->in = bytes;
    reader->ended = reader->in_size == 0;
    return true;
}

/* liblz4 gives errors numbers only for programs that are linked statically. */
static bool fail_frame(const struct lz4_reader *reader, size_t status, struct error *error)
{
    const char *name = LZ4F_getErrorName(status);
    if (strcmp(name, "ERROR_allocation_failed") == 0)
        return fail_work(error, "out of memory: the blocks of the lz4 data");
    if (strcmp(name, "ERROR_frameType_unknown") == 0 && reader->any_frame)
        return fail_input(error, "something that is not lz4 follows the compressed data");
    return fail_input(error, "the lz4 data are damaged: %s", name);
}

bool lz4_reader_next(void *context, const void **bytes, size_t *size, struct error *error)
{
    struct lz4_reader *reader = context;
    size_t got = 0;
    while (got == 0) {
        if (!fill(reader, error))
            return false;
        if (reader->ended && !reader->in_frame)
            break;
        size_t used = reader->in_size;
        got = OUT_SIZE;
        const size_t status =
            LZ4F_decompress(reader->state, reader->out, &got, reader->in, &used, NULL);
        if (LZ4F_isError(status))
            return fail_frame(reader, status, error);
        /* Neither input nor output is left: the rest of the frame is missing. */
        if (reader->ended && status > 0 && got == 0)
            return fail_input(error, "the lz4 data are cut off");
        reader->in += used;
        reader->in_size -= used;
        reader->in_frame = status > 0;
        reader->any_frame |= status == 0;
    }
    *bytes = reader->out;
    *size = got;
    return true;
}
