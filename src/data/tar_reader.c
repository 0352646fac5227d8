#include "data/tar_reader.h"

#include "base/memory.h"
#include "data/archive_input.h"

#include <archive_entry.h>
#include <stdlib.h>

struct tar_reader {
    struct archive_input input;
    struct archive *archive;
    la_int64_t offset; /* offset of the next bytes in the member */
};

static bool open_archive(struct tar_reader *reader, struct error *error)
{
    struct archive *archive = reader->archive = archive_read_new();
    if (!archive)
        return fail_work(error, "out of memory");
    bool ready =
        archive_read_support_format_tar(archive) == ARCHIVE_OK &&
        archive_read_support_format_empty(archive) == ARCHIVE_OK &&
        archive_read_set_option(archive, "tar", "read_concatenated_archives", "1") == ARCHIVE_OK;
    return ready ? archive_input_open(archive, &reader->input, error)
                 : archive_input_fail(archive, &reader->input, error);
}

struct tar_reader *tar_reader_open(struct byte_stream input, struct error *error)
{
    struct tar_reader *reader = allocate(1, sizeof *reader, error);
    if (!reader)
        return NULL;
    reader->input.stream = input;
    if (open_archive(reader, error))
        return reader;
    tar_reader_close(reader);
    return NULL;
}

void tar_reader_close(struct tar_reader *reader)
{
    if (!reader)
        return;
    if (reader->archive)
        archive_read_free(reader->archive);
    free(reader);
}

/* Reads the zeros after the last member to their end: the decompressor verifies its checksum only
 * there. */
static bool check_end(struct tar_reader *reader, struct error *error)
{
    const void *bytes;
    size_t size;
    do {
        if (!byte_stream_next(&reader->input.stream, &bytes, &size, error))
            return false;
        for (size_t i = 0; i < size; i++)
            if (((const char *)bytes)[i])
                return fail_input(error, "something else follows the tar archive");
    } while (size);
    return true;
}

static enum tar_member kind_of(struct archive_entry *entry)
{
    if (archive_entry_hardlink(entry) || archive_entry_filetype(entry) == AE_IFLNK)
        return TAR_LINK;
    if (archive_entry_filetype(entry) != AE_IFREG)
        return TAR_OTHER;
    return archive_entry_sparse_count(entry) > 0 ? TAR_HOLES : TAR_FILE;
}

bool tar_reader_next(struct tar_reader *reader, enum tar_member *member, const char **name,
                     struct error *error)
{
    struct archive_entry *entry;
    int status = archive_read_next_header(reader->archive, &entry);
    reader->offset = 0;
    *member = TAR_END;
    if (status == ARCHIVE_EOF)
        return check_end(reader, error);
    if (status < ARCHIVE_WARN)
        return archive_input_fail(reader->archive, &reader->input, error);
    *member = kind_of(entry);
    /* Names of the pax format are UTF-8 in any locale; other names are bytes. */
    *name = archive_entry_pathname_utf8(entry);
    if (!*name)
        *name = archive_entry_pathname(entry);
    if (!*name)
        *name = "(a member whose name cannot be read)";
    return true;
}

static bool next_block(void *context, const void **bytes, size_t *size, struct error *error)
{
    struct tar_reader *reader = context;
    la_int64_t offset = reader->offset;
    int status;
    *size = 0;
    do
        status = archive_read_data_block(reader->archive, bytes, size, &offset);
    while (status >= ARCHIVE_WARN && status != ARCHIVE_EOF && *size == 0);
    if (status == ARCHIVE_EOF) {
        *bytes = "";
        *size = 0;
        return true;
    }
    if (status < ARCHIVE_WARN)
        return archive_input_fail(reader->archive, &reader->input, error);
    if (offset != reader->offset)
        return fail_input(error, "the member has holes; expected text");
    reader->offset += (la_int64_t)*size;
    return true;
}

struct byte_stream tar_reader_contents(struct tar_reader *reader)
{
    return (struct byte_stream){next_block, reader};
}

uint64_t tar_reader_taken(const struct tar_reader *reader)
{
    return (uint64_t)reader->offset;
}
