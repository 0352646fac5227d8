#include "text/utf8.h"
#include "train/run_config_keys.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const void *value_of(const struct run_config *config, const struct config_key *key)
{
    return (const char *)config + key->offset;
}

static double number_of(const struct config_key *key, const void *value)
{
    return key->type == KEY_REAL    ? *(const double *)value
           : key->type == KEY_INT64 ? (double)*(const int64_t *)value
                                    : (double)*(const int *)value;
}

/* ---- comparing ---- */

bool config_value_absent(const struct run_config *config, const struct config_key *key)
{
    const void *value = value_of(config, key);
    switch (key->type) {
    case KEY_BOOL:
        return false;
    case KEY_INT:
    case KEY_INT64:
    case KEY_REAL:
    case KEY_CHOICE:
        return key->optional && number_of(key, value) == key->absent;
    case KEY_NAME:
        return !*(const char *)value;
    case KEY_PATH:
        return !*(char *const *)value;
    case KEY_PATHS:
        return !((const struct strings *)value)->count;
    case KEY_PHASES:
        break;
    }
    return !config->train.phase_count;
}

static bool equal_paths(const struct strings *a, const struct strings *b)
{
    for (size_t i = 0; a->count == b->count && i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return a->count == b->count;
}

static bool equal_phases(const struct run_config *a, const struct run_config *b)
{
    for (size_t i = 0; a->train.phase_count == b->train.phase_count && i < a->train.phase_count;
         i++)
        if (a->train.phases[i].seq_len != b->train.phases[i].seq_len ||
            a->train.phases[i].steps != b->train.phases[i].steps)
            return false;
    return a->train.phase_count == b->train.phase_count;
}

bool config_value_equal(const struct run_config *a, const struct run_config *b,
                        const struct config_key *key)
{
    const void *x = value_of(a, key), *y = value_of(b, key);
    if (config_value_absent(a, key) || config_value_absent(b, key))
        return config_value_absent(a, key) && config_value_absent(b, key);
    switch (key->type) {
    case KEY_BOOL:
        return *(const bool *)x == *(const bool *)y;
    case KEY_INT:
    case KEY_INT64: /* up to 2^53, so exact */
    case KEY_REAL:
    case KEY_CHOICE:
        return number_of(key, x) == number_of(key, y);
    case KEY_NAME:
        return strcmp(x, y) == 0;
    case KEY_PATH:
        return strcmp(*(char *const *)x, *(char *const *)y) == 0;
    case KEY_PATHS:
        return equal_paths(x, y);
    case KEY_PHASES:
        break;
    }
    return equal_phases(a, b);
}

/* ---- printing ---- */

/* The shortest decimal that reads back as the same double. Always with a point: to YAML 1.1, which
 * Python reads, 1e-06 is a string. */
static bool print_real(double value, struct buffer *out, struct error *error)
{
    char digits[40];
    int precision = 6; /* %g leaves out the zeros, and 30 is not 3e+01 */
    do
        snprintf(digits, sizeof digits, "%.*g", precision, value);
    while (strtod(digits, NULL) != value && precision++ < 17);
    const char *exponent = strchr(digits, 'e');
    int whole = exponent ? (int)(exponent - digits) : (int)strlen(digits);
    return buffer_print(out, error, "%.*s%s%s", whole, digits, strchr(digits, '.') ? "" : ".0",
                        digits + whole);
}

/* Text that means the same with and without quotes: what absolute paths are usually made of. */
static bool is_plain(const char *text)
{
    if (text[0] != '/')
        return false;
    for (const char *at = text; *at; at++)
        if (!isalnum((unsigned char)*at) && !strchr("/._-+=@*", *at))
            return false;
    return true;
}

/* Control characters, line and paragraph separators, and code points that a YAML reader refuses. */
static bool needs_escape(uint32_t point)
{
    return point < 0x20 || (point >= 0x7F && point <= 0xA0) || point == 0x2028 || point == 0x2029 ||
           point == 0xFEFF || point == 0xFFFE || point == 0xFFFF;
}

static bool print_quoted(const char *text, struct buffer *out, struct error *error)
{
    size_t size = strlen(text), at = 0;
    bool done = buffer_append(out, "\"", 1, error);
    while (done && at < size) {
        size_t start = at;
        uint32_t point = utf8_decode(text, size, &at);
        if (needs_escape(point))
            done = buffer_print(out, error, "\\u%04X", (unsigned)point);
        else
            done = buffer_print(out, error, "%s%.*s", point == '"' || point == '\\' ? "\\" : "",
                                (int)(at - start), text + start);
    }
    return done && buffer_append(out, "\"", 1, error);
}

static bool print_path(const char *path, struct buffer *out, struct error *error)
{
    if (utf8_valid_prefix(path, strlen(path)) != strlen(path))
        return fail_input(error, "%s: this path is not UTF-8 and cannot be written to YAML", path);
    if (is_plain(path))
        return buffer_append(out, path, strlen(path), error);
    return print_quoted(path, out, error);
}

static bool print_paths(const struct strings *paths, struct buffer *out, struct error *error)
{
    bool done = buffer_append(out, "[", 1, error);
    for (size_t i = 0; i < paths->count && done; i++)
        done = (i == 0 || buffer_append(out, ", ", 2, error)) &&
               print_path(paths->items[i], out, error);
    return done && buffer_append(out, "]", 1, error);
}

static bool print_phases(const struct run_config *config, struct buffer *out, struct error *error)
{
    bool done = buffer_append(out, "[", 1, error);
    for (size_t i = 0; i < config->train.phase_count && done; i++)
        done =
            buffer_print(out, error, "%s{seq_len: %d, steps: %lld}", i ? ", " : "",
                         config->train.phases[i].seq_len, (long long)config->train.phases[i].steps);
    return done && buffer_append(out, "]", 1, error);
}

bool config_value_print(const struct run_config *config, const struct config_key *key,
                        struct buffer *out, struct error *error)
{
    const void *value = value_of(config, key);
    if (config_value_absent(config, key))
        return true;
    switch (key->type) {
    case KEY_BOOL:
        return buffer_print(out, error, "%s", *(const bool *)value ? "true" : "false");
    case KEY_INT:
        return buffer_print(out, error, "%d", *(const int *)value);
    case KEY_INT64:
        return buffer_print(out, error, "%lld", (long long)*(const int64_t *)value);
    case KEY_REAL:
        return print_real(*(const double *)value, out, error);
    case KEY_CHOICE:
        return buffer_print(out, error, "%s", key->choices[*(const int *)value]);
    case KEY_NAME:
        return buffer_print(out, error, "%s", (const char *)value);
    case KEY_PATH:
        return print_path(*(char *const *)value, out, error);
    case KEY_PATHS:
        return print_paths(value, out, error);
    case KEY_PHASES:
        break;
    }
    return print_phases(config, out, error);
}
