#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

/* The length of a sequence and the range of its second byte, by its first byte: Unicode 15, table
 * 3-7. */
struct sequence {
    unsigned length;         /* in bytes; 0 for a byte that cannot start a sequence */
    unsigned char low, high; /* bounds of the second byte; the others are 80..BF */
};

static struct sequence sequence_of(unsigned char lead)
{
    if (lead < 0x80)
        return (struct sequence){1, 0, 0};
    if (lead < 0xC2)
        return (struct sequence){0, 0, 0};
    if (lead < 0xE0)
        return (struct sequence){2, 0x80, 0xBF};
    if (lead < 0xF0) /* neither overlong forms nor surrogates */
        return (struct sequence){3, lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF};
    if (lead < 0xF5) /* neither overlong forms nor anything above U+10FFFF */
        return (struct sequence){4, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF};
    return (struct sequence){0, 0, 0};
}

/* Moves past one sequence; if it is ill-formed, past its maximal subpart, and returns false. */
static bool step(const unsigned char *bytes, size_t size, size_t *position, uint32_t *code_point)
{
    unsigned char lead = bytes[(*position)++];
    struct sequence sequence = sequence_of(lead);

    if (sequence.length <= 1) {
        *code_point = lead;
        return sequence.length == 1;
    }
    *code_point = lead & (0x7Fu >> sequence.length);
    for (unsigned i = 1; i < sequence.length; i++) {
        unsigned char low = i == 1 ? sequence.low : 0x80;
        unsigned char high = i == 1 ? sequence.high : 0xBF;

        if (*position == size || bytes[*position] < low || bytes[*position] > high)
            return false;
        *code_point = *code_point << 6 | (bytes[(*position)++] & 0x3Fu);
    }
    return true;
}

/* Returns the offset of the first byte from `position` on that is not ASCII, or `size`. Reads eight
 * bytes at a time. */
static size_t skip_ascii(const unsigned char *bytes, size_t size, size_t position)
{
    for (uint64_t word; position + sizeof word <= size; position += sizeof word) {
        memcpy(&word, bytes + position, sizeof word);
        if (word & 0x8080808080808080u)
            break;
    }
    while (position < size && bytes[position] < 0x80)
        position++;
    return position;
}

size_t utf8_valid_prefix(const char *text, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t position = 0;
    uint32_t code_point;

    while ((position = skip_ascii(bytes, size, position)) < size) {
        size_t start = position;

        if (!step(bytes, size, &position, &code_point))
            return start;
    }
    return size;
}

uint32_t utf8_decode(const char *text, size_t size, size_t *position)
{
    uint32_t code_point;

    return step((const unsigned char *)text, size, position, &code_point) ? code_point
                                                                          : UTF8_REPLACEMENT;
}

size_t utf8_encode(uint32_t code_point, char bytes[4])
{
    static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t length = code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;

    for (size_t i = length - 1; i > 0; i--, code_point >>= 6)
        bytes[i] = (char)(0x80 | (code_point & 0x3F));
    bytes[0] = (char)(leads[length] | code_point);
    return length;
}

size_t utf8_count_invalid(const char *text, size_t size, size_t *first)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t invalid = 0;
    size_t position = 0;
    uint32_t code_point;

    while ((position = skip_ascii(bytes, size, position)) < size) {
        size_t start = position;

        if (!step(bytes, size, &position, &code_point) && invalid++ == 0)
            *first = start;
    }
    return invalid;
}

size_t utf8_count_printing(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        count += byte > ' ' && (byte & 0xC0) != 0x80;
    }
    return count;
}
