/* zstd (RFC 8878) through libzstd: frames follow one another, skippable ones among them, wherever
 * they stand. libarchive before 3.7 knows no file that begins with a skippable frame, and no
 * window above 128 MiB.
 *
 * Memory: the window of the frame, up to 2 GiB for zstd --long=31, as far as its text fills it. A
 * window that is larger than the memory that is available is refused. */
#ifndef CLOZE_DATA_ZSTD_READER_H
#define CLOZE_DATA_ZSTD_READER_H

#include "data/byte_stream.h"

struct zstd_reader;

/* The input stays the caller's. NULL when memory is short. */
struct zstd_reader *zstd_reader_open(struct byte_stream input, struct error *error);
void zstd_reader_close(struct zstd_reader *reader); /* NULL is accepted */

/* As the next of a byte stream, the context being the reader. */
bool zstd_reader_next(void *reader, const void **bytes, size_t *size, struct error *error);

#endif
