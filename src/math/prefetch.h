/* Asking for memory before it is needed, where it is too far from what was read last for the
 * processor to foresee it. */
#ifndef CLOZE_MATH_PREFETCH_H
#define CLOZE_MATH_PREFETCH_H

#include <stdint.h>

/* Prefetches a line into the first-level cache. Where rows are laid out it is one of those that
 * come next: transposing the logits' gradients, whose rows are the longest, takes half the time
 * with it (Zen 5). */
static inline void fetch(const void *address)
{
    __builtin_prefetch(address, 0, 3);
}

/* Into the second-level cache. The address may lie past the end of an array, where no pointer may
 * point: nothing happens there. */
static inline void fetch_soon(uintptr_t address)
{
    __builtin_prefetch((const void *)address, 0, 2); /* NOLINT(performance-no-int-to-ptr) */
}

#endif
