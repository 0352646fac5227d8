#include "cli/roff.h"

#include "base/wrap.h"
#include "cli/help_text.h"

#include <ctype.h>
#include <string.h>

/* Lines of the source are up to SOURCE_WIDTH columns long. Those of a usage appear as they are, in
 * a page of 80 columns after an indentation of 7. */
enum { SOURCE_WIDTH = 78, USAGE_WIDTH = 70 };

/* Returns how a character is written where groff would take it for another one, such as "-" for a
 * hyphen, or as a command; NULL if it stands for itself. */
static const char *escape(char c, bool literal)
{
    switch (c) {
    case '\\':
        return "\\e";
    case '-':
        return "\\-";
    case '^':
        return "\\(ha";
    case '~':
        return "\\(ti";
    case '`':
        return "\\(ga";
    case '\'':
        return literal ? "\\(aq" : NULL;
    default:
        return NULL;
    }
}

static bool put_escaped(struct buffer *out, const char *text, size_t size, bool literal,
                        struct error *error)
{
    for (size_t i = 0; i < size; i++) {
        const char *escaped = escape(text[i], literal);
        if (!(escaped ? buffer_print(out, error, "%s", escaped)
                      : buffer_append(out, &text[i], 1, error)))
            return false;
    }
    return true;
}

/* Appends what keeps "." and "'" from being commands, which they are where a line begins. */
static bool put_guard(struct buffer *out, char first, struct error *error)
{
    return (first != '.' && first != '\'') || buffer_print(out, error, "\\&");
}

static bool put_in_font(struct buffer *out, char font, const char *text, size_t size,
                        struct error *error)
{
    return buffer_print(out, error, "\\f%c", font) && put_escaped(out, text, size, true, error) &&
           buffer_print(out, error, "\\fR");
}

static bool put_request(struct buffer *out, const char *request, const char *argument,
                        struct error *error)
{
    return buffer_print(out, error, ".%s ", request) &&
           put_escaped(out, argument, strlen(argument), true, error) &&
           buffer_print(out, error, "\n");
}

/* A paragraph begins by itself after a title. */
static bool begin_paragraph(struct buffer *out, struct error *error)
{
    size_t line = out->size - (out->size > 0);
    while (line > 0 && out->data[line - 1] != '\n')
        line--;
    return (out->size && strncmp(out->data + line, ".S", 2) == 0) ||
           buffer_print(out, error, ".PP\n");
}

bool roff_section(struct buffer *out, const char *title, struct error *error)
{
    return put_request(out, "SH", title, error);
}

bool roff_subsection(struct buffer *out, const char *title, struct error *error)
{
    return put_request(out, "SS", title, error);
}

/* ---- usage ---- */

static size_t option_size(const char *text)
{
    size_t size = 2;
    if (text[0] != '-' || text[1] != '-' || !islower((unsigned char)text[2]))
        return 0;
    while (islower((unsigned char)text[size]) || text[size] == '-')
        size++;
    return size;
}

/* "KEY=VALUE", "FILE.npy": to the end of what stands for one thing. */
static size_t value_size(const char *text)
{
    size_t size = 0;
    while (isupper((unsigned char)text[size]) || (size && text[size] == '='))
        size++;
    return size;
}

static bool put_usage(struct buffer *out, const char *text, struct error *error)
{
    for (size_t size; *text; text += size) {
        const size_t option = option_size(text), value = value_size(text);
        size = option ? option : value ? value : 1;
        if (!(option  ? put_in_font(out, 'B', text, size, error)
              : value ? put_in_font(out, 'I', text, size, error)
                      : put_escaped(out, text, size, true, error)))
            return false;
    }
    return true;
}

bool roff_usage(struct buffer *out, const char *command, const char *arguments, struct error *error)
{
    const int column = (int)strlen(command) + 1;
    struct buffer lines = {0};
    const bool done = wrap_words(&lines, arguments, column, column, USAGE_WIDTH, error) &&
                      begin_paragraph(out, error) && buffer_print(out, error, ".nf\n") &&
                      put_in_font(out, 'B', command, strlen(command), error) &&
                      buffer_print(out, error, " ") && put_usage(out, lines.data, error) &&
                      buffer_print(out, error, "\n.fi\n");
    buffer_free(&lines);
    return done;
}

/* ---- running text ---- */

