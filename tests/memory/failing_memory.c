#include "memory/failing_memory.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What glibc calls its own functions besides. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

static _Atomic int64_t left; /* allocations before the one that fails; 0: none does */
static _Atomic bool has_failed;
static _Atomic int64_t blocks;

void memory_fail_at(uint64_t number)
{
    has_failed = false;
    left = (int64_t)number;
}

bool memory_has_failed(void)
{
    return has_failed;
}

int64_t memory_blocks(void)
{
    return blocks;
}

__attribute__((constructor)) static void read_environment(void)
{
    const char *number = getenv("CLOZE_FAIL_ALLOCATION");
    if (number)
        memory_fail_at(strtoull(number, NULL, 10));
}

static bool is_exempt(const void *caller)
{
    Dl_info info;
    static const char *const libraries[] = {"/libgomp.", "/libjansson.", "/libarchive.",
                                            "/liblzma.", "/libbz2.",     "/libzstd."};
    if (!dladdr(caller, &info) || !info.dli_fname)
        return false;
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        if (strstr(info.dli_fname, libraries[i]))
            return true;
    return false;
}

/* Whether the allocation that this caller asks for fails. */
static bool fails(const void *caller)
{
    if (left == 0 || is_exempt(caller) || atomic_fetch_sub(&left, 1) != 1)
        return false;
    has_failed = true;
    errno = ENOMEM;
    return true;
}

static void *count(void *block)
{
    if (block)
        atomic_fetch_add(&blocks, 1);
    return block;
}

#define CALLER __builtin_return_address(0)

void *malloc(size_t size)
{
    return fails(CALLER) ? NULL : count(__libc_malloc(size));
}

void *calloc(size_t number, size_t size)
{
    return fails(CALLER) ? NULL : count(__libc_calloc(number, size));
}

void *realloc(void *block, size_t size)
{
    if (fails(CALLER))
        return NULL;
    void *moved = __libc_realloc(block, size);
    if (!block)
        count(moved);
    else if (size == 0)
        atomic_fetch_sub(&blocks, 1);
    return moved;
}

void *memalign(size_t alignment, size_t size)
{
    return fails(CALLER) ? NULL : count(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(CALLER) ? NULL : count(__libc_memalign(alignment, size));
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    *block = fails(CALLER) ? NULL : count(__libc_memalign(alignment, size));
    return *block ? 0 : ENOMEM;
}

void free(void *block)
{
    if (block)
        atomic_fetch_sub(&blocks, 1);
    __libc_free(block);
}

void *mmap(void *address, size_t size, int protection, int flags, int file, off_t offset)
{
    bool memory = flags & MAP_ANONYMOUS;
    if (memory && fails(CALLER))
        return MAP_FAILED;
    long mapped = syscall(SYS_mmap, address, size, protection, flags, file, offset);
    void *block;
    memcpy(&block, &mapped, sizeof block);
    return block == MAP_FAILED ? block : count(block);
}

int munmap(void *address, size_t size)
{
    atomic_fetch_sub(&blocks, 1);
    return (int)syscall(SYS_munmap, address, size);
}
