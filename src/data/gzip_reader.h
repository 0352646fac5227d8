/* gzip (RFC 1952) through zlib, which verifies the checksum and the length at the end of each
 * member; libarchive does not. */
#ifndef CLOZE_DATA_GZIP_READER_H
#define CLOZE_DATA_GZIP_READER_H

#include "data/byte_stream.h"

struct gzip_reader;

/* The input stays the caller's. NULL when memory is short. */
struct gzip_reader *gzip_reader_open(struct byte_stream input, struct error *error);
void gzip_reader_close(struct gzip_reader *reader); /* NULL is accepted */

/* As the next of a byte stream, the context being the reader. Members follow one another; zeros may
 * follow the last, as on tapes. */
bool gzip_reader_next(void *reader, const void **bytes, size_t *size, struct error *error);

#endif
