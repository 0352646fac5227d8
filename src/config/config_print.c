#include "config/config_print.h"

#include "base/log.h"
#include "base/wrap.h"

#include <ctype.h>
#include <string.h>

static bool print_origin(const struct config *config, const struct config_origin *origin,
                         struct buffer *out, struct error *error)
{
    const char *name = origin->name ? origin->name : "default";
    if (!origin->line)
        return buffer_print(out, error, "%s", origin->setting ? "--set" : name);
    size_t start = out->size;
    if (!buffer_print(out, error, "%s:%zu", config->path, origin->line))
        return false;
    for (size_t i = start; i < out->size; i++)
        if (iscntrl((unsigned char)out->data[i])) /* a line break would end the comment */
            out->data[i] = '?';
    return true;
}

static bool print_comment(const struct config *config, const struct config_key *key,
                          size_t line_start, struct buffer *out, struct error *error)
{
    enum { COMMENT_COLUMN = 44 };
    size_t used = out->size - line_start;
    int padding = used < COMMENT_COLUMN ? (int)(COMMENT_COLUMN - used) : 1;
    return buffer_print(out, error, "%*s# ", padding, "") &&
           print_origin(config, config_origin(config, key), out, error);
}

static bool print_entry(const struct config *config, const struct config_key *key, bool origins,
                        struct buffer *out, struct error *error)
{
    size_t section = config_key_section(key);
    if (section && config_key_begins_section(config->schema, key) &&
        !buffer_print(out, error, "%.*s:\n", (int)section, key->path))
        return false;
    size_t line_start = out->size;
    const char *space = config_value_absent(config, key) ? "" : " ";
    return buffer_print(out, error, "%s%s:%s", section ? "  " : "", config_key_name(key), space) &&
           config_value_print(config, key, out, error) &&
           (!origins || print_comment(config, key, line_start, out, error)) &&
           buffer_append(out, "\n", 1, error);
}

bool config_print(const void *config, bool origins, struct buffer *out, struct error *error)
{
    const struct config_schema *schema = ((const struct config *)config)->schema;
    for (size_t i = 0; i < schema->count; i++)
        if (!print_entry(config, &schema->keys[i], origins, out, error))
            return false;
    return true;
}

/* ---- differences ---- */

static bool print_value(const void *config, const struct config_key *key, struct buffer *out,
                        struct error *error)
{
    return config_value_absent(config, key) ? buffer_print(out, error, "absent")
                                            : config_value_print(config, key, out, error);
}

bool config_print_differences(const void *a, const void *b, config_rule *differs,
                              struct buffer *out, struct error *error)
{
    const struct config_schema *schema = ((const struct config *)a)->schema;
    const char *separator = "";
    for (size_t i = 0; i < schema->count; i++) {
        const struct config_key *key = &schema->keys[i];
        if (!differs(a, b, key))
            continue;
        if (!buffer_print(out, error, "%s%s is ", separator, key->path) ||
            !print_value(b, key, out, error) || !buffer_print(out, error, ", was ") ||
            !print_value(a, key, out, error))
            return false;
        separator = "; ";
    }
    return true;
}

/* ---- the reference ---- */

static bool print_default(const struct config_key *key, struct buffer *out, struct error *error)
{
    if (key->required)
        return buffer_print(out, error, "required");
    return buffer_print(out, error, "%s",
                        key->set_by     ? key->set_by
                        : key->fallback ? key->fallback
                                        : "absent");
}

static bool print_meaning(const struct config_key *key, struct buffer *out, struct error *error)
{
    return buffer_print(out, error, "%s", key->help) &&
           (!key->when_absent || buffer_print(out, error, "; absent: %s", key->when_absent));
}

static bool print_markdown_row(const struct config_key *key, struct buffer *out,
                               struct error *error)
{
    return buffer_print(out, error, "| `%s` | %s | ", config_key_name(key),
                        config_value_expected(key).text) &&
           print_default(key, out, error) && buffer_print(out, error, " | ") &&
           print_meaning(key, out, error) &&
           buffer_print(out, error, " | %s |\n",
                        key->changes_on_resume ? "may change"
                        : key->names_content   ? "may be moved"
                                               : "");
}

static bool print_markdown_title(const struct config_key *key, const char *title,
                                 struct buffer *out, struct error *error)
{
    static const char columns[] = "| key | value | default | meaning | on resume |\n"
                                  "| --- | --- | --- | --- | --- |\n";
    int section = (int)config_key_section(key);
    return buffer_print(out, error, "\n## %.*s\n\n%s", section ? section : (int)strlen(title),
                        section ? key->path : title, columns);
}

bool config_key_explain(const struct config_key *key, struct buffer *values, struct buffer *meaning,
                        struct error *error)
{
    return buffer_print(values, error, "%s; %s", config_value_expected(key).text,
                        key->required ? "" : "default: ") &&
           print_default(key, values, error) && print_meaning(key, meaning, error);
}

static bool print_text_entry(const struct config_key *key, struct buffer *out, struct error *error)
{
    struct buffer value = {0}, meaning = {0};
    bool done =
        buffer_print(&value, error, "%s: ", key->path) &&
        config_key_explain(key, &value, &meaning, error) && buffer_print(out, error, "  ") &&
        wrap_words(out, value.data, 2, 4, LOG_WIDTH, error) &&
        buffer_print(out, error, "\n      ") &&
        wrap_words(out, meaning.data, 6, 6, LOG_WIDTH, error) && buffer_print(out, error, "\n");
    buffer_free(&value);
    buffer_free(&meaning);
    return done;
}

bool config_reference(const struct config_schema *schema, bool markdown, struct buffer *out,
                      struct error *error)
{
    if (markdown && !buffer_print(out, error, "%s", schema->introduction))
        return false;
    for (size_t i = 0; i < schema->count; i++) {
        const struct config_key *key = &schema->keys[i];
        if (markdown && config_key_begins_section(schema, key) &&
            !print_markdown_title(key, schema->title, out, error))
            return false;
        if (!(markdown ? print_markdown_row : print_text_entry)(key, out, error))
            return false;
    }
    return true;
}
