#include "data/text_lines.h"

#include "text/content.h"

static bool open_reader(struct text_lines *lines, struct error *error)
{
    const void *bytes;
    size_t size;
    if (!lines->source || !byte_source_peek(lines->source, &bytes, &size, error))
        return false;
    const struct content content = content_recognize(bytes, size);
    if (!content_require_text(&content, lines->name, error))
        return false;
    lines->begins_json = content.kind == CONTENT_JSON;
    lines->reader = line_reader_open(lines->source, lines->name, error);
    if (lines->reader && content.lone_cr)
        line_reader_end_in_cr(lines->reader);
    return lines->reader;
}

bool text_lines_open(struct text_lines *lines, const char *path, struct error *error)
{
    *lines = (struct text_lines){.name = path};
    lines->source = byte_source_open(path, error);
    return open_reader(lines, error);
}

bool text_lines_open_stream(struct text_lines *lines, struct byte_stream stream, const char *name,
                            struct error *error)
{
    *lines = (struct text_lines){.name = name};
    lines->source = byte_source_open_stream(stream, name, error);
    return open_reader(lines, error);
}

void text_lines_close(struct text_lines *lines)
{
    line_reader_close(lines->reader);
    byte_source_close(lines->source);
    *lines = (struct text_lines){0};
}

/* Returns the next line or part of a line; *part is whether it continues the last one. */
static bool next_part(struct text_lines *lines, const char **line, size_t *size, bool *part,
                      bool *end, struct error *error)
{
    if (!line_reader_next(lines->reader, line, size, end, error))
        return false;
    const uint64_t number = line_reader_number(lines->reader);
    *part = !*end && number == lines->number;
    lines->number = number;
    return true;
}

bool text_lines_next(struct text_lines *lines, const char **line, size_t *size, bool *end,
                     struct error *error)
{
    bool part;
    return next_part(lines, line, size, &part, end, error) &&
           (!part || fail_input(error, "%s:%llu: the line is longer than %d MiB", lines->name,
                                (unsigned long long)lines->number, LINE_LIMIT >> 20));
}

bool text_lines_next_beginning(struct text_lines *lines, const char **line, size_t *size, bool *end,
                               struct error *error)
{
    bool part;
    do {
        if (!next_part(lines, line, size, &part, end, error))
            return false;
    } while (part);
    return true;
}
