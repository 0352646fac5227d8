/* Reads the lines of a text (data/byte_source.h). Memory is bounded: twice LINE_LIMIT for the line,
 * a block, and two pieces of CONTENT_SAMPLE bytes that are checked before their lines are
 * returned. */
#ifndef CLOZE_DATA_LINE_READER_H
#define CLOZE_DATA_LINE_READER_H

#include "data/byte_source.h"

#include <stdint.h>

/* A longer line is returned in parts that end in another kind of break (line_last_break). A longer
 * line without one is an error, because memory is bounded. */
enum { LINE_LIMIT = 16 << 20 };

struct line_reader;

/* Returns NULL when memory is short. The caller keeps the source and its name, which must outlive
 * the reader. */
struct line_reader *line_reader_open(struct byte_source *source, const char *name,
                                     struct error *error);
void line_reader_close(struct line_reader *reader); /* NULL is accepted */

/* Makes CR end lines up to the first LF; from there on LF ends them. */
void line_reader_end_in_cr(struct line_reader *reader);

/* Returns the next line without its "\n" or "\r\n"; the last one may lack both. As in the original
 * program of BERT, a CR elsewhere, U+2028 and the like do not end a line. The byte order mark of
 * UTF-8 at the file's beginning is dropped. Foreign content later in the file (text/content.h) is
 * an error after the last line before it. Damage to a compressed file is an error when it is
 * reached.
 *
 * line, size  out: belong to the reader until its next call; not terminated, may hold zero bytes
 * end         out: true after the last line, when no line is returned */
bool line_reader_next(struct line_reader *reader, const char **line, size_t *size, bool *end,
                      struct error *error);

/* Returns the kind of content that follows the last line, such as "binary data", if that is why
 * line_reader_next failed, and sets *line to the number of the line where it begins. Returns NULL
 * otherwise. */
const char *line_reader_foreign_content(const struct line_reader *reader, uint64_t *line);

/* Returns the number of the line that line_reader_next returned last, from 1. */
uint64_t line_reader_number(const struct line_reader *reader);

/* Returns how many bytes have been read from the source, but not returned yet. */
size_t line_reader_ahead(const struct line_reader *reader);

/* Returns the offset after the last VT, FF, CR, U+0085, U+2028 or U+2029 in the text; 0 if there is
 * none. */
size_t line_last_break(const char *text, size_t size);

/* Returns whether Python's str.strip() would leave nothing of the line, which is how the original
 * program of BERT separates documents: white space of ASCII, U+001C to U+001F, U+0085 and the
 * spaces and separators of Unicode such as U+00A0, U+2028 and U+3000, but not U+200B or U+FEFF. */
bool line_is_blank(const char *line, size_t size);

#endif
