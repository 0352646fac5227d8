/* The lines of a file of text, plain or compressed (data/byte_source.h), with LF, CRLF or CR at
 * their ends, with or without a byte-order mark (data/line_reader.h). */
#ifndef CLOZE_DATA_TEXT_LINES_H
#define CLOZE_DATA_TEXT_LINES_H

#include "data/line_reader.h"

struct text_lines {
    const char *name; /* of the file, for messages */
    bool begins_json; /* whether the contents begin as JSON */
    struct byte_source *source;
    struct line_reader *reader;
    uint64_t number; /* of the last line, from 1 */
};

/* Opens a file; or, with a name for it, a stream. Both must outlive the lines. An error, such as
 * that the file is not text, begins with the name. Call text_lines_close also on failure. */
bool text_lines_open(struct text_lines *lines, const char *path, struct error *error);
bool text_lines_open_stream(struct text_lines *lines, struct byte_stream stream, const char *name,
                            struct error *error);
void text_lines_close(struct text_lines *lines);

/* Reads the next line, which belongs to the lines until the next call; *end is true, without a
 * line, after the last one. A line of more than LINE_LIMIT bytes is an error with file and line. */
bool text_lines_next(struct text_lines *lines, const char **line, size_t *size, bool *end,
                     struct error *error);

/* As text_lines_next, but of a line of more than LINE_LIMIT bytes gives the beginning, up to a
 * break of another kind (line_last_break); without one it is an error. */
bool text_lines_next_beginning(struct text_lines *lines, const char **line, size_t *size, bool *end,
                               struct error *error);

#endif
