/* The lines of a file of labelled texts, plain or compressed (data/byte_source.h), with LF, CRLF or
 * CR at their ends, with or without a byte-order mark (data/line_reader.h). */
#ifndef CLOZE_DATA_LABELLED_LINES_H
#define CLOZE_DATA_LABELLED_LINES_H

#include "data/line_reader.h"

struct labelled_lines {
    const char *name; /* of the file, for messages */
    struct byte_source *source;
    struct line_reader *reader;
    uint64_t number; /* of the last line, from 1 */
};

/* Opens a file; or, with a name for it, a stream. Both must outlive the lines. An error, such as
 * that the file is not text, begins with the name. Call labelled_lines_close also on failure. */
bool labelled_lines_open(struct labelled_lines *lines, const char *path, struct error *error);
bool labelled_lines_open_stream(struct labelled_lines *lines, struct byte_stream stream,
                                const char *name, struct error *error);
void labelled_lines_close(struct labelled_lines *lines);

/* Returns the next line, which belongs to the lines until the next call; *end is true, without a
 * line, after the last one. A line of more than LINE_LIMIT bytes is an error with file and line. */
bool labelled_lines_next(struct labelled_lines *lines, const char **line, size_t *size, bool *end,
                         struct error *error);

#endif
