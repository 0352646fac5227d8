/* Reads the bytes of a JSON text one at a time, keeps the current line for messages, and skips
 * white space and whole values. A skipped value is checked, but not stored. */
#ifndef CLOZE_DATA_JSON_BYTES_H
#define CLOZE_DATA_JSON_BYTES_H

#include "data/byte_source.h"

#include <stdint.h>

enum { JSON_END = -1 };

struct json_bytes {
    struct byte_source *source;
    const char *name;
    const unsigned char *next, *end; /* the bytes of the block that have not been read */
    uint64_t block_end;              /* offset of the end of the block in the file */
    uint64_t line, line_start;       /* number of the current line from 1, and its offset */
    uint64_t record_line;            /* number of the line where the record begins, for errors */
    bool failed;                     /* whether reading has failed and the error is set */
    unsigned char *nesting;          /* one bit for each open bracket: 1 for an object */
    size_t nesting_capacity;
};

/* Reads the next block; otherwise as json_bytes_peek. */
int json_bytes_refill(struct json_bytes *bytes, struct error *error);

/* Returns the next byte without moving past it; JSON_END at the end and after a failure. */
static inline int json_bytes_peek(struct json_bytes *bytes, struct error *error)
{
    return bytes->next < bytes->end ? *bytes->next : json_bytes_refill(bytes, error);
}

/* Moves past white space. Returns the next byte as json_bytes_peek does. */
int json_bytes_skip_space(struct json_bytes *bytes, struct error *error);

/* Sets the error to "NAME:LINE: malformed JSON: found ... at byte N, expected ...". Returns
 * false. */
bool json_bytes_fail(struct json_bytes *bytes, const char *expected, struct error *error);

/* Moves past white space and the given byte, which must follow it. */
bool json_bytes_take(struct json_bytes *bytes, char byte, const char *expected,
                     struct error *error);

/* Moves past the four digits of a \u escape; *unit is their value. */
bool json_bytes_take_digits(struct json_bytes *bytes, uint32_t *unit, struct error *error);

/* Moves past a value of any kind. */
bool json_bytes_skip_value(struct json_bytes *bytes, struct error *error);

#endif
