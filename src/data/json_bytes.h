/* The bytes of a JSON text one at a time, with their place, and what is skipped in them: white
 * space and whole values. A value is checked, not kept. */
#ifndef CLOZE_DATA_JSON_BYTES_H
#define CLOZE_DATA_JSON_BYTES_H

#include "data/byte_source.h"

#include <stdint.h>

enum { JSON_END = -1 };

struct json_bytes {
    struct byte_source *source;
    const char *name;
    const unsigned char *next, *end; /* of the block */
    uint64_t block_end;              /* its place in the file, from 0 */
    uint64_t line, line_start;       /* its number from 1, and where it begins */
    uint64_t record_line;            /* where the record begins: errors name it */
    bool failed;                     /* the error is set */
    unsigned char *nesting;          /* a bit for each open bracket: 1 for an object */
    size_t nesting_capacity;
};

/* The next byte, which stays the next; JSON_END at the end and after a failure. */
int json_bytes_refill(struct json_bytes *bytes, struct error *error);

static inline int json_bytes_peek(struct json_bytes *bytes, struct error *error)
{
    return bytes->next < bytes->end ? *bytes->next : json_bytes_refill(bytes, error);
}

/* Past white space and byte order marks of the file's beginning; the next byte as above. */
int json_bytes_skip_space(struct json_bytes *bytes, struct error *error);

/* "NAME:LINE: malformed JSON: found ... at byte N, expected ...". Returns false. */
bool json_bytes_fail(struct json_bytes *bytes, const char *expected, struct error *error);

/* Past the byte, which must be the next after white space. */
bool json_bytes_take(struct json_bytes *bytes, char byte, const char *expected,
                     struct error *error);

/* Past the four digits of a \u escape. */
bool json_bytes_take_digits(struct json_bytes *bytes, uint32_t *unit, struct error *error);

/* Past a value of any kind. */
bool json_bytes_skip_value(struct json_bytes *bytes, struct error *error);

#endif
