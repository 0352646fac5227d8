/* What the normalizer does to every code point, found once so that reading text needs no Unicode
 * library. */
#ifndef CLOZE_TEXT_NORMALIZER_TABLE_H
#define CLOZE_TEXT_NORMALIZER_TABLE_H

#include "text/normalizer.h"
#include "text/utf8.h"

enum code_point_class {
    CLASS_LETTER,  /* any part of a word, not only letters */
    CLASS_ALONE,   /* a word of its own: punctuation, a Chinese character */
    CLASS_SPACE,   /* ends a word */
    CLASS_DROP,    /* leaves nothing */
    CLASS_BARRIER, /* leaves nothing, but marks before it and after it must not change places */
    CLASS_MARK,    /* a combining mark that stays, to be put in canonical order */
};

/* A class in the lowest 3 bits; then the number of bytes that the code point becomes, 0 if it stays
 * as it is; then, from bit 8 on, where these bytes begin in `expansions`. */
typedef uint32_t table_entry;

enum { BLOCK_BITS = 7, BLOCK_SIZE = 1 << BLOCK_BITS };

struct normalizer {
    /* What the ASCII bytes that are parts of words become; 0 for every other byte, which the
     * entries know. */
    unsigned char letters[256];
    uint16_t blocks[UTF8_CODE_POINTS / BLOCK_SIZE]; /* equal neighbours are stored once */
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

/* The canonical combining class of a code point: marks are put in ascending order of it. */
int combining_class(uint32_t code_point);

#endif
