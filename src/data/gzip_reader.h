/* gzip (RFC 1952) through zlib, which verifies the checksum and the length at the end of each
 * member; libarchive does not. */
#ifndef CLOZE_DATA_GZIP_READER_H
#define CLOZE_DATA_GZIP_READER_H

#include "base/error.h"

#include <stddef.h>

struct gzip_reader;

/* Reads from the descriptor's position on; the descriptor stays the caller's. NULL when memory is
 * short. */
struct gzip_reader *gzip_reader_open(int descriptor, struct error *error);
void gzip_reader_close(struct gzip_reader *reader); /* NULL is accepted */

/* As byte_source_next. Members follow one another; zeros may follow the last, as on tapes. */
bool gzip_reader_next(struct gzip_reader *reader, const void **bytes, size_t *size,
                      struct error *error);

#endif
