#include "data/labelled_lines.h"

#include "text/content.h"

static bool open_reader(struct labelled_lines *lines, struct error *error)
{
    const void *bytes;
    size_t size;
    if (!lines->source || !byte_source_peek(lines->source, &bytes, &size, error))
        return false;
    const struct content content = content_recognize(bytes, size);
    if (!content_require_text(&content, lines->name, error))
        return false;
    lines->reader = line_reader_open(lines->source, lines->name, error);
    if (lines->reader && content.lone_cr)
        line_reader_end_in_cr(lines->reader);
    return lines->reader;
}

bool labelled_lines_open(struct labelled_lines *lines, const char *path, struct error *error)
{
    *lines = (struct labelled_lines){.name = path};
    lines->source = byte_source_open(path, error);
    return open_reader(lines, error);
}

bool labelled_lines_open_stream(struct labelled_lines *lines, struct byte_stream stream,
                                const char *name, struct error *error)
{
    *lines = (struct labelled_lines){.name = name};
    lines->source = byte_source_open_stream(stream, name, error);
    return open_reader(lines, error);
}

void labelled_lines_close(struct labelled_lines *lines)
{
    line_reader_close(lines->reader);
    byte_source_close(lines->source);
    *lines = (struct labelled_lines){0};
}

bool labelled_lines_next(struct labelled_lines *lines, const char **line, size_t *size, bool *end,
                         struct error *error)
{
    if (!line_reader_next(lines->reader, line, size, end, error))
        return false;
    if (*end)
        return true;
    const uint64_t number = line_reader_number(lines->reader);
    if (number == lines->number)
        return fail_input(error, "%s:%llu: the line is longer than %d MiB", lines->name,
                          (unsigned long long)number, LINE_LIMIT >> 20);
    lines->number = number;
    return true;
}
