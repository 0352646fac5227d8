/* A byte stream as the input of libarchive. */
#ifndef CLOZE_DATA_ARCHIVE_INPUT_H
#define CLOZE_DATA_ARCHIVE_INPUT_H

#include "data/byte_stream.h"

#include <archive.h>

struct archive_input {
    struct byte_stream stream;
    uint64_t size;      /* number of bytes that libarchive has read so far */
    struct error error; /* error of the stream; kind ERROR_NONE if there is none */
};

/* Opens the archive on the input, which must outlive it. The caller has chosen the archive's
 * formats and filters. */
bool archive_input_open(struct archive *archive, struct archive_input *input, struct error *error);

/* Sets *error to the error of the input or, without one, of libarchive. Returns false. */
bool archive_input_fail(struct archive *archive, const struct archive_input *input,
                        struct error *error);

#endif
