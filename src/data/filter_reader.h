/* xz and bzip2 through libarchive, which verifies their checksums. */
#ifndef CLOZE_DATA_FILTER_READER_H
#define CLOZE_DATA_FILTER_READER_H

#include "data/archive_input.h"

struct filter_reader;

/* filter  code of a filter of libarchive, such as ARCHIVE_FILTER_XZ
 * name    name of the filter in messages
 * The caller keeps the input. The first block is read here, so damage in it is an error of this
 * function. */
struct filter_reader *filter_reader_open(struct byte_stream input, int filter, const char *name,
                                         struct error *error);
void filter_reader_close(struct filter_reader *reader); /* NULL is accepted */

/* The function `next` of a byte stream whose context is the reader. Any byte after the compressed
 * data is an error. */
bool filter_reader_next(void *reader, const void **bytes, size_t *size, struct error *error);

#endif
