#include "data/byte_source.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/filter_reader.h"
#include "data/gzip_reader.h"
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

/* A stream whose beginning can be looked at before it is read. */
struct looked_at {
    struct byte_stream stream;
    struct buffer start; /* what was looked at, until it is given out */
    bool given;
    struct error error; /* of the stream, which comes after the start */
};

struct file_stream {
    int descriptor;
    char *block; /* [BLOCK] */
};

struct byte_source {
    const char *name;
    struct file_stream file; /* of a file */
    struct looked_at packed; /* as it lies there */
    enum compression compression;
    struct gzip_reader *gzip; /* of the three one is used, of plain text none */
    struct zstd_reader *zstd;
    struct filter_reader *filter;
    struct looked_at contents;
};

/* Compressed files, by what they begin with. */
static const struct {
    const char *name, *magic;
    size_t magic_size;
    int filter; /* of libarchive, where it is used */
} compressions[COMPRESSIONS_KNOWN] = {
    [COMPRESSION_GZIP] = {"gzip", "\x1F\x8B", 2, 0},
    [COMPRESSION_ZSTD] = {"zstd", "\x28\xB5\x2F\xFD", 4, 0},
    [COMPRESSION_XZ] = {"xz",
                        "\xFD"
                        "7zXZ\0",
                        6, ARCHIVE_FILTER_XZ},
    [COMPRESSION_BZIP2] = {"bzip2", "BZh", 3, ARCHIVE_FILTER_BZIP2},
    [COMPRESSION_LZ4] = {"lz4", "\x04\x22\x4D\x18", 4, ARCHIVE_FILTER_LZ4},
};

/* ---- looking ahead ---- */

/* Reads until the start has `size` bytes or the stream has no more, be it that it is damaged. */
static bool look(struct looked_at *looked_at, size_t size, struct error *error)
{
    size_t got = 1;
    while (looked_at->start.size < size && got) {
        const void *bytes;
        if (!byte_stream_next(&looked_at->stream, &bytes, &got, &looked_at->error))
            return true;
        if (!buffer_append(&looked_at->start, bytes, got, error))
            return false;
    }
    return true;
}

static bool looked_at_next(void *context, const void **bytes, size_t *size, struct error *error)
{
    struct looked_at *looked_at = context;
    if (!looked_at->given && looked_at->start.size) {
        looked_at->given = true;
        *bytes = looked_at->start.data;
        *size = looked_at->start.size;
        return true;
    }
    buffer_free(&looked_at->start);
    if (looked_at->error.kind == ERROR_NONE)
        return byte_stream_next(&looked_at->stream, bytes, size, error);
    *error = looked_at->error;
    return false;
}

/* ---- files ---- */

/* Without O_NONBLOCK, opening a FIFO would wait for its writer before it can be refused. */
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
        return fail_input(error,
                          "%s: is a FIFO, a socket or a device; expected a regular file, because "
                          "it is read more than once",
                          source->name);
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
    return true;
}

/* ---- decompression ---- */

/* "BZh" may begin a text: bzip2 goes on with a digit and the magic number of a block or of the
 * end. */
static bool begins_bzip2(const unsigned char *bytes, size_t size)
{
    return size >= 10 && bytes[3] >= '1' && bytes[3] <= '9' &&
           (memcmp(bytes + 4, "1AY&SY", 6) == 0 ||
            memcmp(bytes + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0);
}

/* 0x184D2A50 to 5F, little-endian: what zstd and lz4 skip. */
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

/* The end of the skippable frames that a file begins with, as far as it is looked at: a frame that
 * is larger than that is not read to find out what follows it. */
static bool pass_skippable_frames(struct byte_source *source, size_t *place, struct error *error)
{
    enum { FRAME_HEADER = 8, MAX_LOOKED_AT = 16 << 20 };
    const struct buffer *start = &source->packed.start;
    for (*place = 0; *place < MAX_LOOKED_AT;) {
        if (!look(&source->packed, *place + MAX_MAGIC, error))
            return false;
        if (start->size <= *place)
            return true;
        const unsigned char *bytes = (const unsigned char *)start->data + *place;
        if (!begins_skippable_frame(bytes, start->size - *place))
            return true;
        *place += FRAME_HEADER + (size_t)read_little_endian(bytes + 4);
    }
    return true;
}

/* libarchive expects a frame of lz4 first. */
static void drop_skippable_frames(struct byte_source *source, size_t size)
{
    struct buffer *start = &source->packed.start;
    start->size -= size;
    memmove(start->data, start->data + size, start->size);
}

/* A file of skippable frames alone is both of zstd and of lz4. */
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
    if (skipped && source->compression == COMPRESSION_LZ4)
        drop_skippable_frames(source, skipped);
    else if (skipped)
        source->compression = COMPRESSION_ZSTD;
    struct text_name name = text_name_read(source->name);
    return name.compression == COMPRESSION_NONE || name.compression == source->compression ||
           (only_skipped && name.compression == COMPRESSION_LZ4) ||
           fail_input(error, "%s: the name ends in %s, but the file is not %s", source->name,
                      name.ending, compressions[name.compression].name);
}

static bool open_decompressor(struct byte_source *source, struct error *error)
{
    struct byte_stream packed = {looked_at_next, &source->packed};
    struct byte_stream *contents = &source->contents.stream;
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
    source->packed.stream = (struct byte_stream){file_next, &source->file};
    return finish(source, open_regular_file(source, error), error);
}

struct byte_source *byte_source_open_stream(struct byte_stream input, const char *name,
                                            struct error *error)
{
    struct byte_source *source = create(name, error);
    if (!source)
        return NULL;
    source->packed.stream = input;
    return finish(source, true, error);
}

void byte_source_close(struct byte_source *source)
{
    if (!source)
        return;
    gzip_reader_close(source->gzip);
    zstd_reader_close(source->zstd);
    filter_reader_close(source->filter);
    buffer_free(&source->packed.start);
    buffer_free(&source->contents.start);
    free(source->file.block);
    if (source->file.descriptor >= 0)
        close(source->file.descriptor);
    free(source);
}

bool byte_source_look(struct byte_source *source, const void **bytes, size_t *size,
                      struct error *error)
{
    if (!look(&source->contents, CONTENT_LOOK, error))
        return false;
    *bytes = source->contents.start.size ? source->contents.start.data : "";
    *size = source->contents.start.size;
    return true;
}

bool byte_source_next(struct byte_source *source, const void **bytes, size_t *size,
                      struct error *error)
{
    return looked_at_next(&source->contents, bytes, size, error);
}

static bool source_next(void *context, const void **bytes, size_t *size, struct error *error)
{
    return byte_source_next(context, bytes, size, error);
}

struct byte_stream byte_source_stream(struct byte_source *source)
{
    return (struct byte_stream){source_next, source};
}