/* Returns the size of a quotation that begins at the quote and is a command or a key. */
static size_t quotation_size(const char *text, size_t size)
{
    const char *end = text[0] == '\'' ? memchr(text + 1, '\'', size - 1) : NULL;
    if (!end)
        return 0;
    const size_t word = strspn(text + 1, "abcdefghijklmnopqrstuvwxyz_");
    return strncmp(text + 1, "cloze ", 6) == 0 || (word && text[1 + word] == '.')
               ? (size_t)(end - text) + 1
               : 0;
}

static bool put_words(struct buffer *out, const char *text, size_t size, struct error *error)
{
    for (size_t at = 0; at < size;) {
        const bool begins = at == 0 || !isalnum((unsigned char)text[at - 1]);
        const size_t quotation = begins ? quotation_size(text + at, size - at) : 0;
        const size_t option = begins ? option_size(text + at) : 0;
        if (!(quotation ? put_in_font(out, 'B', text + at + 1, quotation - 2, error)
              : option  ? put_in_font(out, 'B', text + at, option, error)
                        : (!begins || put_guard(out, text[at], error)) &&
                             put_escaped(out, text + at, 1, false, error)))
            return false;
        at += quotation ? quotation : option ? option : 1;
    }
    return true;
}

static bool put_paragraph(struct buffer *out, const char *text, size_t size, struct error *error)
{
    struct buffer words = {0};
    const bool done = put_words(&words, text, size, error) &&
                      wrap_words(out, words.data, 0, 0, SOURCE_WIDTH, error) &&
                      buffer_print(out, error, "\n");
    buffer_free(&words);
    return done;
}

bool roff_words(struct buffer *out, const char *text, struct error *error)
{
    return put_paragraph(out, text, strlen(text), error);
}

/* ---- items and literal text ---- */

static bool put_item(struct buffer *out, const char *term, size_t size, const char *value,
                     struct error *error)
{
    return buffer_print(out, error, ".TP\n") && put_in_font(out, 'B', term, size, error) &&
           (!*value || (buffer_print(out, error, " ") &&
                        put_in_font(out, 'I', value, strlen(value), error))) &&
           buffer_print(out, error, "\n");
}

bool roff_item(struct buffer *out, const char *term, const char *value, struct error *error)
{
    return put_item(out, term, strlen(term), value, error);
}

static bool begin_literal(struct buffer *out, struct error *error)
{
    return buffer_print(out, error, ".PP\n.RS 4n\n.nf\n");
}

static bool end_literal(struct buffer *out, struct error *error)
{
    return buffer_print(out, error, ".fi\n.RE\n");
}

static bool put_line(struct buffer *out, const char *line, size_t size, struct error *error)
{
    return put_guard(out, line[0], error) && put_escaped(out, line, size, true, error) &&
           buffer_print(out, error, "\n");
}

static bool put_block(struct buffer *out, const struct help_block *block, struct error *error)
{
    switch (block->kind) {
    case HELP_PARAGRAPH:
        return begin_paragraph(out, error) && put_paragraph(out, block->text, block->size, error);
    case HELP_ITEM:
        return put_item(out, block->text + 2, block->term_size, "", error) &&
               put_paragraph(out, block->text + block->meaning, block->size - block->meaning,
                             error);
    case HELP_LITERAL:
        return put_line(out, block->text + 2, block->size - 3, error);
    case HELP_GAP:
        break;
    }
    return true;
}

bool roff_text(struct buffer *out, const char *text, struct error *error)
{
    struct help_block block;
    bool done = true, literal = false;
    while (done && help_text_next(&text, &block)) {
        const bool next = block.kind == HELP_LITERAL;
        if (next != literal)
            done = next ? begin_literal(out, error) : end_literal(out, error);
        done = done && put_block(out, &block, error);
        literal = next;
    }
    return done && (!literal || end_literal(out, error));
}

/* Appends the meaning of an example, the line "# Meaning". */
static bool put_meaning(struct buffer *out, const char *line, size_t size, struct error *error)
{
    struct buffer text = {0};
    const bool done = begin_paragraph(out, error) &&
                      buffer_append(&text, line + 2, size - 2, error) &&
                      buffer_append(&text, ":", 1, error) && roff_words(out, text.data, error);
    buffer_free(&text);
    return done;
}

bool roff_examples(struct buffer *out, const char *examples, struct error *error)
{
    bool done = true, literal = false;
    for (size_t size; *examples && done; examples += size + 1) {
        const bool meaning = examples[0] == '#';
        size = strcspn(examples, "\n");
        if (meaning)
            done = (!literal || end_literal(out, error)) && put_meaning(out, examples, size, error);
        else
            done = (literal || begin_literal(out, error)) && put_line(out, examples, size, error);
        literal = !meaning;
    }
    return done && (!literal || end_literal(out, error));
}
