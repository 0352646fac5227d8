#include "data/gzip_reader.h"

#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

enum {
    IN_SIZE = 64 << 10,
    OUT_SIZE = 256 << 10,
    GZIP_WINDOW = 15 + 16, /* the largest window; 16 asks for a gzip header and trailer */
};

struct gzip_reader {
    int descriptor;
    z_stream stream; /* its input is what was read and not used yet */
    bool stream_open;
    bool in_member; /* in one whose end was not seen yet */
    unsigned char *in, *out;
};

struct gzip_reader *gzip_reader_open(int descriptor, struct error *error)
{
    struct gzip_reader *reader = allocate(1, sizeof *reader, error);
    if (!reader)
        return NULL;
    reader->descriptor = descriptor;
    reader->in_member = true;
    reader->in = allocate(IN_SIZE, 1, error);
    reader->out = reader->in ? allocate(OUT_SIZE, 1, error) : NULL;
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
    free(reader->in);
    free(reader->out);
    free(reader);
}

/* Reads more if all input was used; at the end of the file there is still none. */
static bool fill(struct gzip_reader *reader, struct error *error)
{
    if (reader->stream.avail_in)
        return true;
    ssize_t got;
    do
        got = read(reader->descriptor, reader->in, IN_SIZE);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return fail_errno(error, errno, "cannot read");
    reader->stream.next_in = reader->in;
    reader->stream.avail_in = (uInt)got;
    return true;
}

/* Moves to the next member; *end if there is none. */
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

bool gzip_reader_next(struct gzip_reader *reader, const void **bytes, size_t *size,
                      struct error *error)
{
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
