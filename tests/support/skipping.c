#include "support/skipping.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t skipped;

void skip_test(const char *reason, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, reason);
    vsnprintf(text, sizeof text, reason, arguments);
    va_end(arguments);
    print_message("SKIPPED: %s\n", text);
    skipped++;
    skip();
}

void require_file(const char *path)
{
    const char *required = getenv("CLOZE_DATA_REQUIRED");
    if (path_exists(path))
        return;
    if (required && strcmp(required, "0") != 0)
        fail_msg("%s is absent", path);
    skip_test("%s is absent", path);
}

int group_status(int failed, size_t cases)
{
    return failed == 0 && skipped == cases ? SKIPPED_STATUS : failed;
}
