#include "data/cells.h"

#include "base/memory.h"
#include "data/excerpt.h"

#include <stdlib.h>
#include <string.h>

void cells_clear(struct cells *cells)
{
    cells->bytes.size = 0;
    cells->count = 0;
}

bool cells_add(struct cells *cells, const char *text, size_t size, struct error *error)
{
    if (!grow(&cells->ends, &cells->capacity, cells->count + 1, sizeof *cells->ends, error) ||
        !buffer_append(&cells->bytes, text, size, error) ||
        !buffer_append(&cells->bytes, "", 1, error))
        return false;
    cells->ends[cells->count++] = cells->bytes.size - 1;
    return true;
}

/* A null byte, which a line may hold, is none of them. */
static bool is_one_of(char byte, const char *separators)
{
    return byte && strchr(separators, byte);
}

bool cells_split(struct cells *cells, const char *line, size_t size, const char *separators,
                 struct error *error)
{
    cells_clear(cells);
    for (size_t i = 0; i < size;) {
        size_t start = i;
        while (i < size && !is_one_of(line[i], separators))
            i++;
        if (i > start && !cells_add(cells, line + start, i - start, error))
            return false;
        i += i < size;
    }
    return true;
}

struct cell cells_get(const struct cells *cells, size_t index)
{
    CHECK(index < cells->count);
    size_t start = index ? cells->ends[index - 1] + 1 : 0;
    return (struct cell){.text = cells->bytes.data + start, .size = cells->ends[index] - start};
}

size_t cells_find(const struct cells *cells, const char *text, size_t from)
{
    size_t size = strlen(text), i = from;
    for (; i < cells->count; i++) {
        struct cell cell = cells_get(cells, i);
        if (cell.size == size && memcmp(cell.text, text, size) == 0)
            break;
    }
    return i;
}

bool cell_print_field(struct cell cell, struct buffer *out, struct error *error)
{
    const size_t start = out->size;
    if (!buffer_append(out, cell.text, cell.size, error))
        return false;
    for (size_t i = start; i < out->size; i++)
        if (is_one_of(out->data[i], "\t\r\n"))
            out->data[i] = ' ';
    return true;
}

bool cells_describe(const struct cells *cells, struct buffer *out, struct error *error)
{
    for (size_t i = 0; i < cells->count; i++) {
        struct cell cell = cells_get(cells, i);
        if (!excerpt_list(out, i, cells->count, cell.text, cell.size, error))
            return false;
    }
    return true;
}

void cells_free(struct cells *cells)
{
    buffer_free(&cells->bytes);
    free(cells->ends);
    *cells = (struct cells){0};
}
