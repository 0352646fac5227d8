#include "data/line_reader.h"

#include "base/file.h"
#include "base/memory.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct line_reader {
    const char *path;
    int file;
    struct archive *archive;
    struct buffer text; /* read, from `next` on not yet given out */
    size_t next;
    uint64_t number;
    bool file_ended;
};

/* Without O_NONBLOCK, opening a FIFO would wait for its writer before it can be refused. */
static bool open_regular_file(struct line_reader *reader, struct error *error)
{
    reader->file = open(reader->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (reader->file < 0)
        return fail_path(error, errno, reader->path, "open");
    struct stat status;
    if (fstat(reader->file, &status) != 0)
        return fail_path(error, errno, reader->path, "examine");
    if (S_ISDIR(status.st_mode))
        return fail_input(error, "%s: is a directory; expected a file", reader->path);
    if (!S_ISREG(status.st_mode))
        return fail_input(error, "%s: is no regular file", reader->path);
    return true;
}

static bool fail_archive(struct line_reader *reader, struct error *error)
{
    const char *reason = archive_error_string(reader->archive);
    return fail_input(error, "%s: cannot read past line %llu: %s", reader->path,
                      (unsigned long long)reader->number, reason ? reason : "unknown reason");
}

/* Only the formats that are documented, so that no other text is mistaken for an archive. */
static bool open_archive(struct line_reader *reader, struct error *error)
{
    enum { BLOCK = 256 << 10 };
    struct archive *archive = reader->archive = archive_read_new();
    if (!archive)
        return fail_work(error, "%s: out of memory", reader->path);
    /* ARCHIVE_WARN: libarchive was built without the library and runs the program instead. */
    bool open = archive_read_support_filter_gzip(archive) >= ARCHIVE_WARN &&
                archive_read_support_filter_zstd(archive) >= ARCHIVE_WARN &&
                archive_read_support_filter_xz(archive) >= ARCHIVE_WARN &&
                archive_read_support_filter_bzip2(archive) >= ARCHIVE_WARN &&
                archive_read_support_format_raw(archive) == ARCHIVE_OK &&
                archive_read_support_format_empty(archive) == ARCHIVE_OK &&
                archive_read_open_fd(archive, reader->file, BLOCK) >= ARCHIVE_WARN;
    if (!open)
        return fail_archive(reader, error);
    struct archive_entry *entry;
    int status = archive_read_next_header(archive, &entry);
    reader->file_ended = status == ARCHIVE_EOF;
    return status >= ARCHIVE_WARN || reader->file_ended || fail_archive(reader, error);
}

struct line_reader *line_reader_open(const char *path, struct error *error)
{
    struct line_reader *reader = allocate(1, sizeof *reader, error);
    if (!reader)
        return NULL;
    reader->path = path;
    if (!open_regular_file(reader, error) || !open_archive(reader, error)) {
        line_reader_close(reader);
        return NULL;
    }
    return reader;
}

void line_reader_close(struct line_reader *reader)
{
    if (!reader)
        return;
    if (reader->archive)
        archive_read_free(reader->archive);
    if (reader->file >= 0)
        close(reader->file);
    buffer_free(&reader->text);
    free(reader);
}

/* Moves the line that is only half there to the buffer's beginning and appends the file's next
 * block. */
static bool read_block(struct line_reader *reader, struct error *error)
{
    struct buffer *text = &reader->text;
    text->size -= reader->next;
    if (reader->next && text->size)
        memmove(text->data, text->data + reader->next, text->size);
    reader->next = 0;
    const void *block;
    size_t size;
    la_int64_t offset;
    int status = archive_read_data_block(reader->archive, &block, &size, &offset);
    if (status == ARCHIVE_EOF) {
        reader->file_ended = true;
        return true;
    }
    if (status < ARCHIVE_WARN)
        return fail_archive(reader, error);
    return buffer_append(text, block, size, error);
}

/* Looks at the first bytes of the file, which are at the buffer's beginning. */
static bool skip_byte_order_mark(struct line_reader *reader, struct error *error)
{
    const struct buffer *text = &reader->text;
    if (text->size >= 3 && memcmp(text->data, "\xEF\xBB\xBF", 3) == 0)
        reader->next = 3;
    if (text->size >= 2 &&
        (memcmp(text->data, "\xFF\xFE", 2) == 0 || memcmp(text->data, "\xFE\xFF", 2) == 0))
        return fail_input(error, "%s: begins as UTF-16 text; expected UTF-8", reader->path);
    return true;
}

/* Reads until a whole line, or what is left of the file, stands at `next`; *size is its length
 * without the "\n". */
static bool find_line(struct line_reader *reader, size_t *size, struct error *error)
{
    size_t searched = 0;
    for (;;) {
        size_t ready = reader->text.size - reader->next;
        const char *line = ready ? reader->text.data + reader->next : NULL;
        const char *newline =
            ready > searched ? memchr(line + searched, '\n', ready - searched) : NULL;
        *size = newline ? (size_t)(newline - line) : ready;
        if (*size > LINE_LIMIT)
            return fail_input(error, "%s:%llu: the line is longer than %d MiB", reader->path,
                              (unsigned long long)reader->number + 1, LINE_LIMIT >> 20);
        if (newline || reader->file_ended)
            return true;
        searched = ready;
        if (!read_block(reader, error))
            return false;
    }
}

bool line_reader_next(struct line_reader *reader, const char **line, size_t *size, bool *end,
                      struct error *error)
{
    if (!find_line(reader, size, error))
        return false;
    if (reader->number == 0 && reader->next == 0) {
        if (!skip_byte_order_mark(reader, error))
            return false;
        *size -= reader->next;
    }
    *end = reader->next == reader->text.size;
    if (*end)
        return true;
    *line = reader->text.data + reader->next;
    reader->next += *size;
    if (reader->next < reader->text.size)
        reader->next++; /* the "\n" */
    reader->number++;
    if (*size && (*line)[*size - 1] == '\r')
        --*size;
    return true;
}

uint64_t line_reader_number(const struct line_reader *reader)
{
    return reader->number;
}
