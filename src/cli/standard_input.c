#include "cli/standard_input.h"

#include "base/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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

bool standard_input_check_operand(const char *path, struct error *error)
{
    struct stat status;
    return is_standard_input(path) || stat(path, &status) != 0 || S_ISREG(status.st_mode) ||
           S_ISDIR(status.st_mode) ||
           fail_irregular(error, path, status.st_mode, "; give it to the standard input");
}
