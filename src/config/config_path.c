#include "config/config_path.h"

#include "base/file.h"
#include "base/utf8.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

/* The directory without its last `up` names, with the characters of patterns escaped for one that
 * will follow it. Owned by the caller. */
static char *copy_directory(const char *directory, size_t up, bool escaped, struct error *error)
{
    struct buffer copy = {0};
    const char *end = directory + strlen(directory);
    for (; up > 0 && end > directory; up--)
        while (end > directory && *--end != '/')
            ;
    bool done = end > directory || buffer_append(&copy, "/", 1, error);
    for (const char *at = directory; at < end && done; at++) {
        bool special = escaped && strchr("*?[]\\", *at);
        done = buffer_print(&copy, error, "%s%c", special ? "\\" : "", *at);
    }
    if (done)
        return copy.data;
    buffer_free(&copy);
    return NULL;
}

/* Moves *path past leading "." and ".."; returns the number of "..". */
static size_t skip_dots(const char **path)
{
    size_t up = 0;
    for (;;) {
        size_t dots = strspn(*path, ".");
        if (dots < 1 || dots > 2 || ((*path)[dots] && (*path)[dots] != '/'))
            return up;
        up += dots == 2;
        *path += dots + strspn(*path + dots, "/");
    }
}

char *config_path_resolve(const char *directory, const char *path, bool pattern,
                          struct error *error)
{
    size_t up = skip_dots(&path);
    char *parent = copy_directory(directory, up, pattern, error);
    if (!parent || !*path) /* out of memory, or the directory itself */
        return parent;
    char *resolved = path_join(parent, path, error);
    free(parent);
    return resolved;
}

/* ---- printing ---- */

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

bool config_text_quote(const char *text, struct buffer *out, struct error *error)
{
    size_t size = strlen(text), at = 0;
    if (utf8_valid_prefix(text, size) != size)
        return fail_input(error, "%s: this path is not UTF-8 and cannot be written to YAML", text);
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

bool config_text_print(const char *text, struct buffer *out, struct error *error)
{
    return is_plain(text) ? buffer_append(out, text, strlen(text), error)
                          : config_text_quote(text, out, error);
}
