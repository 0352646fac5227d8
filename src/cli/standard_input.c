#include "cli/standard_input.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool is_standard_input(const char *path)
{
    return !path || strcmp(path, "-") == 0;
}

static bool next_block(void *context, const void **bytes, size_t *size, struct error *error)
{
    static char block[1 << 16];
    (void)context;
    *bytes = block;
    *size = fread(block, 1, sizeof block, stdin);
    return !ferror(stdin) || fail_errno(error, errno, "cannot read");
}

struct byte_stream standard_input_stream(void)
{
    return (struct byte_stream){.next = next_block};
}
