/* gzip (RFC 1952) through zlib, which verifies the checksum and the length at the end of each
 * member; libarchive does not. */
#ifndef CLOZE_DATA_GZIP_READER_H
#define CLOZE_DATA_GZIP_READER_H

#include "data/byte_stream.h"

struct gzip_reader;

/* Returns NULL when memory is short. The caller keeps the input. */
struct gzip_reader *gzip_reader_open(struct byte_stream input, struct error *error);
void gzip_reader_close(struct gzip_reader *reader); /* NULL is accepted */

/* The function `next` of a byte stream whose context is the reader. Members may follow one another,
 * and zeros may follow the last one, as on tapes. */
bool gzip_reader_next(void *reader, const void **bytes, size_t *size, struct error *error);

#endif
