#include "train/run_config_keys.h"

#include <ctype.h>
#include <string.h>

/* Whether the key is the first of its section. */
static bool begins_section(size_t place)
{
    const struct config_key *key = &config_keys[place];
    size_t length = config_key_section(key);
    return place == 0 || config_key_section(key - 1) != length ||
           strncmp(key->path, key[-1].path, length) != 0;
}

/* "steps" of "train.steps". */
static const char *key_name(const struct config_key *key)
{
    size_t section = config_key_section(key);
    return key->path + (section ? section + 1 : 0);
}

/* ---- the effective configuration ---- */

/* What stands in the comment. */
static bool print_origin(const struct run_config *config, const struct key_origin *origin,
                         struct buffer *out, struct error *error)
{
    static const char *const texts[] = {
        [ORIGIN_DEFAULT] = "default",     [ORIGIN_SETTING] = "--set",
        [ORIGIN_SIZE] = "model.size",     [ORIGIN_INIT_FROM] = "model.init_from",
        [ORIGIN_PHASES] = "train.phases",
    };
    if (origin->kind != ORIGIN_FILE)
        return buffer_print(out, error, "%s", texts[origin->kind]);
    size_t start = out->size;
    if (!buffer_print(out, error, "%s:%zu", config->path, origin->line))
        return false;
    for (size_t i = start; i < out->size; i++)
        if (iscntrl((unsigned char)out->data[i])) /* a line break would end the comment */
            out->data[i] = '?';
    return true;
}

static bool print_comment(const struct run_config *config, size_t place, size_t line_start,
                          struct buffer *out, struct error *error)
{
    enum { COMMENT_COLUMN = 44 };
    size_t used = out->size - line_start;
    int padding = used < COMMENT_COLUMN ? (int)(COMMENT_COLUMN - used) : 1;
    return buffer_print(out, error, "%*s# ", padding, "") &&
           print_origin(config, &config->origins[place], out, error);
}

static bool print_entry(const struct run_config *config, size_t place, bool origins,
                        struct buffer *out, struct error *error)
{
    const struct config_key *key = &config_keys[place];
    size_t section = config_key_section(key);
    if (section && begins_section(place) &&
        !buffer_print(out, error, "%.*s:\n", (int)section, key->path))
        return false;
    size_t line_start = out->size;
    const char *space = config_value_absent(config, key) ? "" : " ";
    return buffer_print(out, error, "%s%s:%s", section ? "  " : "", key_name(key), space) &&
           config_value_print(config, key, out, error) &&
           (!origins || print_comment(config, place, line_start, out, error)) &&
           buffer_append(out, "\n", 1, error);
}

bool run_config_print(const struct run_config *config, bool origins, struct buffer *out,
                      struct error *error)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (!print_entry(config, i, origins, out, error))
            return false;
    return true;
}

bool run_config_differences(const struct run_config *a, const struct run_config *b,
                            struct buffer *out, struct error *error)
{
    const char *separator = "";
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (key->changes_on_resume || config_value_equal(a, b, key))
            continue;
        if (!buffer_print(out, error, "%s%s", separator, key->path))
            return false;
        separator = ", ";
    }
    return true;
}

/* ---- the reference ---- */

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "<!-- Written by scripts/update-docs from the table in src/train/run_config_keys.c. -->\n"
    "\n"
    "A run is described by one YAML file, the CONFIG of `cloze train`. Every key can also be given "
    "on\n"
    "the command line, where it overrides the file: `--set train.steps=100`,\n"
    "`--set 'data.train=[a.txt, b.txt]'`. `cloze config CONFIG` prints the complete effective\n"
    "configuration, each value with where it came from.\n"
    "\n"
    "Only `output` and `data.train` have no default. Relative paths in the file are relative to "
    "the\n"
    "file, those of `--set` to the working directory. An empty value means that a key is absent, "
    "where\n"
    "the table says what happens then. Unknown keys, keys given twice and values of the wrong type "
    "or\n"
    "out of bounds are errors. A value that begins with `*` must be quoted.\n"
    "\n"
    "A run can only be resumed with the values that it was begun with, except for the keys that "
    "the\n"
    "last column marks.\n";

static bool print_default(const struct config_key *key, struct buffer *out, struct error *error)
{
    if (key->required)
        return buffer_print(out, error, "required");
    if (key->architecture)
        return buffer_print(out, error, "of the size");
    if (key->fallback)
        return buffer_print(out, error, "%s", key->fallback);
    return buffer_print(out, error, "absent");
}

static bool print_meaning(const struct config_key *key, struct buffer *out, struct error *error)
{
    return buffer_print(out, error, "%s", key->help) &&
           (!key->when_absent || buffer_print(out, error, "; absent: %s", key->when_absent));
}

static bool print_markdown_row(const struct config_key *key, struct buffer *out,
                               struct error *error)
{
    return buffer_print(out, error, "| `%s` | %s | ", key_name(key),
                        config_value_expected(key).text) &&
           print_default(key, out, error) && buffer_print(out, error, " | ") &&
           print_meaning(key, out, error) &&
           buffer_print(out, error, " | %s |\n", key->changes_on_resume ? "may change" : "");
}

static bool print_markdown_title(const struct config_key *key, struct buffer *out,
                                 struct error *error)
{
    static const char columns[] = "| key | value | default | meaning | on resume |\n"
                                  "| --- | --- | --- | --- | --- |\n";
    int section = (int)config_key_section(key);
    return (section ? buffer_print(out, error, "\n## %.*s\n\n", section, key->path)
                    : buffer_print(out, error, "\n## The run\n\n")) &&
           buffer_print(out, error, "%s", columns);
}

static bool print_text_entry(const struct config_key *key, struct buffer *out, struct error *error)
{
    return buffer_print(out, error, "  %s: %s%s", key->path, config_value_expected(key).text,
                        key->required ? "; " : "; default: ") &&
           print_default(key, out, error) && buffer_print(out, error, "\n      ") &&
           print_meaning(key, out, error) && buffer_print(out, error, "\n");
}

bool run_config_reference(bool markdown, struct buffer *out, struct error *error)
{
    if (markdown && !buffer_print(out, error, "%s", introduction))
        return false;
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (markdown && begins_section(i) && !print_markdown_title(key, out, error))
            return false;
        if (!(markdown ? print_markdown_row : print_text_entry)(key, out, error))
            return false;
    }
    return true;
}
