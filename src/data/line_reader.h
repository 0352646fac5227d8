/* The lines of a text file, plain or compressed (data/byte_source.h). Memory is bounded by the
 * longest line. */
#ifndef CLOZE_DATA_LINE_READER_H
#define CLOZE_DATA_LINE_READER_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* A longer line is an error: text is split into sentences a line at a time, and memory is bounded.
 */
enum { LINE_LIMIT = 16 << 20 };

struct line_reader;

/* NULL if the file is missing, no regular file, not readable or not what its name says. The path
 * must outlive the reader. */
struct line_reader *line_reader_open(const char *path, struct error *error);
void line_reader_close(struct line_reader *reader); /* NULL is accepted */

/* The next line without its "\n" or "\r\n"; the last one may lack both. The byte order mark of
 * UTF-8 at the file's beginning is dropped; that of UTF-16 is an error. A damaged or cut compressed
 * file is an error where the damage is met.
 *
 * line, size  out: belong to the reader until its next call; not terminated, may hold zero bytes
 * end         out: true, without a line, behind the last one */
bool line_reader_next(struct line_reader *reader, const char **line, size_t *size, bool *end,
                      struct error *error);

/* The number of the line that line_reader_next gave last, from 1. */
uint64_t line_reader_number(const struct line_reader *reader);

#endif
