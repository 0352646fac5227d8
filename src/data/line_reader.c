#include "data/line_reader.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/content.h"

#include <stdlib.h>
#include <string.h>

/* The last piece includes a rest that is shorter than CONTENT_SAMPLE. */
enum { MAX_PIECE = 2 * CONTENT_SAMPLE };

struct line_reader {
    const char *name;
    struct byte_source *source;
    char line_end;      /* '\n', or '\r' until the first '\n' */
    struct buffer text; /* the bytes in memory */
    size_t next;        /* start of the bytes in `text` that have not been returned */
    size_t checked;     /* end of the bytes in `text` that have been checked to be text */
    uint64_t number;    /* number of the last line, from 1 */
    bool in_line;       /* whether only a part of the last line has been returned */
    bool source_ended;
    bool text_ended;        /* whether the lines end at `checked` */
    struct content content; /* foreign content after the lines, if there is any */
    uint64_t foreign_line;  /* number of the line in which it begins */
    struct error failure;   /* error of the source after the lines */
};

struct line_reader *line_reader_open(struct byte_source *source, const char *name,
                                     struct error *error)
{
    struct line_reader *reader = allocate(1, sizeof *reader, error);
    if (!reader)
        return NULL;
    reader->name = name;
    reader->source = source;
    reader->line_end = '\n';
    return reader;
}

void line_reader_close(struct line_reader *reader)
{
    if (!reader)
        return;
    buffer_free(&reader->text);
    free(reader);
}

void line_reader_end_in_cr(struct line_reader *reader)
{
    reader->line_end = '\r';
}

static bool fail_block(const struct line_reader *reader, struct error *error)
{
    if (reader->number == 0)
        return fail_context(error, "%s: cannot read line 1", reader->name);
    return fail_context(error, "%s: cannot read past line %llu", reader->name,
                        (unsigned long long)reader->number);
}

/* Makes the lines end before the line that `offset` is in. */
static void end_lines_before(struct line_reader *reader, size_t offset)
{
    const char *text = reader->text.data;
    reader->text_ended = true;
    reader->foreign_line = reader->number + !reader->in_line;
    reader->checked = reader->next;
    for (size_t i = reader->next; i < offset; i++)
        if (text[i] == reader->line_end) {
            reader->foreign_line++;
            reader->checked = i + 1;
        }
}

/* Checks whether the new bytes are text, in pieces of CONTENT_SAMPLE bytes: a file that begins as
 * text may go on as an image. The pieces do not depend on the blocks of the source. A shorter rest
 * is checked together with the piece before it. */
static void check_text(struct line_reader *reader)
{
    const struct buffer *text = &reader->text;
    while (!reader->text_ended) {
        size_t left = text->size - reader->checked, offset;
        bool last = left < MAX_PIECE;
        if (last && !reader->source_ended)
            return;
        size_t size = last ? left : CONTENT_SAMPLE;
        if (size &&
            content_is_broken(text->data + reader->checked, size, &reader->content, &offset))
            end_lines_before(reader, reader->checked + offset);
        else
            reader->checked += size;
        reader->text_ended |= last;
    }
}

/* Moves the text that has not been returned to the buffer's beginning, appends the file's next
 * blocks and checks them. */
static bool read_block(struct line_reader *reader, struct error *error)
{
    struct buffer *text = &reader->text;
    text->size -= reader->next;
    if (reader->next && text->size)
        memmove(text->data, text->data + reader->next, text->size);
    reader->checked -= reader->next;
    reader->next = 0;
    while (!reader->source_ended && text->size - reader->checked < MAX_PIECE) {
        const void *block = NULL;
        size_t size = 0;
        if (!byte_source_next(reader->source, &block, &size, &reader->failure))
            size = 0;
        reader->source_ended = size == 0;
        if (!buffer_append(text, block, size, error))
            return false;
    }
    check_text(reader);
    if (reader->failure.kind != ERROR_NONE && reader->content.kind != CONTENT_FOREIGN)
        end_lines_before(reader, text->size);
    return true;
}

/* Skips the byte order mark; the first bytes of the file are at the buffer's beginning. */
static void skip_byte_order_mark(struct line_reader *reader)
{
    const struct buffer *text = &reader->text;
    if (reader->checked >= 3 && memcmp(text->data, "\xEF\xBB\xBF", 3) == 0)
        reader->next = 3;
}

/* Reduces a line that is too long to the part up to its last break within the limit. */
static bool split_line(const struct line_reader *reader, const char *line, size_t *size,
                       struct error *error)
{
    *size = line_last_break(line, LINE_LIMIT);
    return *size > 0 ||
           fail_input(error,
                      "%s:%llu: the line is longer than %d MiB; break it into shorter "
                      "ones: fold -s -w 100000 IN > OUT",
                      reader->name, (unsigned long long)reader->number + !reader->in_line,
                      LINE_LIMIT >> 20);
}

