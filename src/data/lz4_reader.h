/* LZ4 frames (lz4_Frame_format.md of the lz4 project) through liblz4: any number of them, of which
 * any may be skippable or empty. libarchive takes an empty frame for the end of the data and does
 * not read files that begin with a skippable one. */
#ifndef CLOZE_DATA_LZ4_READER_H
#define CLOZE_DATA_LZ4_READER_H

#include "data/byte_stream.h"

struct lz4_reader;

/* Returns NULL when memory is short. The caller keeps the input. */
struct lz4_reader *lz4_reader_open(struct byte_stream input, struct error *error);
void lz4_reader_close(struct lz4_reader *reader); /* NULL is accepted */

/* The function `next` of a byte stream whose context is the reader. Any byte after the frames is an
 * error. */
bool lz4_reader_next(void *reader, const void **bytes, size_t *size, struct error *error);

#endif
