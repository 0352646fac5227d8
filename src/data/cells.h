/* The cells of a row of a table, or any other list of strings that is filled again and again.
 * Zero-initialize; free with cells_free. */
#ifndef CLOZE_DATA_CELLS_H
#define CLOZE_DATA_CELLS_H

#include "base/buffer.h"

/* Text that belongs to someone else; it may hold zero bytes. */
struct cell {
    const char *text; /* NULL: there is none */
    size_t size;
};

struct cells {
    struct buffer bytes; /* the strings, each with a zero byte after it */
    size_t *ends;        /* [count] offset of each string's zero byte */
    size_t count, capacity;
};

/* Removes the strings and keeps the memory. */
void cells_clear(struct cells *cells);

/* Appends a string. Returns false when memory is short. */
bool cells_add(struct cells *cells, const char *text, size_t size, struct error *error);

/* Replaces the strings by the words of a line: what stands between bytes of `separators`. Returns
 * false when memory is short. */
bool cells_split(struct cells *cells, const char *line, size_t size, const char *separators,
                 struct error *error);

/* Returns string `index` < count, with a zero byte after it; valid until the next change. */
struct cell cells_get(const struct cells *cells, size_t index);

/* Returns the index of the first string from `from` on that is `text`; count if there is none. */
size_t cells_find(const struct cells *cells, const char *text, size_t from);

/* Appends a string as a field of a table with tabs: a tab, CR or LF in it becomes a space. */
bool cell_print_field(struct cell cell, struct buffer *out, struct error *error);

/* Prints the strings for a message (excerpt_list). */
bool cells_describe(const struct cells *cells, struct buffer *out, struct error *error);

void cells_free(struct cells *cells);

#endif
