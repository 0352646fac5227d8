/* The lines of a text (data/byte_source.h). Memory is bounded by LINE_LIMIT: twice that for the
 * line, a block, and the two pieces of CONTENT_LOOK bytes that are looked at before they are given
 * out. */
#ifndef CLOZE_DATA_LINE_READER_H
#define CLOZE_DATA_LINE_READER_H

#include "data/byte_source.h"

#include <stdint.h>

/* A longer line is given out in parts that end in other line ends (line_last_break); without any it
 * is an error, because memory is bounded. */
enum { LINE_LIMIT = 16 << 20 };

struct line_reader;

/* The source and its name stay the caller's and must outlive the reader. NULL when memory is
 * short. */
struct line_reader *line_reader_open(struct byte_source *source, const char *name,
                                     struct error *error);
void line_reader_close(struct line_reader *reader); /* NULL is accepted */

/* Lines end in CR up to the first LF, which ends a line as all that follow do. */
void line_reader_end_in_cr(struct line_reader *reader);

/* The next line without its "\n" or "\r\n"; the last one may lack both. As in the original program
 * of BERT, a CR elsewhere, U+2028 and the like end no line. The byte order mark of UTF-8 at the
 * file's beginning is dropped. What is no text further on is an error (text/content.h),
 * after the last line before it. A damaged or cut compressed file is an error where the damage is
 * met.
 *
 * line, size  out: belong to the reader until its next call; not terminated, may hold zero bytes
 * end         out: true, without a line, after the last one */
bool line_reader_next(struct line_reader *reader, const char **line, size_t *size, bool *end,
                      struct error *error);

/* What follows the last line, "binary data", if that is why line_reader_next failed, and the line
 * where it begins; NULL otherwise. */
const char *line_reader_what_follows(const struct line_reader *reader, uint64_t *line);

/* The number of the line that line_reader_next gave last, from 1. */
uint64_t line_reader_number(const struct line_reader *reader);

/* The place after the last VT, FF, CR, U+0085, U+2028 or U+2029 in the text; 0 without any. */
size_t line_last_break(const char *text, size_t size);

/* Whether the line holds nothing but what Python's str.strip() takes away, as the original program
 * of BERT tells documents apart: the white space of ASCII, U+001C to U+001F, U+0085 and the spaces
 * and separators of Unicode such as U+00A0, U+2028 and U+3000; not U+200B and U+FEFF. */
bool line_is_blank(const char *line, size_t size);

#endif
