#include "support/scratch.h"

#include "base/directory.h"
#include "support/contents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

int scratch_set_up(void **state)
{
    const char *parent = getenv("TMPDIR");
    struct scratch *scratch = calloc(1, sizeof *scratch);
    if (!scratch)
        return -1;
    snprintf(scratch->directory, sizeof scratch->directory, "%s/cloze-test-XXXXXX",
             parent && strlen(parent) < 32 ? parent : "/tmp");
    *state = scratch;
    return mkdtemp(scratch->directory) ? 0 : -1;
}

int scratch_tear_down(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    bool removed = directory_remove(scratch->directory, &error);
    free(scratch);
    return removed ? 0 : -1;
}

const char *scratch_path(struct scratch *scratch, const char *name)
{
    snprintf(scratch->path, sizeof scratch->path, "%s/%s", scratch->directory, name);
    return scratch->path;
}

char *scratch_path_copy(struct scratch *scratch, const char *name)
{
    char *path = strdup(scratch_path(scratch, name));
    assert_non_null(path);
    return path;
}

const char *scratch_write(struct scratch *scratch, const char *name, const void *data, size_t size)
{
    FILE *file = fopen(scratch_path(scratch, name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return scratch->path;
}

const char *scratch_write_text(struct scratch *scratch, const char *name, const char *text)
{
    return scratch_write(scratch, name, text, strlen(text));
}

void scratch_assert_same_file(struct scratch *scratch, const char *a, const char *b)
{
    char *first = scratch_path_copy(scratch, a);
    assert_same_contents(first, scratch_path(scratch, b));
    free(first);
}
