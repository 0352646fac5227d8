#include "data/filter_reader.h"

#include "base/memory.h"

#include <archive_entry.h>
#include <stdlib.h>

struct filter_reader {
    struct archive_input input;
    struct archive *archive;
    bool ended;
};

static bool open_archive(struct filter_reader *reader, int filter, const char *name,
                         struct error *error)
{
    struct archive *archive = reader->archive = archive_read_new();
    if (!archive)
        return fail_work(error, "out of memory");
    /* ARCHIVE_WARN means that libarchive was built without the library and runs the program. */
    bool ready = archive_read_support_filter_by_code(archive, filter) >= ARCHIVE_WARN &&
                 archive_read_support_format_raw(archive) == ARCHIVE_OK &&
                 archive_read_support_format_empty(archive) == ARCHIVE_OK;
    if (!ready)
        return archive_input_fail(archive, &reader->input, error);
    if (!archive_input_open(archive, &reader->input, error))
        return false;
    struct archive_entry *entry;
    int status = archive_read_next_header(archive, &entry);
    reader->ended = status == ARCHIVE_EOF;
    if (status < ARCHIVE_WARN && !reader->ended)
        return archive_input_fail(archive, &reader->input, error);
    return archive_filter_code(archive, 0) == filter ||
           fail_input(error, "this libarchive cannot read %s", name);
}

struct filter_reader *filter_reader_open(struct byte_stream input, int filter, const char *name,
                                         struct error *error)
{
    struct filter_reader *reader = allocate(1, sizeof *reader, error);
    if (!reader)
        return NULL;
    reader->input.stream = input;
    if (open_archive(reader, filter, name, error))
        return reader;
    filter_reader_close(reader);
    return NULL;
}

void filter_reader_close(struct filter_reader *reader)
{
    if (!reader)
        return;
    if (reader->archive)
        archive_read_free(reader->archive);
    free(reader);
}

/* Checks that nothing follows the compressed data; libarchive does not read past their end. */
static bool check_end(struct filter_reader *reader, struct error *error)
{
    struct archive_input *input = &reader->input;
    const void *bytes;
    size_t size;
    do {
        if (!byte_stream_next(&input->stream, &bytes, &size, error))
            return false;
        input->size += size;
    } while (size);
    return archive_filter_bytes(reader->archive, -1) == (la_int64_t)input->size ||
           fail_input(error, "something else follows the compressed data");
}

bool filter_reader_next(void *context, const void **bytes, size_t *size, struct error *error)
{
    struct filter_reader *reader = context;
    la_int64_t offset;
    int status;
    *size = 0;
    do
        status = reader->ended ? ARCHIVE_EOF
                               : archive_read_data_block(reader->archive, bytes, size, &offset);
    while (status >= ARCHIVE_WARN && status != ARCHIVE_EOF && *size == 0);
    if (status == ARCHIVE_EOF) {
        *bytes = "";
        *size = 0;
        reader->ended = true;
        return check_end(reader, error);
    }
    return status >= ARCHIVE_WARN || archive_input_fail(reader->archive, &reader->input, error);
}
