#include "cli/help_text.h"

#include "base/log.h"
#include "base/wrap.h"

#include <string.h>

enum { TERM_INDENT = 2 };

static size_t line_size(const char *line)
{
    const size_t size = strcspn(line, "\n");
    return size + (line[size] == '\n');
}

static size_t indentation(const char *line)
{
    return strspn(line, " ");
}

/* Sets the term and the place of the meaning if the line begins an item. */
static bool is_item(struct help_block *block)
{
    const char *term = block->text + TERM_INDENT;
    if (indentation(block->text) != TERM_INDENT)
        return false;
    const char *gap = strstr(term, "  ");
    if (!gap || gap >= block->text + block->size)
        return false;
    block->term_size = (size_t)(gap - term);
    block->meaning = (size_t)(gap - block->text) + strspn(gap, " ");
    return true;
}

bool help_text_next(const char **text, struct help_block *block)
{
    const char *begin = *text;
    if (!*begin)
        return false;
    *block = (struct help_block){.text = begin, .size = line_size(begin)};
    if (begin[0] == '\n') {
        block->kind = HELP_GAP;
    } else if (begin[0] != ' ') {
        block->kind = HELP_PARAGRAPH;
        for (const char *next = begin + block->size; *next && *next != '\n' && *next != ' ';
             next = begin + block->size)
            block->size += line_size(next);
    } else if (is_item(block)) {
        block->kind = HELP_ITEM;
        while (begin[block->size] && indentation(begin + block->size) == block->meaning)
            block->size += line_size(begin + block->size);
    } else {
        block->kind = HELP_LITERAL;
    }
    *text = begin + block->size;
    return true;
}

bool help_text_print(struct buffer *out, const char *text, struct error *error)
{
    struct buffer paragraph = {0};
    struct help_block block;
    bool done = true;
    while (done && help_text_next(&text, &block)) {
        paragraph.size = 0;
        if (block.kind != HELP_PARAGRAPH)
            done = buffer_append(out, block.text, block.size, error);
        else
            done = buffer_append(&paragraph, block.text, block.size, error) &&
                   wrap_words(out, paragraph.data, 0, 0, LOG_WIDTH, error) &&
                   buffer_append(out, "\n", 1, error);
    }
    buffer_free(&paragraph);
    return done;
}
