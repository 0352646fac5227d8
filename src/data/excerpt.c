#include "data/excerpt.h"

#include "base/utf8.h"

#include <string.h>

struct excerpt excerpt_of(const char *text, size_t size)
{
    struct excerpt excerpt = {0};
    size_t length = 0, place = 0;
    while (place < size) {
        char bytes[4];
        size_t start = place;
        uint32_t c = utf8_decode(text, size, &place);
        size_t count = utf8_encode(c, bytes);
        if (c < ' ' || (c >= 0x7F && c < 0xA0) || c == UTF8_REPLACEMENT) {
            bytes[0] = '?';
            count = 1;
        }
        if (length + count > EXCERPT_BYTES) {
            place = start;
            break;
        }
        memcpy(excerpt.text + length, bytes, count);
        length += count;
    }
    if (place < size)
        memcpy(excerpt.text + length, "...", 3);
    return excerpt;
}

bool excerpt_list(struct buffer *list, size_t index, size_t count, const char *text, size_t size,
                  struct error *error)
{
    enum { SHOWN = 10 };
    if (index < SHOWN)
        return buffer_print(list, error, "%s\"%s\"", index ? ", " : "",
                            excerpt_of(text, size).text);
    return index > SHOWN || buffer_print(list, error, " and %zu others", count - SHOWN);
}
