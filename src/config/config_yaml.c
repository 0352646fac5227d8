#include "config/config_yaml.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* A configuration nests three deep (train, phases, a phase). Some more is read, so that a wrong
 * value is an error that names its key. */
enum { MAX_DEPTH = 6 };

struct reader {
    yaml_parser_t parser;
    const struct config_source *source;
    const char *text;
    size_t size;
};

bool config_fail(const struct config_source *source, size_t line, struct error *error,
                 const char *format, ...)
{
    char message[sizeof error->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    const char *within = source->within ? source->within : "";
    const char *separator = source->within ? ": " : "";
    if (source->lines && line)
        return fail_input(error, "%s:%zu: %s%s%s", source->name, line, within, separator, message);
    return fail_input(error, "%s: %s%s%s", source->name, within, separator, message);
}

void config_node_free(struct config_node *node)
{
    for (size_t i = 0; i < node->count; i++)
        config_node_free(&node->items[i]);
    free(node->items);
    free(node->key);
    free(node->text);
    *node = (struct config_node){0};
}

/* ---- syntax errors ---- */

static size_t line_of(yaml_mark_t mark)
{
    return mark.line + 1;
}

/* Returns whether the indentation of a line, counted from 1, has a tab in it: YAML forbids that,
 * and no editor shows it. */
static bool indented_with_tab(const struct reader *reader, size_t line)
{
    const char *at = reader->text, *end = at + reader->size;
    for (; line > 1 && at < end; line--) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline ? newline + 1 : end;
    }
    while (at < end && *at == ' ')
        at++;
    return at < end && *at == '\t';
}

static size_t line_of_byte(const struct reader *reader, size_t offset)
{
    size_t line = 1;
    for (size_t i = 0; i < offset && i < reader->size; i++)
        line += reader->text[i] == '\n';
    return line;
}

/* What libyaml does not say, of the two slips that are easiest to make; or nothing. */
static const char *syntax_hint(const struct reader *reader, size_t line)
{
    const char *context = reader->parser.context;
    if (context && (strstr(context, "anchor") || strstr(context, "alias")))
        return " (a value that begins with * or & must be quoted)";
    if (indented_with_tab(reader, line))
        return " (indent with spaces, not with tabs)";
    return "";
}

static bool fail_syntax(const struct reader *reader, struct error *error)
{
    const yaml_parser_t *parser = &reader->parser;
    if (parser->error == YAML_MEMORY_ERROR)
        return fail_work(error, "%s: out of memory", reader->source->name);
    if (parser->error == YAML_READER_ERROR)
        return config_fail(reader->source, line_of_byte(reader, parser->problem_offset), error,
                           "%s; expected UTF-8 text", parser->problem);
    size_t line = line_of(parser->problem_mark);
    char column[32] = "";
    if (reader->source->lines)
        snprintf(column, sizeof column, " at column %zu", parser->problem_mark.column + 1);
    return config_fail(reader->source, line, error, "YAML syntax error: %s%s%s", parser->problem,
                       column, syntax_hint(reader, line));
}

/* ---- nodes ---- */

static bool read_event(struct reader *reader, yaml_event_t *event, struct error *error)
{
    return yaml_parser_parse(&reader->parser, event) || fail_syntax(reader, error);
}

static bool is_null(const yaml_event_t *event)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    const char *text = (const char *)event->data.scalar.value;
    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
        if (strcmp(text, nulls[i]) == 0)
            return true;
    return false;
}

/* What anchors and tags mean is for programs that write YAML; a person's is more often a slip, as a
 * pattern that begins with a star. */
static bool check_plain(const struct reader *reader, const yaml_event_t *event, struct error *error)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    } else if (event->type == YAML_ALIAS_EVENT)
        return config_fail(reader->source, line_of(event->start_mark), error,
                           "found the alias *%s; expected a plain value (a value that begins with "
                           "* must be quoted)",
                           (const char *)event->data.alias.anchor);
    if (anchor)
        return config_fail(reader->source, line_of(event->start_mark), error,
                           "found the anchor &%s; expected a plain value (a value that begins with "
                           "& must be quoted)",
                           (const char *)anchor);
    if (tag)
        return config_fail(reader->source, line_of(event->start_mark), error,
                           "found the tag %s; expected a plain value (a value that begins with ! "
                           "must be quoted)",
                           (const char *)tag);
    return true;
}

static bool copy_scalar(const struct reader *reader, const yaml_event_t *event, char **copy,
                        struct error *error)
{
    size_t size = event->data.scalar.length;
    if (memchr(event->data.scalar.value, 0, size))
        return config_fail(reader->source, line_of(event->start_mark), error,
                           "a value with a NUL character; expected text");
    *copy = allocate(size + 1, 1, error);
    if (!*copy)
        return fail_context(error, "%s", reader->source->name);
    memcpy(*copy, event->data.scalar.value, size);
    return true;
}

