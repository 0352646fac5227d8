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

enum kind { PLAIN, GZIP, ZSTD, XZ, BZIP2, KINDS };

enum { BLOCK = 256 << 10 };

struct byte_source {
    const char *path;
    int file;
    enum kind kind;
    char *plain;              /* [BLOCK] of plain text; of the three one is used */
    struct gzip_reader *gzip; /* of gzip */
    struct archive *archive;  /* of the others */
    bool ended;
};

/* Compressed files, by what they begin with and by their names. */
static const struct {
    const char *name, *ending, *magic;
    size_t magic_size;
    int filter; /* of libarchive */
} kinds[KINDS] = {
    [GZIP] = {"gzip", ".gz", "\x1F\x8B", 2, 0},
    [ZSTD] = {"zstd", ".zst", "\x28\xB5\x2F\xFD", 4, ARCHIVE_FILTER_ZSTD},
    [XZ] = {"xz", ".xz",
            "\xFD"
            "7zXZ\0",
            6, ARCHIVE_FILTER_XZ},
    [BZIP2] = {"bzip2", ".bz2", "BZh", 3, ARCHIVE_FILTER_BZIP2},
};

/* PLAIN if the name promises nothing. */
static enum kind promised_kind(const char *path)
{
    size_t size = strlen(path);
    for (enum kind kind = PLAIN + 1; kind < KINDS; kind++) {
        size_t length = strlen(kinds[kind].ending);
        if (size > length && strcmp(path + size - length, kinds[kind].ending) == 0)
            return kind;
    }
    return PLAIN;
}

/* "BZh" may begin a text: bzip2 goes on with a digit and the magic number of a block or of the end.
 */
static bool begins_bzip2(const unsigned char *bytes, size_t size)
{
    return size >= 10 && bytes[3] >= '1' && bytes[3] <= '9' &&
           (memcmp(bytes + 4, "1AY&SY", 6) == 0 ||
            memcmp(bytes + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0);
}

static bool recognize(struct byte_source *source, struct error *error)
{
    unsigned char bytes[16];
    ssize_t size = pread(source->file, bytes, sizeof bytes, 0);
    if (size < 0)
        return fail_path(error, errno, source->path, "read");
    source->kind = PLAIN;
    for (enum kind kind = PLAIN + 1; kind < KINDS; kind++)
        if ((size_t)size >= kinds[kind].magic_size &&
            memcmp(bytes, kinds[kind].magic, kinds[kind].magic_size) == 0)
            source->kind = kind;
    if (source->kind == BZIP2 && !begins_bzip2(bytes, (size_t)size))
        source->kind = PLAIN;
    enum kind promised = promised_kind(source->path);
    return promised == PLAIN || promised == source->kind ||
           fail_input(error, "%s: does not begin as a file of %s; expected that by its name",
                      source->path, kinds[promised].name);
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
        return fail_input(
            error,
            "%s: is a FIFO, a socket or a device; expected a regular file, which can be read again",
            source->path);
    return true;
}

static bool fail_archive(const struct byte_source *source, struct error *error)
{
    const char *reason = archive_error_string(source->archive);
    if (archive_errno(source->archive) == ENOMEM)
        return fail_work(error, "out of memory");
    return fail_input(error, "%s", reason ? reason : "unknown reason");
}

static bool open_archive(struct byte_source *source, struct error *error)
{
    struct archive *archive = source->archive = archive_read_new();
    if (!archive)
        return fail_work(error, "out of memory");
    /* ARCHIVE_WARN: libarchive was built without the library and runs the program instead. */
    bool open =
        archive_read_support_filter_by_code(archive, kinds[source->kind].filter) >= ARCHIVE_WARN &&
        archive_read_support_format_raw(archive) == ARCHIVE_OK &&
        archive_read_support_format_empty(archive) == ARCHIVE_OK &&
        archive_read_open_fd(archive, source->file, BLOCK) >= ARCHIVE_WARN;
    if (!open)
        return fail_archive(source, error);
    struct archive_entry *entry;
    int status = archive_read_next_header(archive, &entry);
    source->ended = status == ARCHIVE_EOF;
    if (status < ARCHIVE_WARN && !source->ended)
        return fail_archive(source, error);
    return archive_filter_code(archive, 0) == kinds[source->kind].filter ||
           fail_input(error, "this libarchive cannot read %s", kinds[source->kind].name);
}

/* libarchive reads the first block at once: it may be where the damage is. */
static bool open_reader(struct byte_source *source, struct error *error)
{
    bool open;
    if (source->kind == PLAIN)
        open = (source->plain = allocate(BLOCK, 1, error)) != NULL;
    else if (source->kind == GZIP)
        open = (source->gzip = gzip_reader_open(source->file, error)) != NULL;
    else
        open = open_archive(source, error);
    return open || fail_context(error, "%s: cannot read past line 0", source->path);
}

struct byte_source *byte_source_open(const char *path, struct error *error)
{
    struct byte_source *source = allocate(1, sizeof *source, error);
    if (!source)
        return NULL;
    source->path = path;
    source->file = -1;
    if (open_regular_file(source, error) && recognize(source, error) && open_reader(source, error))
        return source;
    byte_source_close(source);
    return NULL;
}

void byte_source_close(struct byte_source *source)
{
    if (!source)
        return;
    free(source->plain);
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

static bool next_plain_block(struct byte_source *source, const void **bytes, size_t *size,
                             struct error *error)
{
    ssize_t got;
    do
        got = read(source->file, source->plain, BLOCK);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return fail_errno(error, errno, "cannot read");
    *bytes = source->plain;
    *size = (size_t)got;
    return true;
}

bool byte_source_next(struct byte_source *source, const void **bytes, size_t *size,
                      struct error *error)
{
    return source->kind == PLAIN  ? next_plain_block(source, bytes, size, error)
           : source->kind == GZIP ? gzip_reader_next(source->gzip, bytes, size, error)
                                  : next_archive_block(source, bytes, size, error);
}
