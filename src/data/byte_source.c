#include "data/byte_source.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/filter_reader.h"
#include "data/gzip_reader.h"
#include "data/lz4_reader.h"
#include "data/text_name.h"
#include "data/zstd_reader.h"
#include "text/content.h"

#include <archive.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 256 << 10, MAX_MAGIC = 16 };

/* A stream whose beginning can be examined before it is read. */
struct peekable {
    struct byte_stream input;
    struct buffer start; /* the bytes examined so far, until they have been returned */
    bool returned;       /* whether `start` has been returned */
    struct error error;  /* error of the input after `start` */
};

struct file_stream {
    int descriptor;
    char *block;   /* [BLOCK] */
    uint64_t read; /* bytes read so far */
};

struct byte_source {
    const char *name;
    struct file_stream file; /* not used for other streams */
    struct peekable packed;  /* the bytes before decompression */
    enum compression compression;
    struct gzip_reader *gzip; /* one of these four is not NULL if the bytes are compressed */
    struct zstd_reader *zstd;
    struct lz4_reader *lz4;
    struct filter_reader *filter;
    struct peekable contents; /* the bytes after decompression */
    uint64_t delivered;       /* bytes returned by byte_source_next */
};

/* The bytes that compressed files begin with. */
static const struct {
    const char *name, *magic;
    size_t magic_size;
    int filter; /* code of libarchive's filter; 0 if it is not used */
} compressions[COMPRESSIONS_KNOWN] = {
    [COMPRESSION_GZIP] = {"gzip", "\x1F\x8B", 2, 0},
    [COMPRESSION_ZSTD] = {"zstd", "\x28\xB5\x2F\xFD", 4, 0},
    [COMPRESSION_XZ] = {"xz",
                        "\xFD"
                        "7zXZ\0",
                        6, ARCHIVE_FILTER_XZ},
    [COMPRESSION_BZIP2] = {"bzip2", "BZh", 3, ARCHIVE_FILTER_BZIP2},
    [COMPRESSION_LZ4] = {"lz4", "\x04\x22\x4D\x18", 4, 0},
};

/* ---- peeking ---- */

/* Reads until `start` has `size` bytes, or the input has ended or failed. */
static bool peek(struct peekable *stream, size_t size, struct error *error)
{
    size_t got = 1;
    while (stream->start.size < size && got) {
        const void *bytes;
        if (!byte_stream_next(&stream->input, &bytes, &got, &stream->error))
            return true;
        if (!buffer_append(&stream->start, bytes, got, error))
            return false;
    }
    return true;
}

static bool peekable_next(void *context, const void **bytes, size_t *size, struct error *error)
{
    struct peekable *stream = context;
    if (!stream->returned && stream->start.size) {
        stream->returned = true;
        *bytes = stream->start.data;
        *size = stream->start.size;
        return true;
    }
    buffer_free(&stream->start);
    if (stream->error.kind == ERROR_NONE)
        return byte_stream_next(&stream->input, bytes, size, error);
    *error = stream->error;
    return false;
}

/* ---- files ---- */

/* Opens the file without blocking: opening a FIFO would otherwise wait for its writer, before the
 * FIFO can be refused. */
