#include "base/wrap.h"

#include <ctype.h>
#include <string.h>
#include <utf8proc.h>

int text_columns(const char *text, size_t size)
{
    int columns = 0;
    for (size_t at = 0; at < size;) {
        utf8proc_int32_t character;
        utf8proc_ssize_t bytes = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
                                                  (utf8proc_ssize_t)(size - at), &character);
        columns += bytes > 0 ? utf8proc_charwidth(character) : 1;
        at += bytes > 0 ? (size_t)bytes : 1;
    }
    return columns;
}

static bool is_gap(char c)
{
    return c == ' ' || c == '\n';
}

static int word_size(const char *word)
{
    int size = 0, depth = 0;
    for (; word[size] && (depth > 0 || !is_gap(word[size])); size++)
        depth += (word[size] == '[') - (word[size] == ']');
    return size;
}

bool wrap_words(struct buffer *out, const char *text, int column, int indent, int width,
                struct error *error)
{
    bool first = true;
    for (;;) {
        while (is_gap(*text))
            text++;
        if (!*text)
            return true;
        int size = word_size(text);
        bool breaks = !first && column + 1 + size > width;
        if (!(breaks ? buffer_print(out, error, "\n%*s", indent, "")
                     : buffer_append(out, " ", first ? 0 : 1, error)) ||
            !buffer_append(out, text, (size_t)size, error))
            return false;
        column = breaks ? indent + size : column + (first ? 0 : 1) + size;
        text += size;
        first = false;
    }
}

/* ---- messages ---- */

enum { MESSAGE_INDENT = 2 };

/* A text that a user may copy is not broken. Each of these functions returns the size of one kind
 * of such texts at `at`, or 0 if there is none. */

/* A command ends a line of the message, after a colon. */
static size_t command_size(const char *line, const char *at)
{
    static const char *const programs[] = {"cloze ", "iconv "};
    size_t size = strcspn(at, "\n");
    const char *sentence = strstr(at, ". ");
    if (at - line < 2 || memcmp(at - 2, ": ", 2) != 0 || (sentence && sentence < at + size))
        return 0;
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        if (strncmp(at, programs[i], strlen(programs[i])) == 0)
            return size;
    return 0;
}

/* A path comes first, or after the name of the command: "cloze train: PATH: is a directory". */
static size_t path_size(const char *line, const char *at, int width)
{
    const char *first = strstr(line, ": "), *end = strstr(at, ": ");
    if (at != line && (!first || at != first + 2))
        return 0;
    size_t size = end ? (size_t)(end - at) + 1 : 0;
    bool fits = size <= strcspn(at, "\n") && (*at == '/' || text_columns(at, size) <= width);
    return fits ? size : 0;
}

static size_t quoted_size(const char *at)
{
    const char *quote = at + (*at == '(');
    if (*quote != '"' && *quote != '\'')
        return 0;
    size_t size = strcspn(quote + 1, *quote == '"' ? "\"\n" : "'\n");
    const char *end = quote + 1 + size;
    return *end == *quote ? (size_t)(end - at) + strcspn(end, " \n") : 0;
}

/* An option goes with its value: "--set output=DIR". */
static size_t option_size(const char *at)
{
    size_t size = strcspn(at, " \n");
    if (strncmp(at + (*at == '('), "--", 2) != 0 || !isalnum((unsigned char)at[size - 1]) ||
        at[size] != ' ')
        return 0;
    return size + 1 + strcspn(at + size + 1, " \n");
}

static size_t unbroken_size(const char *line, const char *at, int width)
{
    size_t size = command_size(line, at);
    size = size ? size : path_size(line, at, width);
    size = size ? size : quoted_size(at);
    size = size ? size : option_size(at);
    return size ? size : strcspn(at, " \n");
}

/* Appends one line without its newline. Spaces are kept, except where the line is broken. */
static bool wrap_line(struct buffer *out, const char *line, int width, struct error *error)
{
    int column = 0;
    for (const char *at = line; *at && *at != '\n';) {
        int spaces = (int)strspn(at, " ");
        size_t size = unbroken_size(line, at + spaces, width);
        int columns = text_columns(at + spaces, size);
        bool breaks = column > 0 && column + spaces + columns > width;
        if (!(breaks ? buffer_print(out, error, "\n%*s", MESSAGE_INDENT, "")
                     : buffer_append(out, at, (size_t)spaces, error)) ||
            !buffer_append(out, at + spaces, size, error))
            return false;
        column = (breaks ? MESSAGE_INDENT : column + spaces) + columns;
        at += (size_t)spaces + size;
    }
    return true;
}

bool wrap_message(struct buffer *out, const char *text, int width, struct error *error)
{
    while (*text && *text != ' ') {
        size_t size = strcspn(text, "\n");
        if (!wrap_line(out, text, width, error))
            return false;
        text += size;
        if (!*text)
            return true;
        if (!buffer_append(out, "\n", 1, error))
            return false;
        text++;
    }
    return buffer_append(out, text, strlen(text), error);
}
