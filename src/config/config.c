#include "config/config.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/shell.h"
#include "config/config_path.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* More than the path of any key: a longer one is unknown, and shortened in the message. */
enum { MAX_PATH_SIZE = 128 };

void config_free(void *freed)
{
    struct config *config = freed;
    for (size_t i = 0; i < config->schema->count; i++)
        config_value_free(config, &config->schema->keys[i]);
    free(config->origins);
    free(config->path);
    free(config);
}

void config_problems_free(struct config_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++)
        free(problems->messages[i]);
    free(problems->messages);
    *problems = (struct config_problems){0};
}

bool config_note_problem(const void *of, struct error *error)
{
    const struct config *config = of;
    struct config_problems *problems = config->problems;
    struct error failure = {0};
    if (!problems || error->kind != ERROR_INPUT)
        return false;
    if (problems->count == CONFIG_MAX_PROBLEMS)
        return fail_input(error, "%s: more than %d errors; correct these first", config->path,
                          CONFIG_MAX_PROBLEMS);
    if (!problems->messages)
        problems->messages = allocate(CONFIG_MAX_PROBLEMS, sizeof *problems->messages, &failure);
    char *message = problems->messages ? path_join("", error->message, &failure) : NULL;
    *error = failure;
    if (!message)
        return false;
    problems->messages[problems->count++] = message;
    return true;
}

static struct config *create(const struct config_schema *schema, const char *path,
                             struct error *error)
{
    struct config *config = allocate(1, schema->size, error);
    if (!config)
        return NULL;
    config->schema = schema;
    for (size_t i = 0; i < schema->count; i++)
        config_value_reset(config, &schema->keys[i]);
    config->path = path_join("", path, error);
    if (config->path)
        config->origins = allocate(schema->count, sizeof *config->origins, error);
    if (config->origins)
        return config;
    config_free(config);
    return NULL;
}

/* ---- origins ---- */

struct config_origin *config_origin(const void *of, const struct config_key *key)
{
    const struct config *config = of;
    return &config->origins[key - config->schema->keys];
}

void config_set_origin(void *config, const struct config_key *key, const char *name)
{
    *config_origin(config, key) = (struct config_origin){.name = name};
}

bool config_is_given(const void *config, const struct config_key *key)
{
    const struct config_origin *origin = config_origin(config, key);
    return origin->line || origin->setting;
}

