/* xz, bzip2 and lz4 through libarchive, which verifies their checksums. */
#ifndef CLOZE_DATA_FILTER_READER_H
#define CLOZE_DATA_FILTER_READER_H

#include "data/archive_input.h"

struct filter_reader;

/* filter: one of libarchive, such as ARCHIVE_FILTER_XZ, and its name for messages. The input stays
 * the caller's. The first block is read at once: it may be where the damage is. */
struct filter_reader *filter_reader_open(struct byte_stream input, int filter, const char *name,
                                         struct error *error);
void filter_reader_close(struct filter_reader *reader); /* NULL is accepted */

/* As the next of a byte stream, the context being the reader. Whatever follows the compressed data
 * is an error. */
bool filter_reader_next(void *reader, const void **bytes, size_t *size, struct error *error);

#endif
