/* A stand-in for the system's memory allocation that fails when told: malloc and its relatives, and
 * anonymous mmap, for the program and every library it uses. A test links it, or the program is
 * started with it in LD_PRELOAD; then CLOZE_FAIL_ALLOCATION=N in the environment makes the N-th
 * allocation fail.
 *
 * Allocations by OpenMP's runtime and by jansson never fail. The one ends the process by itself,
 * with status 1 and "libgomp: Out of memory"; the other corrupts its memory, and has an allocator
 * in the program that ends the process (base/json.h), so there they fail. */
#ifndef CLOZE_TESTS_MEMORY_FAILING_MEMORY_H
#define CLOZE_TESTS_MEMORY_FAILING_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* The number-th allocation from now on fails, once; 0: none does. */
void memory_fail_at(uint64_t number);

/* Whether it has been reached. */
bool memory_has_failed(void);

/* Blocks that were given out and not returned. */
int64_t memory_blocks(void);

#endif
