#include "data/line_reader.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "data/byte_source.h"

#include <stdlib.h>
#include <string.h>

struct line_reader {
    const char *path;
    struct byte_source *source;
    struct buffer text; /* read, from `next` on not yet given out */
    size_t next;
    uint64_t number;
    bool file_ended;
};

struct line_reader *line_reader_open(const char *path, struct error *error)
{
    struct line_reader *reader = allocate(1, sizeof *reader, error);
    if (!reader)
        return NULL;
    reader->path = path;
    reader->source = byte_source_open(path, error);
    if (reader->source)
        return reader;
    line_reader_close(reader);
    return NULL;
}

void line_reader_close(struct line_reader *reader)
{
    if (!reader)
        return;
    byte_source_close(reader->source);
    buffer_free(&reader->text);
    free(reader);
}

/* Moves the line that is only half there to the buffer's beginning and appends the file's next
 * block. */
static bool read_block(struct line_reader *reader, struct error *error)
{
    struct buffer *text = &reader->text;
    text->size -= reader->next;
    if (reader->next && text->size)
        memmove(text->data, text->data + reader->next, text->size);
    reader->next = 0;
    const void *block;
    size_t size;
    if (!byte_source_next(reader->source, &block, &size, error))
        return fail_context(error, "%s: cannot read past line %llu", reader->path,
                            (unsigned long long)reader->number);
    reader->file_ended = size == 0;
    return buffer_append(text, block, size, error);
}

/* Looks at the first bytes of the file, which are at the buffer's beginning. */
static bool skip_byte_order_mark(struct line_reader *reader, struct error *error)
{
    const struct buffer *text = &reader->text;
    if (text->size >= 3 && memcmp(text->data, "\xEF\xBB\xBF", 3) == 0)
        reader->next = 3;
    if (text->size >= 2 &&
        (memcmp(text->data, "\xFF\xFE", 2) == 0 || memcmp(text->data, "\xFE\xFF", 2) == 0))
        return fail_input(error, "%s: begins as UTF-16 text; expected UTF-8", reader->path);
    return true;
}

/* Reads until a whole line, or what is left of the file, stands at `next`; *size is its length
 * without the "\n". */
static bool find_line(struct line_reader *reader, size_t *size, struct error *error)
{
    size_t searched = 0;
    for (;;) {
        size_t ready = reader->text.size - reader->next;
        const char *line = ready ? reader->text.data + reader->next : NULL;
        const char *newline =
            ready > searched ? memchr(line + searched, '\n', ready - searched) : NULL;
        *size = newline ? (size_t)(newline - line) : ready;
        if (*size > LINE_LIMIT)
            return fail_input(error, "%s:%llu: the line is longer than %d MiB", reader->path,
                              (unsigned long long)reader->number + 1, LINE_LIMIT >> 20);
        if (newline || reader->file_ended)
            return true;
        searched = ready;
        if (!read_block(reader, error))
            return false;
    }
}

bool line_reader_next(struct line_reader *reader, const char **line, size_t *size, bool *end,
                      struct error *error)
{
    if (!find_line(reader, size, error))
        return false;
    if (reader->number == 0 && reader->next == 0) {
        if (!skip_byte_order_mark(reader, error))
            return false;
        *size -= reader->next;
    }
    *end = reader->next == reader->text.size;
    if (*end)
        return true;
    *line = reader->text.data + reader->next;
    reader->next += *size;
    if (reader->next < reader->text.size)
        reader->next++; /* the "\n" */
    reader->number++;
    if (*size && (*line)[*size - 1] == '\r')
        --*size;
    return true;
}

uint64_t line_reader_number(const struct line_reader *reader)
{
    return reader->number;
}
