/* Tests of how a text begins and ends. Thread-safe; cannot fail. */
#ifndef CLOZE_BASE_AFFIX_H
#define CLOZE_BASE_AFFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static inline bool ends_with(const char *text, const char *suffix)
{
    size_t size = strlen(text), length = strlen(suffix);
    return size >= length && memcmp(text + size - length, suffix, length) == 0;
}

/* True for a Git LFS pointer, some 130 bytes of text: a repository cloned without Git LFS has it in
 * place of the file. */
static inline bool is_lfs_pointer(const void *bytes, size_t size)
{
    static const char start[] = "version https://git-lfs";
    return size >= sizeof start - 1 && memcmp(bytes, start, sizeof start - 1) == 0;
}

#endif
