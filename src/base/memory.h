/* Memory: checked allocation, growing arrays and arenas.
 *
 * All of it is zeroed and aligned to 64 bytes (a cache line, an AVX-512 vector). What allocate and
 * grow return is owned by the caller and freed with free(). */
#ifndef CLOZE_BASE_MEMORY_H
#define CLOZE_BASE_MEMORY_H

#include "base/error.h"

#include <stddef.h>

enum { MEMORY_ALIGNMENT = 64 };

/* count * size bytes, zeroed. A count or size of zero gives a valid block of no use. NULL and an
 * error that says how much was asked when memory is short or the product overflows. */
void *allocate(size_t count, size_t size, struct error *error);

/* Makes room for `needed` elements of `size` bytes in *array, whose room is *capacity elements, by
 * doubling; the contents stay, new room is zeroed. On failure nothing changes. */
bool grow(void *array, size_t *capacity, size_t needed, size_t size, struct error *error);

/* A family of arrays in one block. The same code runs twice: first against an arena without a
 * block, which only adds up sizes and returns NULL, then, after arena_bind, against the block.
 *
 *     struct arena arena = {0};
 *     plan(&arena);                      // measures
 *     if (!arena_bind(&arena, error))    // allocates what was measured
 *         return false;
 *     plan(&arena);                      // hands out
 */
struct arena {
    char *base;  /* NULL while measuring */
    size_t size; /* of the block */
    size_t used;
    size_t most;   /* that was ever used: what must be bound */
    bool overflow; /* the sum no longer fits in size_t; arena_bind then fails */
};

/* The next `count` elements of `size` bytes. */
void *arena_take(struct arena *arena, size_t count, size_t size);

/* What is taken from now on has the memory of what was taken since `used` was `mark`: the two must
 * not be needed at the same time. */
void arena_rewind(struct arena *arena, size_t mark);

/* Allocates the measured size in large pages where the system gives them, and starts again at its
 * beginning. */
bool arena_bind(struct arena *arena, struct error *error);

/* Returns the block; the arena is empty again. */
void arena_free(struct arena *arena);

#endif
