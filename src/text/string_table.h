/* Strings, numbered from 0 in the order in which they were first added. Zero-initialize; free with
 * string_table_free. Used by one thread. */
#ifndef CLOZE_TEXT_STRING_TABLE_H
#define CLOZE_TEXT_STRING_TABLE_H

#include "base/buffer.h"

#include <stdint.h>

struct string_table {
    struct buffer bytes; /* the strings, each with a zero byte after it */
    size_t *ends;        /* [count] offset of each string's zero byte */
    size_t end_capacity;

    /* [slot_count] open addressing: 32 bits of hash, 32 bits of number + 1; 0: free. */
    uint64_t *slots;
    size_t slot_count; /* a power of two; at most two thirds are used */
    uint32_t count;
};

/* Adds the string if it is new; *number gets its number. Returns false when memory is short or
 * there are more than 2^32 - 2 strings. */
bool string_table_add(struct string_table *table, const char *bytes, size_t size, uint32_t *number,
                      struct error *error);

/* Returns whether the table has the string; *number gets its number. */
bool string_table_find(const struct string_table *table, const char *bytes, size_t size,
                       uint32_t *number);

/* Returns string `number` < count, with a zero byte after it; valid until the next addition. */
const char *string_table_get(const struct string_table *table, uint32_t number, size_t *size);

void string_table_free(struct string_table *table);

#endif
