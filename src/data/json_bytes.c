#include "data/json_bytes.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

/* Deeper than the nesting of any data; the bits take 2 MiB. */
enum { MAX_DEPTH = 16 << 20 };

int json_bytes_refill(struct json_bytes *bytes, struct error *error)
{
    const void *block;
    size_t size;
    if (bytes->failed)
        return JSON_END;
    if (!byte_source_next(bytes->source, &block, &size, error)) {
        bytes->failed = true;
        fail_context(error, "%s: cannot read past line %llu", bytes->name,
                     (unsigned long long)bytes->line);
        return JSON_END;
    }
    bytes->next = block;
    bytes->end = bytes->next + size;
    bytes->block_end += size;
    return size ? *bytes->next : JSON_END;
}

static uint64_t offset_of_next(const struct json_bytes *bytes)
{
    return bytes->block_end - (uint64_t)(bytes->end - bytes->next);
}

int json_bytes_skip_space(struct json_bytes *bytes, struct error *error)
{
    for (;;) {
        int byte = json_bytes_peek(bytes, error);
        if (byte == '\n') {
            bytes->line++;
            bytes->line_start = offset_of_next(bytes) + 1;
        } else if (byte != ' ' && byte != '\t' && byte != '\r')
            return byte;
        bytes->next++;
    }
}

bool json_bytes_fail(struct json_bytes *bytes, const char *expected, struct error *error)
{
    int byte = json_bytes_peek(bytes, error);
    if (bytes->failed)
        return false;
    char found[32];
    if (byte == JSON_END)
        snprintf(found, sizeof found, "the end of the file");
    else if (byte > ' ' && byte < 0x7F)
        snprintf(found, sizeof found, "'%c'", byte);
    else
        snprintf(found, sizeof found, "0x%02X", (unsigned)byte);
    char line[40] = "";
    if (bytes->line != bytes->record_line)
        snprintf(line, sizeof line, "line %llu, ", (unsigned long long)bytes->line);
    return fail_input(error, "%s:%llu: malformed JSON: found %s at %sbyte %llu, expected %s",
                      bytes->name, (unsigned long long)bytes->record_line, found, line,
                      (unsigned long long)offset_of_next(bytes) - bytes->line_start + 1, expected);
}

bool json_bytes_take(struct json_bytes *bytes, char byte, const char *expected, struct error *error)
{
    if (json_bytes_skip_space(bytes, error) != byte)
        return json_bytes_fail(bytes, expected, error);
    bytes->next++;
    return true;
}

bool json_bytes_take_digits(struct json_bytes *bytes, uint32_t *unit, struct error *error)
{
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        int byte = json_bytes_peek(bytes, error);
        int small = byte | 0x20;
        if (byte >= '0' && byte <= '9')
            *unit = *unit * 16 + (uint32_t)(byte - '0');
        else if (byte != JSON_END && small >= 'a' && small <= 'f')
            *unit = *unit * 16 + (uint32_t)(small - 'a' + 10);
        else
            return json_bytes_fail(bytes, "a hexadecimal digit", error);
        bytes->next++;
    }
    return true;
}

/* ---- skipping ---- */

static bool skip_string(struct json_bytes *bytes, struct error *error)
{
    bytes->next++;
    for (;;) {
        int byte = json_bytes_peek(bytes, error);
        if (byte < ' ') /* JSON_END as well */
            return json_bytes_fail(bytes, "the end of a string", error);
        bytes->next++;
        if (byte == '"')
            return true;
        if (byte != '\\')
            continue;
        byte = json_bytes_peek(bytes, error);
        if (byte <= 0 || !strchr("\"\\/bfnrtu", byte))
            return json_bytes_fail(bytes, "an escape of JSON", error);
        bytes->next++;
    }
}

/* Moves past consecutive letters, digits, signs and points. They must be a word such as true, NaN
 * or -Infinity, or consist of the characters of a number; a number may have any length. */
static bool skip_word(struct json_bytes *bytes, struct error *error)
{
    static const char *const words[] = {"true", "false", "null", "NaN", "Infinity", "-Infinity"};
    char word[16] = "";
    size_t size = 0, digits = 0;
    bool number = true;
    for (int byte; (byte = json_bytes_peek(bytes, error)) != JSON_END; bytes->next++, size++) {
        bool digit = byte >= '0' && byte <= '9';
        if (!digit && byte != '+' && byte != '-' && byte != '.' &&
            !((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z'))
            break;
        digits += digit;
        number = number && (digit || strchr("+-.eE", byte));
        if (size < sizeof word - 1)
            word[size] = (char)byte;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return (number && digits) || json_bytes_fail(bytes, "a value", error);
}

static bool skip_key(struct json_bytes *bytes, struct error *error)
{
    if (json_bytes_skip_space(bytes, error) != '"')
        return json_bytes_fail(bytes, "a key", error);
    return skip_string(bytes, error) && json_bytes_take(bytes, ':', "':'", error);
}

static bool is_object(const struct json_bytes *bytes, size_t depth)
{
    return bytes->nesting[depth / 8] >> depth % 8 & 1;
}

/* Moves past the opening bracket of a value and, in an object, the first key. If the next bracket
 * closes the value, moves past it as well and sets *open to false. */
static bool enter(struct json_bytes *bytes, size_t depth, bool *open, struct error *error)
{
    bool object = *bytes->next == '{';
    if (depth >= MAX_DEPTH)
        return json_bytes_fail(bytes, "less nesting", error);
    if (!grow(&bytes->nesting, &bytes->nesting_capacity, depth / 8 + 1, 1, error)) {
        bytes->failed = true;
        return false;
    }
    unsigned char bit = (unsigned char)(1 << depth % 8);
    bytes->nesting[depth / 8] =
        (unsigned char)((bytes->nesting[depth / 8] & ~bit) | (object ? bit : 0));
    bytes->next++;
    int byte = json_bytes_skip_space(bytes, error);
    *open = byte != (object ? '}' : ']');
    if (!*open)
        bytes->next++;
    return !*open || !object || skip_key(bytes, error);
}

/* Moves past the bytes after a value: closing brackets, then a comma and, in an object, a key. Sets
 * *depth to the number of brackets that are still open. */
static bool leave(struct json_bytes *bytes, size_t *depth, struct error *error)
{
    while (*depth) {
        bool object = is_object(bytes, *depth - 1);
        int byte = json_bytes_skip_space(bytes, error);
        if (byte == ',') {
            bytes->next++;
            return !object || skip_key(bytes, error);
        }
        if (byte != (object ? '}' : ']'))
            return json_bytes_fail(bytes, object ? "',' or '}'" : "',' or ']'", error);
        bytes->next++;
        --*depth;
    }
    return true;
}

bool json_bytes_skip_value(struct json_bytes *bytes, struct error *error)
{
    size_t depth = 0;
    do {
        int byte = json_bytes_skip_space(bytes, error);
        bool open = false, done;
        if (byte == '{' || byte == '[')
            done = enter(bytes, depth, &open, error);
        else
            done = byte == '"' ? skip_string(bytes, error) : skip_word(bytes, error);
        depth += open;
        if (!done || (!open && !leave(bytes, &depth, error)))
            return false;
    } while (depth);
    return true;
}
