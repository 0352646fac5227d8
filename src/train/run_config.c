#include "train/run_config.h"

#include "base/file.h"
#include "base/memory.h"
#include "train/run_config_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Written by a person: one that is larger is another file given by mistake. */
enum { CONFIG_FILE_LIMIT = 1 << 20 };

void run_config_free(struct run_config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config_key_count; i++)
        config_value_free(config, &config_keys[i]);
    free(config->origins);
    free(config->path);
    free(config);
}

static struct run_config *create(const char *path, struct error *error)
{
    struct run_config *config = allocate(1, sizeof *config, error);
    if (!config)
        return NULL;
    for (size_t i = 0; i < config_key_count; i++)
        config_value_reset(config, &config_keys[i]);
    config->path = path_join("", path, error);
    if (config->path)
        config->origins = allocate(config_key_count, sizeof *config->origins, error);
    if (config->origins)
        return config;
    run_config_free(config);
    return NULL;
}

static struct key_origin *origin_of(struct run_config *config, const struct config_key *key)
{
    return &config->origins[key - config_keys];
}

static bool fail_unknown(const struct config_source *source, size_t line, const char *path,
                         struct error *error)
{
    const char *nearest = config_key_nearest(path);
    if (nearest)
        return config_fail(source, line, error, "unknown key %s; did you mean %s?", path, nearest);
    return config_fail(source, line, error, "unknown key %s; 'cloze config --help' lists the keys",
                       path);
}

/* ---- the file ---- */

/* Only called behind entries that are all known and different, so the work stays small whatever the
 * file holds. */
static bool check_repeated(const struct config_node *mapping, size_t place, const char *section,
                           const struct config_source *source, struct error *error)
{
    const struct config_node *entry = &mapping->items[place];
    for (size_t i = 0; i < place; i++)
        if (strcmp(mapping->items[i].key, entry->key) == 0)
            return config_fail(source, entry->line, error,
                               "%s%s%s is given twice; first in line %zu", section,
                               *section ? "." : "", entry->key, mapping->items[i].line);
    return true;
}

static bool apply_section(struct run_config *config, const struct config_node *entry,
                          const struct config_source *source, struct error *error);

static bool apply_entry(struct run_config *config, const char *section,
                        const struct config_node *entry, const struct config_source *source,
                        struct error *error)
{
    char path[128];
    bool cut = snprintf(path, sizeof path, "%s%s%s", section, *section ? "." : "", entry->key) >=
               (int)sizeof path;
    const struct config_key *key = cut ? NULL : config_key_find(path);
    if (!key && !*section && config_section_exists(entry->key))
        return apply_section(config, entry, source, error);
    if (!key)
        return fail_unknown(source, entry->line, path, error);
    if (strchr(entry->key, '.'))
        return config_fail(source, entry->line, error, "%s: expected %s in the section %.*s", path,
                           strchr(path, '.') + 1, (int)config_key_section(key), path);
    *origin_of(config, key) = (struct key_origin){ORIGIN_FILE, entry->line};
    return config_value_read(config, key, entry, source, error);
}

static bool apply_mapping(struct run_config *config, const char *section,
                          const struct config_node *mapping, const struct config_source *source,
                          struct error *error)
{
    for (size_t i = 0; i < mapping->count; i++)
        if (!check_repeated(mapping, i, section, source, error) ||
            !apply_entry(config, section, &mapping->items[i], source, error))
            return false;
    return true;
}

static bool apply_section(struct run_config *config, const struct config_node *entry,
                          const struct config_source *source, struct error *error)
{
    if (entry->kind == CONFIG_NODE_NULL) /* all its keys are commented out */
        return true;
    if (entry->kind != CONFIG_NODE_MAPPING)
        return config_fail(source, entry->line, error,
                           "%s is a section; expected its keys below it, indented", entry->key);
    return apply_mapping(config, entry->key, entry, source, error);
}

static bool apply_text(struct run_config *config, const struct buffer *text,
                       const struct config_source *source, struct error *error)
{
    struct config_node root;
    bool done = false;
    if (!config_yaml_read(text->data, text->size, source, &root, error))
        return false;
    if (root.kind == CONFIG_NODE_NULL)
        config_fail(source, 0, error,
                    "the file is empty; expected keys, at least output and data.train");
    else if (root.kind != CONFIG_NODE_MAPPING)
        config_fail(source, root.line, error, "expected keys with values, such as \"seed: 42\"");
    else
        done = apply_mapping(config, "", &root, source, error);
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

static bool apply_file(struct run_config *config, struct error *error)
{
    struct buffer text = {0};
    if (!file_read(config->path, CONFIG_FILE_LIMIT, &text, error)) {
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

static bool apply_value(struct run_config *config, const char *path, const char *value,
                        const struct config_source *source, struct error *error)
{
    const struct config_key *key = config_key_find(path);
    if (!key && config_section_exists(path))
        return config_fail(source, 0, error, "%s is a section; expected a key, such as %s.KEY",
                           path, path);
    if (!key)
        return fail_unknown(source, 0, path, error);
    struct config_node node;
    if (!config_yaml_read(value, strlen(value), source, &node, error))
        return false;
    *origin_of(config, key) = (struct key_origin){.kind = ORIGIN_SETTING};
    bool done = config_value_read(config, key, &node, source, error);
    config_node_free(&node);
    return done;
}

static bool apply_setting(struct run_config *config, const char *setting, const char *directory,
                          struct error *error)
{
    char path[128];
    struct buffer name = {0};
    if (!buffer_print(&name, error, "--set %s", setting))
        return false;
    struct config_source source = {name.data, directory, .lines = false};
    const char *equals = strchr(setting, '=');
    bool done;
    if (!equals || equals == setting)
        done = config_fail(&source, 0, error, "expected KEY=VALUE, such as train.steps=100");
    else {
        int length = (int)(equals - setting) < (int)sizeof path ? (int)(equals - setting)
                                                                : (int)sizeof path - 1;
        snprintf(path, sizeof path, "%.*s", length, setting);
        done = apply_value(config, path, equals + 1, &source, error);
    }
    buffer_free(&name);
    return done;
}

static bool apply_settings(struct run_config *config, const char *const *settings, size_t count,
                           struct error *error)
{
    char *directory = realpath(".", NULL);
    if (!directory)
        return fail_errno(error, errno, "cannot find the working directory");
    bool done = true;
    for (size_t i = 0; i < count && done; i++)
        done = apply_setting(config, settings[i], directory, error);
    free(directory);
    return done;
}

struct run_config *run_config_load(const char *path, const char *const *settings,
                                   size_t setting_count, struct error *error)
{
    struct run_config *config = create(path, error);
    if (!config)
        return NULL;
    if (apply_file(config, error) && apply_settings(config, settings, setting_count, error) &&
        config_resolve(config, error) && config_check(config, error))
        return config;
    run_config_free(config);
    return NULL;
}

int64_t run_config_warmup_steps(const struct run_config *config, int64_t steps)
{
    enum { LONGEST = 10000 };
    if (config->train.warmup_steps >= 0)
        return config->train.warmup_steps;
    return steps / 10 < LONGEST ? steps / 10 : LONGEST;
}
