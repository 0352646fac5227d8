/* A byte stream as what libarchive reads. */
#ifndef CLOZE_DATA_ARCHIVE_INPUT_H
#define CLOZE_DATA_ARCHIVE_INPUT_H

#include "data/byte_stream.h"

#include <archive.h>

struct archive_input {
    struct byte_stream stream;
    uint64_t size;      /* of what was read from it so far */
    struct error error; /* of the stream */
};

/* Opens the archive, whose formats and filters are chosen, on the input, which must outlive it. */
bool archive_input_open(struct archive *archive, struct archive_input *input, struct error *error);

/* Sets the error from what went wrong in the archive or in its input. Returns false. */
bool archive_input_fail(struct archive *archive, const struct archive_input *input,
                        struct error *error);

#endif