static bool open_regular_file(struct byte_source *source, struct error *error)
{
    struct file_stream *file = &source->file;
    file->descriptor = open(source->name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (file->descriptor < 0)
        return fail_path(error, errno, source->name, "open");
    struct stat status;
    if (fstat(file->descriptor, &status) != 0)
        return fail_path(error, errno, source->name, "examine");
    if (S_ISDIR(status.st_mode))
        return fail_input(error, "%s: is a directory; expected a file", source->name);
    if (!S_ISREG(status.st_mode))
        return fail_irregular(error, source->name, status.st_mode, "");
    file->block = allocate(BLOCK, 1, error);
    return file->block != NULL;
}

static bool file_next(void *context, const void **bytes, size_t *size, struct error *error)
{
    struct file_stream *file = context;
    ssize_t got;
    do
        got = read(file->descriptor, file->block, BLOCK);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return fail_errno(error, errno, "cannot read");
    *bytes = file->block;
    *size = (size_t)got;
    file->read += (uint64_t)got;
    return true;
}

/* ---- decompression ---- */

/* Returns whether the magic number "BZh", which a text may also begin with, is followed by a digit
 * and the magic number of a block or of the end, as in bzip2. */
static bool begins_bzip2(const unsigned char *bytes, size_t size)
{
    return size >= 10 && bytes[3] >= '1' && bytes[3] <= '9' &&
           (memcmp(bytes + 4, "1AY&SY", 6) == 0 ||
            memcmp(bytes + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0);
}

/* Returns whether a skippable frame of zstd or lz4 begins here: its magic number is 0x184D2A50 to
 * 0x184D2A5F, little-endian. */
static bool begins_skippable_frame(const unsigned char *bytes, size_t size)
{
    return size >= 8 && (bytes[0] & 0xF0) == 0x50 && memcmp(bytes + 1, "\x2A\x4D\x18", 3) == 0;
}

static enum compression compression_of(const unsigned char *bytes, size_t size)
{
    for (enum compression i = COMPRESSION_NONE + 1; i < COMPRESSIONS_KNOWN; i++)
        if (size >= compressions[i].magic_size &&
            memcmp(bytes, compressions[i].magic, compressions[i].magic_size) == 0)
            return i == COMPRESSION_BZIP2 && !begins_bzip2(bytes, size) ? COMPRESSION_NONE : i;
    return COMPRESSION_NONE;
}

static uint32_t read_little_endian(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

/* Sets *offset to the end of the skippable frames that a file begins with. A frame that ends after
 * MAX_PEEK is not read to find out what follows it. */
static bool pass_skippable_frames(struct byte_source *source, size_t *offset, struct error *error)
{
    enum { FRAME_HEADER = 8, MAX_PEEK = 16 << 20 };
    const struct buffer *start = &source->packed.start;
    for (*offset = 0; *offset < MAX_PEEK;) {
        if (!peek(&source->packed, *offset + MAX_MAGIC, error))
            return false;
        if (start->size <= *offset)
            return true;
        const unsigned char *bytes = (const unsigned char *)start->data + *offset;
        if (!begins_skippable_frame(bytes, start->size - *offset))
            return true;
        *offset += FRAME_HEADER + (size_t)read_little_endian(bytes + 4);
    }
    return true;
}

/* Recognizes the compression. A file of only skippable frames is valid as both zstd and lz4. */
static bool recognize(struct byte_source *source, struct error *error)
{
    size_t skipped;
    const struct buffer *start = &source->packed.start;
    if (!pass_skippable_frames(source, &skipped, error))
        return false;
    bool only_skipped = skipped && skipped >= start->size;
    if (skipped < start->size)
        source->compression =
            compression_of((const unsigned char *)start->data + skipped, start->size - skipped);
    if (skipped && source->compression != COMPRESSION_LZ4)
        source->compression = COMPRESSION_ZSTD;
    struct text_name name = text_name_read(source->name);
    return name.compression == COMPRESSION_NONE || name.compression == source->compression ||
           (only_skipped && name.compression == COMPRESSION_LZ4) ||
           fail_input(error, "%s: the name ends in %s, but the file is not %s", source->name,
                      name.ending, compressions[name.compression].name);
}

static bool open_decompressor(struct byte_source *source, struct error *error)
{
    struct byte_stream packed = {peekable_next, &source->packed};
    struct byte_stream *contents = &source->contents.input;
    switch (source->compression) {
    case COMPRESSION_NONE:
        *contents = packed;
        return true;
    case COMPRESSION_GZIP:
        source->gzip = gzip_reader_open(packed, error);
        *contents = (struct byte_stream){gzip_reader_next, source->gzip};
        break;
    case COMPRESSION_ZSTD:
        source->zstd = zstd_reader_open(packed, error);
        *contents = (struct byte_stream){zstd_reader_next, source->zstd};
        break;
    case COMPRESSION_LZ4:
        source->lz4 = lz4_reader_open(packed, error);
        *contents = (struct byte_stream){lz4_reader_next, source->lz4};
        break;
    default:
        source->filter = filter_reader_open(packed, compressions[source->compression].filter,
                                            compressions[source->compression].name, error);
        *contents = (struct byte_stream){filter_reader_next, source->filter};
    }
    return contents->context || fail_context(error, "%s: cannot read line 1", source->name);
}

/* ---- sources ---- */

static struct byte_source *create(const char *name, struct error *error)
{
    struct byte_source *source = allocate(1, sizeof *source, error);
    if (!source)
        return NULL;
    source->name = name;
    source->file.descriptor = -1;
    return source;
}

static struct byte_source *finish(struct byte_source *source, bool open, struct error *error)
{
    if (open && recognize(source, error) && open_decompressor(source, error))
        return source;
    byte_source_close(source);
    return NULL;
}

struct byte_source *byte_source_open(const char *path, struct error *error)
{
    struct byte_source *source = create(path, error);
    if (!source)
        return NULL;
    source->packed.input = (struct byte_stream){file_next, &source->file};
    return finish(source, open_regular_file(source, error), error);
}

struct byte_source *byte_source_open_stream(struct byte_stream input, const char *name,
                                            struct error *error)
{
    struct byte_source *source = create(name, error);
    if (!source)
        return NULL;
    source->packed.input = input;
    return finish(source, true, error);
}

void byte_source_close(struct byte_source *source)
{
    if (!source)
        return;
    gzip_reader_close(source->gzip);
    zstd_reader_close(source->zstd);
    lz4_reader_close(source->lz4);
    filter_reader_close(source->filter);
    buffer_free(&source->packed.start);
    buffer_free(&source->contents.start);
    free(source->file.block);
    if (source->file.descriptor >= 0)
        close(source->file.descriptor);
    free(source);
}

bool byte_source_peek(struct byte_source *source, const void **bytes, size_t *size,
                      struct error *error)
{
    if (!peek(&source->contents, CONTENT_SAMPLE, error))
        return false;
    *bytes = source->contents.start.size ? source->contents.start.data : "";
    *size = source->contents.start.size;
    return true;
}

bool byte_source_next(struct byte_source *source, const void **bytes, size_t *size,
                      struct error *error)
{
    if (!peekable_next(&source->contents, bytes, size, error))
        return false;
    source->delivered += *size;
    return true;
}

static bool source_next(void *context, const void **bytes, size_t *size, struct error *error)
{
    return byte_source_next(context, bytes, size, error);
}

struct byte_stream byte_source_stream(struct byte_source *source)
{
    return (struct byte_stream){source_next, source};
}

uint64_t byte_source_delivered(const struct byte_source *source)
{
    return source->delivered;
}

uint64_t byte_source_position(const struct byte_source *source)
{
    return source->file.read;
}
