#include "data/archive_input.h"

#include <errno.h>

static la_ssize_t read_block(struct archive *archive, void *context, const void **bytes)
{
    struct archive_input *input = context;
    size_t size;
    if (!byte_stream_next(&input->stream, bytes, &size, &input->error)) {
        archive_set_error(archive, EIO, "cannot read");
        return -1;
    }
    input->size += size;
    return (la_ssize_t)size;
}

bool archive_input_open(struct archive *archive, struct archive_input *input, struct error *error)
{
    return archive_read_open(archive, input, NULL, read_block, NULL) >= ARCHIVE_WARN ||
           archive_input_fail(archive, input, error);
}

bool archive_input_fail(struct archive *archive, const struct archive_input *input,
                        struct error *error)
{
    if (input->error.kind != ERROR_NONE) {
        *error = input->error;
        return false;
    }
    const char *reason = archive_error_string(archive);
    if (archive_errno(archive) == ENOMEM)
        return fail_work(error, "out of memory");
    return fail_input(error, "%s", reason ? reason : "unknown reason");
}