bool fail_key(const void *config, const struct config_key *key, struct error *error,
              const char *format, ...)
{
    char message[sizeof error->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    const struct config_origin *origin = config_origin(config, key);
    if (origin->setting)
        return fail_input(error, "--set %s: %s", key->path, message);
    struct config_source source = {((const struct config *)config)->path, .lines = true};
    return config_fail(&source, origin->line, error, "%s: %s", key->path, message);
}

bool config_check_required(const void *config, struct error *error)
{
    const struct config_schema *schema = ((const struct config *)config)->schema;
    for (size_t i = 0; i < schema->count; i++) {
        const struct config_key *key = &schema->keys[i];
        if (key->required && !config_origin(config, key)->wrong &&
            config_value_absent(config, key) &&
            !fail_key(config, key, error, "is missing; expected %s (%s)",
                      config_value_expected(key).text, key->help) &&
            !config_note_problem(config, error))
            return false;
    }
    return true;
}

static bool fail_unknown(const struct config_schema *schema, const struct config_source *source,
                         size_t line, const char *path, struct error *error)
{
    const char *nearest = config_key_nearest(schema, path);
    if (nearest)
        return config_fail(source, line, error, "unknown key %s; did you mean %s?", path, nearest);
    return config_fail(source, line, error, "unknown key %s; '%s' lists the keys", path,
                       schema->list_command);
}

/* ---- the file ---- */

static bool apply_mapping(struct config *config, const char *section,
                          const struct config_node *mapping, const struct config_source *source,
                          struct error *error);

static bool apply_section(struct config *config, const struct config_node *entry,
                          const struct config_source *source, struct error *error)
{
    if (entry->kind == CONFIG_NODE_NULL) /* all its keys are commented out */
        return true;
    if (entry->kind != CONFIG_NODE_MAPPING)
        return config_fail(source, entry->line, error,
                           "%s is a section; expected its keys below it, indented", entry->key);
    return apply_mapping(config, entry->key, entry, source, error);
}

static bool apply_key(struct config *config, const char *path, const struct config_node *entry,
                      const struct config_source *source, struct error *error)
{
    const struct config_key *key = config_key_find(config->schema, path);
    if (!key)
        return fail_unknown(config->schema, source, entry->line, path, error);
    if (strchr(entry->key, '.'))
        return config_fail(source, entry->line, error, "%s: expected %s in the section %.*s", path,
                           config_key_name(key), (int)config_key_section(key), path);
    struct config_origin *origin = config_origin(config, key);
    *origin = (struct config_origin){.line = entry->line};
    origin->wrong = !config_value_read(config, key, entry, source, error);
    return !origin->wrong;
}

/* Stops at the first key that is unknown or repeated, or when there are many of them, so that the
 * work is small whatever the file holds. */
static bool apply_mapping(struct config *config, const char *section,
                          const struct config_node *mapping, const struct config_source *source,
                          struct error *error)
{
    bool done = true;
    for (size_t i = 0; i < mapping->count && done; i++) {
        char path[MAX_PATH_SIZE];
        const struct config_node *entry = &mapping->items[i];
        const struct config_node *first = config_node_find(mapping, entry->key);
        snprintf(path, sizeof path, "%s%s%s", section, *section ? "." : "", entry->key);
        if (first != entry)
            done = config_fail(source, entry->line, error, "%s is given twice; first on line %zu",
                               path, first->line);
        else if (!*section && config_section_exists(config->schema, entry->key))
            done = apply_section(config, entry, source, error);
        else
            done = apply_key(config, path, entry, source, error);
        done = done || config_note_problem(config, error);
    }
    return done;
}

static bool is_known(const struct config_schema *schema, const char *word)
{
    return config_key_find(schema, word) || config_section_exists(schema, word);
}

static bool has_known_entry(const struct config_schema *schema, const struct config_node *mapping)
{
    for (size_t i = 0; i < mapping->count; i++)
        if (is_known(schema, mapping->items[i].key))
            return true;
    return false;
}

/* Returns whether a line begins with a key or section and a colon, even where the file is not
 * YAML. */
static bool has_known_line(const struct config_schema *schema, const struct buffer *text)
{
    for (const char *line = text->data; line; line = strchr(line, '\n')) {
        char word[64];
        line += strspn(line, " \t\r\n{");
        size_t size = strcspn(line, ":\n");
        if (line[size] != ':' || size >= sizeof word)
            continue;
        memcpy(word, line, size);
        word[size] = 0;
        if (is_known(schema, word))
            return true;
    }
    return false;
}

/* A file that cannot be read as a configuration and does not look like one may be the text to read:
 * the error then says how to use it. `text` may be empty. */
static void suggest_text(const struct config *config, const struct buffer *text,
                         struct error *error)
{
    const char *ending = strrchr(path_name(config->path), '.');
    bool named = ending && (strcmp(ending, ".yaml") == 0 || strcmp(ending, ".yml") == 0);
    struct buffer quoted = {0};
    struct error ignored = {0};
    if (error->kind == ERROR_INPUT && !named && !has_known_line(config->schema, text) &&
        config_text_quote(config->path, &quoted, &ignored))
        fail_input(error, "%s: is not a configuration. %s%s%s", config->path,
                   config->schema->use_input[0], quoted.data, config->schema->use_input[1]);
    buffer_free(&quoted);
}

/* A directory is not a configuration, but the run that it holds may be meant. */
static bool fail_directory(const struct config *config, struct error *error)
{
    char *kept = path_join(config->path, "config.yaml", error);
    struct buffer command = {0};
    if (kept && !path_exists(kept))
        fail_input(error, "%s: is a directory; expected a configuration, a file like run.yaml",
                   config->path);
    else if (kept && buffer_print(&command, error, "%s", config->schema->command) &&
             shell_put(&command, kept, error))
        fail_input(error,
                   "%s: is a directory; expected a configuration, such as %s, with which the run "
                   "goes on: %s --resume",
                   config->path, kept, command.data);
    buffer_free(&command);
    free(kept);
    return false;
}

static bool apply_text(struct config *config, const struct buffer *text,
                       const struct config_source *source, struct error *error)
{
    struct config_node root;
    bool done = false;
    if (!config_yaml_read(text->data, text->size, source, &root, error)) {
        suggest_text(config, text, error);
        return false;
    }
    if (root.kind == CONFIG_NODE_NULL)
        config_fail(source, 0, error, "the file is empty; expected keys, at least %s",
                    config_required_keys(config->schema).text);
    else if (root.kind != CONFIG_NODE_MAPPING) {
        config_fail(source, root.line, error, "expected keys with values, such as \"%s\"",
                    config->schema->example_entry);
        suggest_text(config, text, error);
    } else {
        done = apply_mapping(config, "", &root, source, error);
        if (!done && !has_known_entry(config->schema, &root))
            suggest_text(config, text, error);
    }
    config_node_free(&root);
    return done;
}

/* The absolute directory of a file; owned by the caller. */
static char *directory_of(const char *path, struct error *error)
{
    char *relative = path_directory(path, error);
    if (!relative)
        return NULL;
    char *absolute = realpath(relative, NULL);
    if (!absolute)
        fail_errno(error, errno, "%s: cannot find the directory", path);
    free(relative);
    return absolute;
}

static bool apply_file(struct config *config, struct error *error)
{
    struct buffer text = {0};
    if (path_is_directory(config->path))
        return fail_directory(config, error);
    if (!file_read(config->path, CONFIG_FILE_LIMIT, &text, error)) {
        if (access(config->path, R_OK) == 0)
            suggest_text(config, &text, error);
        buffer_free(&text);
        return false;
    }
    char *directory = directory_of(config->path, error);
    struct config_source source = {config->path, directory, .lines = true};
    bool done = directory && apply_text(config, &text, &source, error);
    free(directory);
    buffer_free(&text);
    return done;
}

/* ---- settings ---- */

/* Returns whether a text is in brackets, and is not the path of something that exists. */
static bool is_in_brackets(const char *value)
{
    const char *last = strrchr(value, ']');
    return value[strspn(value, " \t\n")] == '[' && last && !last[1 + strspn(last + 1, " \t\n")] &&
           !path_exists(value);
}

/* Returns whether what YAML could not read was meant as a list: "[a b, *]" and "[a, b", but neither
 * "[ab]*.[ch]" nor the path of something that exists. */
static bool is_meant_as_list(const char *value)
{
    const char *at = value + strspn(value, " \t\n");
    int depth = 0;
    if (*at != '[' || path_exists(value))
        return false;
    do
        depth += (*at == '[') - (*at == ']');
    while (*++at && depth > 0);
    return !at[strspn(at, " \t\n")];
}

/* Returns whether a setting may name one item of the key's list without brackets, as the shell
 * gives it. */
static bool is_list_of_texts(const struct config_key *key)
{
    return key->type == CONFIG_PATHS || key->type == CONFIG_TEXTS;
}

/* Returns whether what YAML makes of a setting is what is meant: a text in quotes, nothing, a list
 * of texts, or an error to be reported. */
static bool is_meant(const struct config_key *key, const char *value,
                     const struct config_node *node)
{
    if (node->kind == CONFIG_NODE_SCALAR)
        return node->quoted;
    return node->kind == CONFIG_NODE_NULL || key->type == CONFIG_TEXT ||
           (node->kind == CONFIG_NODE_LIST && is_list_of_texts(key) && is_in_brackets(value));
}

/* The value of a setting. Paths and texts are literal, as the shell gives them: in YAML "a #b" is
 * "a", a line break is a space, and "*.txt" is an error. */
static bool read_setting(const struct config_key *key, const char *value,
                         const struct config_source *source, struct config_node *node,
                         struct error *error)
{
    bool read = config_yaml_read(value, strlen(value), source, node, error);
    if (!config_value_literal(key) || (read && is_meant(key, value, node)) ||
        (!read && error->kind != ERROR_INPUT))
        return read;
    if (read)
        config_node_free(node);
    else if (is_list_of_texts(key) && is_meant_as_list(value))
        return false;
    *error = (struct error){0};
    *node = (struct config_node){.kind = CONFIG_NODE_SCALAR, .text = path_join("", value, error)};
    return node->text;
}

static bool apply_value(struct config *config, const char *path, const char *value,
                        const struct config_source *source, struct error *error)
{
    const struct config_key *key = config_key_find(config->schema, path);
    if (!key && config_section_exists(config->schema, path))
        return config_fail(source, 0, error, "%s is a section; expected a key, such as %s.KEY",
                           path, path);
    if (!key)
        return fail_unknown(config->schema, source, 0, path, error);
    struct config_origin *origin = config_origin(config, key);
    struct config_node node;
    *origin = (struct config_origin){.setting = true, .wrong = true};
    if (!read_setting(key, value, source, &node, error))
        return false;
    origin->wrong = !config_value_read(config, key, &node, source, error);
    config_node_free(&node);
    return !origin->wrong;
}

static bool apply_setting(struct config *config, const char *setting, const char *directory,
                          struct error *error)
{
    char path[MAX_PATH_SIZE];
    struct buffer name = {0};
    if (!buffer_print(&name, error, "--set %s", setting))
        return false;
    struct config_source source = {name.data, directory, .lines = false};
    const char *equals = strchr(setting, '=');
    bool done = equals && equals > setting;
    if (done) {
        snprintf(path, sizeof path, "%.*s", (int)(equals - setting), setting);
        done = apply_value(config, path, equals + 1, &source, error);
    } else
        config_fail(&source, 0, error, "expected KEY=VALUE, such as %s",
                    config->schema->example_setting);
    buffer_free(&name);
    return done;
}

static bool apply_settings(struct config *config, const char *const *settings, size_t count,
                           struct error *error)
{
    char *directory = realpath(".", NULL);
    if (!directory)
        return fail_errno(error, errno, "cannot find the working directory");
    bool done = true;
    for (size_t i = 0; i < count && done; i++)
        done = apply_setting(config, settings[i], directory, error) ||
               config_note_problem(config, error);
    free(directory);
    return done;
}

void *config_load(const struct config_schema *schema, const char *path, const char *const *settings,
                  size_t setting_count, struct config_problems *problems, struct error *error)
{
    struct config *config = create(schema, path, error);
    if (!config)
        return NULL;
    config->problems = problems;
    if (apply_file(config, error) && apply_settings(config, settings, setting_count, error))
        return config;
    config_free(config);
    return NULL;
}
