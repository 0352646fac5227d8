#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t round_up(size_t value, size_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

void *allocate(size_t count, size_t size, struct error *error)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX - MEMORY_ALIGNMENT) {
        fail_work(error, "out of memory: %zu x %zu bytes is more than can be addressed", count,
                  size);
        return NULL;
    }
    bytes = round_up(bytes ? bytes : 1, MEMORY_ALIGNMENT);
    void *block = aligned_alloc(MEMORY_ALIGNMENT, bytes);
    if (!block) {
        fail_work(error, "out of memory: cannot allocate %zu bytes", bytes);
        return NULL;
    }
    return memset(block, 0, bytes);
}

bool grow(void *array, size_t *capacity, size_t needed, size_t size, struct error *error)
{
    enum { FIRST_CAPACITY = 16 };
    if (needed <= *capacity)
        return true;
    size_t room = *capacity ? *capacity : FIRST_CAPACITY;
    while (room < needed)
        room = room > SIZE_MAX / 2 ? needed : room * 2;
    void *larger = allocate(room, size, error);
    if (!larger)
        return false;
    void *old;
    memcpy(&old, array, sizeof old);
    if (*capacity)
        memcpy(larger, old, *capacity * size);
    free(old);
    memcpy(array, &larger, sizeof larger);
    *capacity = room;
    return true;
}

void *arena_take(struct arena *arena, size_t count, size_t size)
{
    size_t bytes;
    size_t start = arena->used;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX - MEMORY_ALIGNMENT ||
        __builtin_add_overflow(start, round_up(bytes, MEMORY_ALIGNMENT), &arena->used)) {
        arena->overflow = true;
        return NULL;
    }
    arena->peak = arena->used > arena->peak ? arena->used : arena->peak;
    if (!arena->base)
        return NULL;
    CHECK(arena->used <= arena->size);
    return arena->base + start;
}

void arena_rewind(struct arena *arena, size_t mark)
{
    CHECK(mark <= arena->used);
    arena->used = mark;
}

bool arena_bind(struct arena *arena, struct error *error)
{
    enum { HUGE_PAGE = 2 << 20 };
    CHECK(!arena->base);
    if (arena->overflow)
        return fail_work(error, "out of memory: the sizes add up to more than can be addressed");
    size_t size = round_up(arena->peak ? arena->peak : 1, HUGE_PAGE);
    void *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        return fail_work(error, "out of memory: cannot allocate %zu bytes", size);
    /* This is only advice: a kernel without large pages uses small ones. */
    madvise(block, size, MADV_HUGEPAGE);
    *arena = (struct arena){.base = block, .size = size};
    return true;
}

void arena_use_small_pages(struct arena *arena)
{
    madvise(arena->base, arena->size,
            MADV_NOHUGEPAGE); /* advice too: without it the pages take more memory */
}

void arena_release(struct arena *arena, void *from, size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t offset = (size_t)((char *)from - arena->base);
    const size_t begin = round_up(offset, page), end = (offset + size) / page * page;
    CHECK(offset + size <= arena->size);
    if (begin < end)
        CHECK(madvise(arena->base + begin, end - begin, MADV_DONTNEED) == 0);
}

void arena_free(struct arena *arena)
{
    if (arena->base)
        munmap(arena->base, arena->size);
    *arena = (struct arena){0};
}
