/* Memory: checked allocation, growing arrays and arenas.
 *
 * All of it is zeroed and aligned to 64 bytes (a cache line, an AVX-512 vector). What allocate and
 * grow return is owned by the caller and freed with free(). */
#ifndef CLOZE_BASE_MEMORY_H
#define CLOZE_BASE_MEMORY_H

#include "base/error.h"

#include <stddef.h>

enum { MEMORY_ALIGNMENT = 64 };

/* Returns count * size bytes, zeroed; for a count or size of zero, a valid pointer. When memory is
 * short or the product overflows, returns NULL and an error that says how much was asked for. */
void *allocate(size_t count, size_t size, struct error *error);

/* Makes room for `needed` elements of `size` bytes in *array, which has room for *capacity
 * elements, by doubling. The contents are kept and new room is zeroed. On failure nothing
 * changes. */
bool grow(void *array, size_t *capacity, size_t needed, size_t size, struct error *error);

/* A family of arrays in one block. The same code runs twice: first with an arena without a block,
 * which only adds up sizes and returns NULL, and after arena_bind with one that has the block.
 *
 *     struct arena arena = {0};
 *     plan(&arena);                      // measures
 *     if (!arena_bind(&arena, error))    // allocates what was measured
 *         return false;
 *     plan(&arena);                      // hands out */
struct arena {
    char *base;  /* NULL while measuring */
    size_t size; /* bytes of the block */
    size_t used;
    size_t peak;   /* the largest `used` so far: the size that the block must have */
    bool overflow; /* whether the sum does not fit in size_t; arena_bind then fails */
};

/* Returns the next `count` elements of `size` bytes; NULL while measuring. */
void *arena_take(struct arena *arena, size_t count, size_t size);

/* Rewinds `used` to `mark`, an earlier value. Arrays that are taken later overlay everything taken
 * since then; the two must not be needed at the same time. */
void arena_rewind(struct arena *arena, size_t mark);

/* Allocates a block of the measured size, in large pages if the system has them, and starts again
 * at its beginning. */
bool arena_bind(struct arena *arena, struct error *error);

/* Makes the block use small pages, each of which takes memory only when it is written. */
void arena_use_small_pages(struct arena *arena);

/* Returns to the system the whole pages among the `size` bytes at `from`, which lie in the block;
 * they then read as 0. Bytes of pages that are only partly in the range keep their values. */
void arena_release(struct arena *arena, void *from, size_t size);

/* Frees the block and empties the arena. */
void arena_free(struct arena *arena);

#endif
