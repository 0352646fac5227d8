/* The smaller of two numbers, for each type that needs it. */
#ifndef CLOZE_BASE_MIN_H
#define CLOZE_BASE_MIN_H

#include <stddef.h>
#include <stdint.h>

static inline int min_int(int a, int b)
{
    return a < b ? a : b;
}

static inline int64_t min_int64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline uint64_t min_uint64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

#endif