static bool read_items(struct reader *reader, struct config_node *node, int depth,
                       struct error *error);

/* Fills a node, whose key is set already, from its first event. */
static bool read_node(struct reader *reader, const yaml_event_t *event, struct config_node *node,
                      int depth, struct error *error)
{
    if (!check_plain(reader, event, error))
        return false;
    if (!node->line)
        node->line = line_of(event->start_mark);
    if (event->type == YAML_SCALAR_EVENT) {
        node->kind = is_null(event) ? CONFIG_NODE_NULL : CONFIG_NODE_SCALAR;
        node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        return node->kind == CONFIG_NODE_NULL || copy_scalar(reader, event, &node->text, error);
    }
    node->kind = event->type == YAML_MAPPING_START_EVENT ? CONFIG_NODE_MAPPING : CONFIG_NODE_LIST;
    if (depth == MAX_DEPTH)
        return config_fail(reader->source, line_of(event->start_mark), error,
                           "lists or sections nested more than %d deep", (int)MAX_DEPTH);
    return read_items(reader, node, depth + 1, error);
}

static bool read_key(const struct reader *reader, const yaml_event_t *event,
                     struct config_node *entry, struct error *error)
{
    if (!check_plain(reader, event, error))
        return false;
    entry->line = line_of(event->start_mark);
    if (event->type != YAML_SCALAR_EVENT)
        return config_fail(reader->source, entry->line, error,
                           "found a list or mapping as a key; expected a word");
    return copy_scalar(reader, event, &entry->key, error);
}

/* Reads an item of a list, whose first event is `first`, or an entry of a mapping, whose key is. */
static bool read_entry(struct reader *reader, const yaml_event_t *first, struct config_node *parent,
                       int depth, struct error *error)
{
    if (!grow(&parent->items, &parent->capacity, parent->count + 1, sizeof *parent->items, error))
        return fail_context(error, "%s", reader->source->name);
    struct config_node *entry = &parent->items[parent->count++];
    if (parent->kind == CONFIG_NODE_LIST)
        return read_node(reader, first, entry, depth, error);
    yaml_event_t event;
    if (!read_key(reader, first, entry, error) || !read_event(reader, &event, error))
        return false;
    bool done = read_node(reader, &event, entry, depth, error);
    yaml_event_delete(&event);
    return done;
}

static bool read_items(struct reader *reader, struct config_node *node, int depth,
                       struct error *error)
{
    for (;;) {
        yaml_event_t event;
        if (!read_event(reader, &event, error))
            return false;
        bool end = event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT;
        bool done = end || read_entry(reader, &event, node, depth, error);
        yaml_event_delete(&event);
        if (end || !done)
            return done;
    }
}

/* ---- the document ---- */

/* The next event with content: what begins and ends documents is passed over, the end of the stream
 * is not. */
static bool read_content(struct reader *reader, yaml_event_t *event, struct error *error)
{
    for (;;) {
        if (!read_event(reader, event, error))
            return false;
        if (event->type != YAML_STREAM_START_EVENT && event->type != YAML_DOCUMENT_START_EVENT &&
            event->type != YAML_DOCUMENT_END_EVENT)
            return true;
        yaml_event_delete(event);
    }
}

static bool check_end(struct reader *reader, struct error *error)
{
    yaml_event_t event;
    if (!read_content(reader, &event, error))
        return false;
    bool end = event.type == YAML_STREAM_END_EVENT;
    if (!end)
        config_fail(reader->source, line_of(event.start_mark), error,
                    "a second YAML document starts here; expected only one");
    yaml_event_delete(&event);
    return end;
}

static bool read_document(struct reader *reader, struct config_node *root, struct error *error)
{
    yaml_event_t event;
    if (!read_content(reader, &event, error))
        return false;
    bool empty = event.type == YAML_STREAM_END_EVENT;
    bool done = empty || read_node(reader, &event, root, 0, error);
    yaml_event_delete(&event);
    return done && (empty || check_end(reader, error));
}

bool config_yaml_read(const char *text, size_t size, const struct config_source *source,
                      struct config_node *root, struct error *error)
{
    struct reader reader = {.source = source, .text = text ? text : "", .size = size};
    *root = (struct config_node){0};
    if (!yaml_parser_initialize(&reader.parser))
        return fail_work(error, "%s: out of memory", source->name);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)reader.text, size);
    bool done = read_document(&reader, root, error);
    yaml_parser_delete(&reader.parser);
    if (!done)
        config_node_free(root);
    return done;
}

const struct config_node *config_node_find(const struct config_node *node, const char *key)
{
    for (size_t i = 0; node && i < node->count; i++)
        if (node->items[i].key && strcmp(node->items[i].key, key) == 0)
            return &node->items[i];
    return NULL;
}
