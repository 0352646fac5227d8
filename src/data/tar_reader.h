/* The members of a tar archive (ustar, pax, GNU, version 7) through libarchive, one after the
 * other, in constant memory. Archives may follow one another, as tar -A and cat leave them. */
#ifndef CLOZE_DATA_TAR_READER_H
#define CLOZE_DATA_TAR_READER_H

#include "data/byte_stream.h"

struct tar_reader;

/* The input stays the caller's. NULL when memory is short. */
struct tar_reader *tar_reader_open(struct byte_stream input, struct error *error);
void tar_reader_close(struct tar_reader *reader); /* NULL is accepted */

enum tar_member {
    TAR_FILE,  /* a regular file */
    TAR_HOLES, /* a regular file with holes, which read as zeros */
    TAR_LINK,  /* a link, whose contents stand elsewhere if anywhere */
    TAR_OTHER, /* a directory, a device, a FIFO */
    TAR_END,   /* after the last member */
};

/* Moves to the next member; what was not read of the last one is skipped. The name belongs to the
 * reader until its next call. Errors say the reason alone. */
bool tar_reader_next(struct tar_reader *reader, enum tar_member *member, const char **name,
                     struct error *error);

/* The contents of the member, until the next call of tar_reader_next. */
struct byte_stream tar_reader_contents(struct tar_reader *reader);

#endif