/* Returns the first line end of the text; NULL if there is none, or if it depends on bytes that
 * have not been read. In a file whose lines end in CR, the first LF, alone or after a CR, makes LF
 * the line end. */
static const char *find_line_end(struct line_reader *reader, const char *text, size_t size)
{
    const char *found = size ? memchr(text, reader->line_end, size) : NULL;
    if (reader->line_end == '\n' || !size)
        return found;
    size_t before = found ? (size_t)(found - text) : size;
    const char *newline = memchr(text, '\n', before);
    if (!newline && found && before + 1 == size)
        return reader->text_ended ? found : NULL;
    if (!newline && found && found[1] == '\n')
        newline = found + 1;
    if (newline)
        reader->line_end = '\n';
    return newline ? newline : found;
}

/* Reads until a whole line, or the rest of the file, is at `next`; *size is its length without the
 * "\n". */
static bool find_line(struct line_reader *reader, size_t *size, struct error *error)
{
    size_t searched = 0;
    for (;;) {
        size_t ready = reader->checked - reader->next;
        const char *line = ready ? reader->text.data + reader->next : NULL;
        const char *newline =
            ready > searched ? find_line_end(reader, line + searched, ready - searched) : NULL;
        *size = newline ? (size_t)(newline - line) : ready;
        if (*size > LINE_LIMIT)
            return split_line(reader, line, size, error);
        if (newline || reader->text_ended)
            return true;
        /* A CR at the end may be the first half of a line end. */
        searched = ready && line[ready - 1] == '\r' ? ready - 1 : ready;
        if (!read_block(reader, error))
            return false;
    }
}

/* Returns false with an error if foreign content or an error of the source follows the lines. */
static bool check_end(const struct line_reader *reader, struct error *error)
{
    if (reader->content.kind == CONTENT_FOREIGN)
        return fail_input(error, "%s:%llu: is %s from here on, not UTF-8 text; %s", reader->name,
                          (unsigned long long)reader->foreign_line, reader->content.what,
                          reader->content.remedy);
    if (reader->failure.kind == ERROR_NONE)
        return true;
    *error = reader->failure;
    return fail_block(reader, error);
}

bool line_reader_next(struct line_reader *reader, const char **line, size_t *size, bool *end,
                      struct error *error)
{
    if (!find_line(reader, size, error))
        return false;
    if (reader->number == 0 && reader->next == 0) {
        skip_byte_order_mark(reader);
        *size -= reader->next;
    }
    *end = reader->next == reader->checked;
    if (*end)
        return check_end(reader, error);
    *line = reader->text.data + reader->next;
    reader->next += *size;
    reader->number += !reader->in_line;
    reader->in_line =
        reader->next < reader->checked && reader->text.data[reader->next] != reader->line_end;
    if (reader->next < reader->checked && !reader->in_line)
        reader->next++; /* the "\n" */
    if (*size && (*line)[*size - 1] == '\r')
        --*size;
    return true;
}

const char *line_reader_foreign_content(const struct line_reader *reader, uint64_t *line)
{
    bool foreign = reader->content.kind == CONTENT_FOREIGN && reader->next == reader->checked;
    *line = reader->foreign_line;
    return foreign ? reader->content.what : NULL;
}

size_t line_reader_ahead(const struct line_reader *reader)
{
    return reader->text.size - reader->next;
}

uint64_t line_reader_number(const struct line_reader *reader)
{
    return reader->number;
}

size_t line_last_break(const char *text, size_t size)
{
    for (; size > 0; size--) {
        unsigned char last = (unsigned char)text[size - 1];
        if (last >= '\v' && last <= '\r')
            return size;
        if (last == 0x85 && size >= 2 && memcmp(text + size - 2, "\xC2\x85", 2) == 0)
            return size;
        if ((last == 0xA8 || last == 0xA9) && size >= 3 &&
            memcmp(text + size - 3, "\xE2\x80", 2) == 0)
            return size;
    }
    return 0;
}

/* Py_UNICODE_ISSPACE above ASCII. */
static bool is_wide_space(uint32_t c)
{
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool line_is_blank(const char *line, size_t size)
{
    size_t offset = 0;
    while (offset < size) {
        unsigned char byte = (unsigned char)line[offset];
        if (byte == ' ' || (byte >= '\t' && byte <= '\r') || (byte >= 0x1C && byte <= 0x1F))
            offset++;
        else if (byte < 0x80 || !is_wide_space(utf8_decode(line, size, &offset)))
            return false;
    }
    return true;
}
