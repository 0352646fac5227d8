#include "data/gzip_reader.h"

#include "base/memory.h"

#include <limits.h>
#include <stdlib.h>

#define ZLIB_CONST /* input is const */
#include <zlib.h>

enum {
    OUT_SIZE = 256 << 10,
    GZIP_WINDOW = 15 + 16, /* the max window; 16 requires a gzip header and trailer */
};

struct gzip_reader {
    struct byte_stream input;
    z_stream stream; /* its input are the bytes that have been read but not used */
    bool stream_open;
    bool in_member;     /* whether the end of the current member has not been reached */
    unsigned char *out; /* [OUT_SIZE] */
};

struct gzip_reader *gzip_reader_open(struct byte_stream input, struct error *error)
{
    struct gzip_reader *reader = allocate(1, sizeof *reader, error);
    if (!reader)
        return NULL;
    reader->input = input;
    reader->in_member = true;
    reader->out = allocate(OUT_SIZE, 1, error);
    reader->stream_open = reader->out && inflateInit2(&reader->stream, GZIP_WINDOW) == Z_OK;
    if (reader->stream_open)
        return reader;
    if (reader->out)
        fail_work(error, "out of memory: the state of a decompressor");
    gzip_reader_close(reader);
    return NULL;
}

void gzip_reader_close(struct gzip_reader *reader)
{
    if (!reader)
        return;
    if (reader->stream_open)
        inflateEnd(&reader->stream);
    free(reader->out);
    free(reader);
}

/* Reads the next block if all input has been used. At the end of the file avail_in stays 0. */
static bool fill(struct gzip_reader *reader, struct error *error)
{
    if (reader->stream.avail_in)
        return true;
    const void *bytes;
    size_t size;
    if (!byte_stream_next(&reader->input, &bytes, &size, error))
        return false;
    CHECK(size <= UINT_MAX);
    reader->stream.next_in = bytes;
    reader->stream.avail_in = (uInt)size;
    return true;
}

/* Moves to the next member; sets *end if there is none. */
static bool begin_member(struct gzip_reader *reader, bool *end, struct error *error)
{
    z_stream *stream = &reader->stream;
    bool padded = false;
    for (;;) {
        if (!fill(reader, error))
            return false;
        *end = stream->avail_in == 0;
        if (*end || *stream->next_in != 0)
            break;
        padded = true;
        stream->next_in++;
        stream->avail_in--;
    }
    if (*end)
        return true;
    if (padded || *stream->next_in != 0x1F)
        return fail_input(error, "something that is not gzip follows the compressed data");
    reader->in_member = true;
    inflateReset(stream);
    return true;
}

static bool inflate_some(struct gzip_reader *reader, struct error *error)
{
    z_stream *stream = &reader->stream;
    if (!fill(reader, error))
        return false;
    if (stream->avail_in == 0)
        return fail_input(error, "the gzip data are cut off");
    int status = inflate(stream, Z_NO_FLUSH);
    reader->in_member = status != Z_STREAM_END;
    if (status == Z_MEM_ERROR)
        return fail_work(error, "out of memory");
    return status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR ||
           fail_input(error, "the gzip data are damaged: %s",
                      stream->msg ? stream->msg : "they need a dictionary");
}

bool gzip_reader_next(void *context, const void **bytes, size_t *size, struct error *error)
{
    struct gzip_reader *reader = context;
    z_stream *stream = &reader->stream;
    stream->next_out = reader->out;
    stream->avail_out = OUT_SIZE;
    bool end = false;
    while (stream->avail_out == OUT_SIZE && !end) {
        if (reader->in_member ? !inflate_some(reader, error) : !begin_member(reader, &end, error))
            return false;
    }
    *bytes = reader->out;
    *size = OUT_SIZE - stream->avail_out;
    return true;
}
