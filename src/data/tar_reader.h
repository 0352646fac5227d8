/* Reads the members of a tar archive (ustar, pax, GNU, version 7) through libarchive, one after the
 * other, in constant memory. Several archives may follow one another, as after tar -A or cat. */
#ifndef CLOZE_DATA_TAR_READER_H
#define CLOZE_DATA_TAR_READER_H

#include "data/byte_stream.h"

#include <stdint.h>

struct tar_reader;

/* Returns NULL when memory is short. The caller keeps the input. */
struct tar_reader *tar_reader_open(struct byte_stream input, struct error *error);
void tar_reader_close(struct tar_reader *reader); /* NULL is accepted */

enum tar_member {
    TAR_FILE,  /* a regular file */
    TAR_HOLES, /* a regular file with holes, which read as zeros */
    TAR_LINK,  /* a link, which has no contents of its own */
    TAR_OTHER, /* a directory, a device, a FIFO */
    TAR_END,   /* after the last member */
};

/* Moves to the next member and skips the unread rest of the current one. The name belongs to the
 * reader until its next call. Errors have only a reason. */
bool tar_reader_next(struct tar_reader *reader, enum tar_member *member, const char **name,
                     struct error *error);

/* Returns the contents of the current member, valid until the next call of tar_reader_next. */
struct byte_stream tar_reader_contents(struct tar_reader *reader);

/* Returns how many bytes of the current member have been read. */
uint64_t tar_reader_taken(const struct tar_reader *reader);

#endif
