/* The normalized form of every code point, computed once so that reading text does not need a
 * Unicode library. */
#ifndef CLOZE_TEXT_NORMALIZER_TABLE_H
#define CLOZE_TEXT_NORMALIZER_TABLE_H

#include "base/utf8.h"
#include "text/normalizer.h"

enum code_point_class {
    CLASS_LETTER,  /* part of a word; not only letters */
    CLASS_ALONE,   /* a word of its own: punctuation, a Chinese character */
    CLASS_SPACE,   /* ends a word */
    CLASS_DROP,    /* is dropped */
    CLASS_BARRIER, /* is dropped, but marks must not be moved across it */
    CLASS_MARK,    /* a combining mark that is kept, in canonical order */
};

/* Bits 0 to 2: the class. Bits 3 to 7: the number of bytes of the normalized form, 0 if the code
 * point does not change. Bits 8 to 31: the offset of these bytes in `expansions`. */
typedef uint32_t table_entry;

enum { BLOCK_BITS = 7, BLOCK_SIZE = 1 << BLOCK_BITS };

struct normalizer {
    /* The normalized form of ASCII bytes of class CLASS_LETTER; 0 for all other bytes, which need
     * `entries`. */
    unsigned char letters[256];
    uint16_t blocks[UTF8_CODE_POINTS / BLOCK_SIZE]; /* equal neighbouring blocks are stored once */
    table_entry *entries;                           /* [blocks][BLOCK_SIZE] */
    char *expansions;
    size_t entry_count, entry_capacity;
    size_t expansion_size, expansion_capacity;
};

static inline table_entry normalizer_entry(const struct normalizer *normalizer, uint32_t code_point)
{
    size_t block = normalizer->blocks[code_point >> BLOCK_BITS];
    return normalizer->entries[block << BLOCK_BITS | (code_point & (BLOCK_SIZE - 1))];
}

static inline enum code_point_class entry_class(table_entry entry)
{
    return (enum code_point_class)(entry & 7);
}

static inline size_t entry_size(table_entry entry)
{
    return entry >> 3 & 31;
}

static inline size_t entry_offset(table_entry entry)
{
    return entry >> 8;
}

/* Returns the canonical combining class of a code point, by which marks are sorted. */
int combining_class(uint32_t code_point);

/* True if the code point is a Chinese character in the sense of step 2 in text/normalizer.h. */
bool is_chinese(uint32_t code_point);

#endif
