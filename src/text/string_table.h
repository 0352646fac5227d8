/* Strings numbered from 0 in the order in which they were first added. Zero-initialize; free with
 * string_table_free. Of one thread. */
#ifndef CLOZE_TEXT_STRING_TABLE_H
#define CLOZE_TEXT_STRING_TABLE_H

#include "base/buffer.h"

#include <stdint.h>

struct string_table {
    struct buffer bytes; /* the strings, each with a zero byte behind it */
    size_t *ends;        /* [count] where each one's zero byte is */
    size_t end_capacity;
    uint64_t
        *slots; /* [slot_count] open addressing: 32 bits of hash, 32 bits of number + 1; 0: free */
    size_t slot_count; /* a power of two, at most two thirds taken */
    uint32_t count;
};

/* The string's number, which is new if it was not there before. An error when memory is short or
 * there are more than 2^32 - 2 strings. */
bool string_table_add(struct string_table *table, const char *bytes, size_t size, uint32_t *number,
                      struct error *error);

/* The string as a C string, number < count, until the next addition. */
const char *string_table_get(const struct string_table *table, uint32_t number, size_t *size);

void string_table_free(struct string_table *table);

#endif
