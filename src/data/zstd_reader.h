/* zstd (RFC 8878) through libzstd: any number of frames, of which any may be skippable. libarchive
 * before 3.7 does not read files that begin with a skippable frame, nor windows above 128 MiB.
 *
 * Memory: the window of the frame, up to 2 GiB with zstd --long=31, or the text if that is smaller.
 * A window that is larger than the available memory is an error. */
#ifndef CLOZE_DATA_ZSTD_READER_H
#define CLOZE_DATA_ZSTD_READER_H

#include "data/byte_stream.h"

struct zstd_reader;

/* Returns NULL when memory is short. The caller keeps the input. */
struct zstd_reader *zstd_reader_open(struct byte_stream input, struct error *error);
void zstd_reader_close(struct zstd_reader *reader); /* NULL is accepted */

/* The function `next` of a byte stream whose context is the reader. */
bool zstd_reader_next(void *reader, const void **bytes, size_t *size, struct error *error);

#endif
