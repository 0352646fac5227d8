#include "base/shell.h"

#include <ctype.h>
#include <string.h>

/* True if the shell takes the word as it is. A '=' in the first word would assign to a variable,
 * and a '~' names a home directory. */
static bool is_plain(const char *word, bool first)
{
    for (const char *c = word; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr(first ? "_-./,:@%+" : "_-./,:@%+=", *c))
            return false;
    return *word;
}

/* A quote in the word becomes: end of the quotes, an escaped quote, begin of new quotes. */
static bool put_quoted(struct buffer *line, const char *word, struct error *error)
{
    if (!buffer_append(line, "'", 1, error))
        return false;
    for (const char *c = word; *c; c++)
        if (!(*c == '\'' ? buffer_append(line, "'\\''", 4, error)
                         : buffer_append(line, c, 1, error)))
            return false;
    return buffer_append(line, "'", 1, error);
}

bool shell_put(struct buffer *line, const char *word, struct error *error)
{
    bool first = line->size == 0;
    if (!first && !buffer_append(line, " ", 1, error))
        return false;
    return is_plain(word, first) ? buffer_append(line, word, strlen(word), error)
                                 : put_quoted(line, word, error);
}
