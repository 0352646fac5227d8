/* The layout of a shard, shared by its writer and its reader; data/dataset.h describes it. */
#ifndef CLOZE_DATA_SHARD_FORMAT_H
#define CLOZE_DATA_SHARD_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "shards are mapped without swapping bytes");

#define SHARD_MAGIC "CLZSHARD"

enum { SHARD_VERSION = 1, SHARD_BYTE_ORDER = 0x01020304, SHARD_ALIGNMENT = 8 };

struct shard_header {
    char magic[8];
    uint32_t version;
    uint32_t byte_order;
    uint32_t id_bytes;
    uint32_t vocabulary_size;
    uint64_t number;
    uint64_t documents;
    uint64_t sentences;
    uint64_t tokens;
    uint64_t vocabulary_hash;
    uint64_t is_last;
    uint64_t body_hash;
    uint64_t zeros[5];
    uint64_t header_hash; /* hash of all bytes before it */
};

_Static_assert(sizeof(struct shard_header) == 128, "the header has no padding");
_Static_assert(offsetof(struct shard_header, header_hash) == 120, "the hash is the header's end");

/* Returns the number of bytes of an id. */
static inline uint32_t shard_id_bytes(uint32_t vocabulary_size)
{
    return vocabulary_size <= UINT16_MAX + 1 ? 2 : 4;
}

/* The offsets of a shard's sections, in bytes. */
struct shard_layout {
    uint64_t ids_end;
    uint64_t sentence_starts;
    uint64_t document_starts;
    uint64_t size;
};

/* Computes the layout. Returns false if the header's counts overflow 64 bits. */
static inline bool shard_layout_of(const struct shard_header *header, struct shard_layout *layout)
{
    uint64_t ids, sentences, documents;
    return !__builtin_mul_overflow(header->tokens, header->id_bytes, &ids) &&
           !__builtin_mul_overflow(header->sentences, sizeof(uint64_t), &sentences) &&
           !__builtin_mul_overflow(header->documents, sizeof(uint64_t), &documents) &&
           !__builtin_add_overflow(sizeof *header, ids, &layout->ids_end) &&
           !__builtin_add_overflow(layout->ids_end, -ids % SHARD_ALIGNMENT,
                                   &layout->sentence_starts) &&
           !__builtin_add_overflow(layout->sentence_starts, sentences, &layout->document_starts) &&
           !__builtin_add_overflow(layout->document_starts, sizeof(uint64_t),
                                   &layout->document_starts) &&
           !__builtin_add_overflow(layout->document_starts, documents, &layout->size) &&
           !__builtin_add_overflow(layout->size, sizeof(uint64_t), &layout->size);
}

#endif
