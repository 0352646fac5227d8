#include "data/zstd_reader.h"

#include "base/format.h"
#include "base/machine.h"
#include "base/memory.h"

#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
    OUT_SIZE = 256 << 10,
    DEFAULT_WINDOW = 27, /* 128 MiB: the max window that the zstd program accepts by default */
};

struct zstd_reader {
    struct byte_stream input;
    ZSTD_DCtx *state;
    ZSTD_inBuffer in;
    unsigned char *out; /* [OUT_SIZE] */
    bool in_frame;      /* whether the end of the current frame has not been reached */
    bool any_frame;     /* whether a frame has been read to its end */
    bool ended;         /* whether the input has ended */
};

/* Returns the logarithm of the max window that fits in the available memory, at least
 * DEFAULT_WINDOW. */
static int max_window(void)
{
    int max = ZSTD_dParam_getBounds(ZSTD_d_windowLogMax).upperBound;
    int window = DEFAULT_WINDOW;
    for (size_t memory = machine_memory_available() >> window; window < max && memory > 1;
         memory >>= 1)
        window++;
    return window;
}

struct zstd_reader *zstd_reader_open(struct byte_stream input, struct error *error)
{
    struct zstd_reader *reader = allocate(1, sizeof *reader, error);
    if (!reader)
        return NULL;
    reader->input = input;
    reader->out = allocate(OUT_SIZE, 1, error);
    reader->state = reader->out ? ZSTD_createDCtx() : NULL;
    if (reader->state &&
        !ZSTD_isError(ZSTD_DCtx_setParameter(reader->state, ZSTD_d_windowLogMax, max_window())))
        return reader;
    if (reader->out)
        fail_work(error, "out of memory: the state of a decompressor");
    zstd_reader_close(reader);
    return NULL;
}

void zstd_reader_close(struct zstd_reader *reader)
{
    if (!reader)
        return;
    ZSTD_freeDCtx(reader->state);
    free(reader->out);
    free(reader);
}

static bool fill(struct zstd_reader *reader, struct error *error)
{
    if (reader->in.pos < reader->in.size || reader->ended)
        return true;
    reader->in.pos = 0;
    if (!byte_stream_next(&reader->input, &reader->in.src, &reader->in.size, error))
        return false;
    reader->ended = reader->in.size == 0;
    return true;
}

static bool fail_frame(const struct zstd_reader *reader, size_t status, struct error *error)
{
    switch (ZSTD_getErrorCode(status)) {
    case ZSTD_error_memory_allocation:
        return fail_work(error, "out of memory: the window that the zstd data need");
    case ZSTD_error_frameParameter_windowTooLarge:
        return fail_work(error,
                         "the zstd data need a window of more than %s, which is more than the "
                         "memory that is free; compress them again without --long",
                         format_bytes((uint64_t)1 << max_window()).text);
    case ZSTD_error_prefix_unknown:
        if (reader->any_frame)
            return fail_input(error, "something that is not zstd follows the compressed data");
        /* fall through */
    default:
        return fail_input(error, "the zstd data are damaged: %s", ZSTD_getErrorName(status));
    }
}

bool zstd_reader_next(void *context, const void **bytes, size_t *size, struct error *error)
{
    struct zstd_reader *reader = context;
    ZSTD_outBuffer out = {reader->out, OUT_SIZE, 0};
    while (out.pos == 0) {
        if (!fill(reader, error))
            return false;
        if (reader->ended && !reader->in_frame)
            break;
        size_t used = reader->in.pos;
        size_t status = ZSTD_decompressStream(reader->state, &out, &reader->in);
        if (ZSTD_isError(status))
            return fail_frame(reader, status, error);
        /* Neither input nor output is left: the rest of the frame is missing. */
        if (reader->ended && status > 0 && out.pos == 0 && reader->in.pos == used)
            return fail_input(error, "the zstd data are cut off");
        reader->in_frame = status > 0;
        reader->any_frame |= status == 0;
    }
    *bytes = reader->out;
    *size = out.pos;
    return true;
}
