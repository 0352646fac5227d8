#include "data/byte_source.h"

#include "base/file.h"
#include "base/memory.h"
#include "data/gzip_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct byte_source {
    const char *path;
    int file;
    struct gzip_reader *gzip; /* one of the two is NULL */
    struct archive *archive;
    bool ended;
};

/* What a name promises. */
static const struct compression {
    const char *ending, *name;
    int filter; /* of libarchive */
} compressions[] = {
    {".gz", "gzip", ARCHIVE_FILTER_GZIP},
    {".zst", "zstd", ARCHIVE_FILTER_ZSTD},
    {".xz", "xz", ARCHIVE_FILTER_XZ},
    {".bz2", "bzip2", ARCHIVE_FILTER_BZIP2},
};

/* NULL if the name promises nothing. */
static const struct compression *promised(const char *path)
{
    size_t size = strlen(path);
    for (size_t i = 0; i < sizeof compressions / sizeof *compressions; i++) {
        size_t length = strlen(compressions[i].ending);
        if (size > length && strcmp(path + size - length, compressions[i].ending) == 0)
            return &compressions[i];
    }
    return NULL;
}

/* Without O_NONBLOCK, opening a FIFO would wait for its writer before it can be refused. */
static bool open_regular_file(struct byte_source *source, struct error *error)
{
    source->file = open(source->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (source->file < 0)
        return fail_path(error, errno, source->path, "open");
    struct stat status;
    if (fstat(source->file, &status) != 0)
        return fail_path(error, errno, source->path, "examine");
    if (S_ISDIR(status.st_mode))
        return fail_input(error, "%s: is a directory; expected a file", source->path);
    if (!S_ISREG(status.st_mode))
        return fail_input(error, "%s: is no regular file", source->path);
    return true;
}

static bool fail_archive(const struct byte_source *source, struct error *error)
{
    const char *reason = archive_error_string(source->archive);
    if (archive_errno(source->archive) == ENOMEM)
        return fail_work(error, "out of memory");
    return fail_input(error, "%s", reason ? reason : "unknown reason");
}

/* Only the formats that are documented, so that no other text is mistaken for an archive. */
static bool open_archive(struct byte_source *source, struct error *error)
{
    enum { BLOCK = 256 << 10 };
    struct archive *archive = source->archive = archive_read_new();
    if (!archive)
        return fail_work(error, "out of memory");
    /* ARCHIVE_WARN: libarchive was built without the library and runs the program instead. */
    bool open = archive_read_support_filter_zstd(archive) >= ARCHIVE_WARN &&
                archive_read_support_filter_xz(archive) >= ARCHIVE_WARN &&
                archive_read_support_filter_bzip2(archive) >= ARCHIVE_WARN &&
                archive_read_support_format_raw(archive) == ARCHIVE_OK &&
                archive_read_support_format_empty(archive) == ARCHIVE_OK &&
                archive_read_open_fd(archive, source->file, BLOCK) >= ARCHIVE_WARN;
    if (!open)
        return fail_archive(source, error);
    struct archive_entry *entry;
    int status = archive_read_next_header(archive, &entry);
    source->ended = status == ARCHIVE_EOF;
    return status >= ARCHIVE_WARN || source->ended || fail_archive(source, error);
}

static bool is_gzip(const struct byte_source *source)
{
    unsigned char magic[2];
    return pread(source->file, magic, sizeof magic, 0) == sizeof magic && magic[0] == 0x1F &&
           magic[1] == 0x8B;
}

/* libarchive reads the first block at once: it may be where the damage is. */
static bool open_reader(struct byte_source *source, struct error *error)
{
    bool gzip = is_gzip(source);
    if (gzip)
        source->gzip = gzip_reader_open(source->file, error);
    return (gzip ? source->gzip != NULL : open_archive(source, error)) ||
           fail_context(error, "%s: cannot read past line 0", source->path);
}

static bool check_name(const struct byte_source *source, struct error *error)
{
    const struct compression *expected = promised(source->path);
    int filter = source->gzip ? ARCHIVE_FILTER_GZIP : archive_filter_code(source->archive, 0);
    return !expected || filter == expected->filter ||
           fail_input(error, "%s: does not begin as a file of %s; expected that by its name",
                      source->path, expected->name);
}

struct byte_source *byte_source_open(const char *path, struct error *error)
{
    struct byte_source *source = allocate(1, sizeof *source, error);
    if (!source)
        return NULL;
    source->path = path;
    source->file = -1;
    if (open_regular_file(source, error) && open_reader(source, error) && check_name(source, error))
        return source;
    byte_source_close(source);
    return NULL;
}

void byte_source_close(struct byte_source *source)
{
    if (!source)
        return;
    gzip_reader_close(source->gzip);
    if (source->archive)
        archive_read_free(source->archive);
    if (source->file >= 0)
        close(source->file);
    free(source);
}

/* libarchive ends where the compressed data do and leaves what follows unread. */
static bool check_end(const struct byte_source *source, struct error *error)
{
    struct stat status;
    if (fstat(source->file, &status) != 0)
        return fail_errno(error, errno, "cannot examine");
    return archive_filter_bytes(source->archive, -1) == status.st_size ||
           fail_input(error, "something else follows the compressed data");
}

static bool next_archive_block(struct byte_source *source, const void **bytes, size_t *size,
                               struct error *error)
{
    la_int64_t offset;
    int status = source->ended ? ARCHIVE_EOF
                               : archive_read_data_block(source->archive, bytes, size, &offset);
    if (status == ARCHIVE_EOF) {
        *bytes = "";
        *size = 0;
        source->ended = true;
        return check_end(source, error);
    }
    return status >= ARCHIVE_WARN || fail_archive(source, error);
}

bool byte_source_next(struct byte_source *source, const void **bytes, size_t *size,
                      struct error *error)
{
    return source->gzip ? gzip_reader_next(source->gzip, bytes, size, error)
                        : next_archive_block(source, bytes, size, error);
}
