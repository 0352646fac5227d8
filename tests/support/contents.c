#include "support/contents.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct buffer contents_of(const char *path)
{
    struct error error = {0};
    struct buffer contents = {0};
    if (!file_read(path, 1 << 30, &contents, &error))
        fail_msg("%s", error.message);
    return contents;
}

void assert_contents(const char *path, const struct buffer *expected)
{
    struct buffer found = contents_of(path);
    assert_int_equal(found.size, expected->size);
    assert_memory_equal(found.data, expected->data, found.size);
    buffer_free(&found);
}

void assert_same_contents(const char *a, const char *b)
{
    struct buffer first = contents_of(a), second = contents_of(b);
    if (first.size != second.size || memcmp(first.data, second.data, first.size) != 0)
        fail_msg("%s and %s differ", a, b);
    buffer_free(&first);
    buffer_free(&second);
}

void assert_in_file(const char *path, const char *text)
{
    struct buffer file = contents_of(path);
    if (!file.size || !strstr(file.data, text))
        fail_msg("%s: no %s in\n%s", path, text, file.size ? file.data : "");
    buffer_free(&file);
}
