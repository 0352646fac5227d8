#include "config/config_schema.h"

#include "base/nearest.h"

#include <stdio.h>
#include <string.h>

const struct config_key *config_key_find(const struct config_schema *schema, const char *path)
{
    for (size_t i = 0; i < schema->count; i++)
        if (strcmp(schema->keys[i].path, path) == 0)
            return &schema->keys[i];
    return NULL;
}

const struct config_key *config_key_at(const struct config_schema *schema, size_t offset)
{
    size_t i = 0;
    while (i < schema->count && schema->keys[i].offset != offset)
        i++;
    CHECK(i < schema->count);
    return &schema->keys[i];
}

size_t config_key_section(const struct config_key *key)
{
    const char *dot = strchr(key->path, '.');
    return dot ? (size_t)(dot - key->path) : 0;
}

const char *config_key_name(const struct config_key *key)
{
    const char *dot = strchr(key->path, '.');
    return dot ? dot + 1 : key->path;
}

bool config_key_begins_section(const struct config_schema *schema, const struct config_key *key)
{
    size_t length = config_key_section(key);
    return key == schema->keys || config_key_section(key - 1) != length ||
           strncmp(key->path, key[-1].path, length) != 0;
}

bool config_section_exists(const struct config_schema *schema, const char *name)
{
    for (const char *const *section = schema->sections; *section; section++)
        if (strcmp(*section, name) == 0)
            return true;
    return false;
}

struct text256 config_words_join(const char *const *words, const char *last_separator)
{
    struct text256 joined = {{0}};
    size_t used = 0;
    for (size_t i = 0; words[i]; i++) {
        const char *separator = !used ? "" : words[i + 1] ? ", " : last_separator;
        if (*words[i])
            used += (size_t)snprintf(joined.text + used, sizeof joined.text - used, "%s%s",
                                     separator, words[i]);
        CHECK(used < sizeof joined.text);
    }
    return joined;
}

struct text256 config_required_keys(const struct config_schema *schema)
{
    enum { MAX_KEYS = 7 };
    const char *paths[MAX_KEYS + 1] = {0};
    size_t count = 0;
    for (size_t i = 0; i < schema->count; i++)
        if (schema->keys[i].required) {
            CHECK(count < MAX_KEYS);
            paths[count++] = schema->keys[i].path;
        }
    return config_words_join(paths, " and ");
}

/* ---- the nearest key ---- */

static const char *last_word(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

/* Returns whether the word is an abbreviation of the name: its initials ("lr" of "learning_rate")
 * or its first words ("warmup" of "warmup_steps"). */
static bool is_short_for(const char *word, const char *name)
{
    size_t size = strlen(word), initials = 0;
    if (strncmp(name, word, size) == 0 && name[size] == '_')
        return true;
    for (const char *at = name; at && initials < size && word[initials] == *at; initials++) {
        const char *next = strchr(at, '_');
        at = next ? next + 1 : NULL;
        if (!at)
            return initials + 1 == size && size > 1;
    }
    return false;
}

/* In the section of the path or, where it names none, in any. */
static const char *unabbreviated(const struct config_schema *schema, const char *path)
{
    const char *word = last_word(path);
    for (size_t i = 0; i < schema->count; i++) {
        const char *key = schema->keys[i].path;
        if (is_short_for(word, last_word(key)) && strncmp(key, path, (size_t)(word - path)) == 0)
            return key;
    }
    return NULL;
}

/* Keeps the nearer of *nearest, which may be NULL, and the candidate. */
static void compare(const char *path, const char *candidate, const char **nearest)
{
    const char *const candidates[] = {*nearest ? *nearest : candidate, candidate};
    *nearest = nearest_word(path, candidates, 2);
}

const char *config_key_nearest(const struct config_schema *schema, const char *path)
{
    /* A key in the wrong section is more likely than one that happens to be spelt alike. */
    for (size_t i = 0; i < schema->count; i++)
        if (strcmp(last_word(schema->keys[i].path), last_word(path)) == 0)
            return schema->keys[i].path;
    const char *nearest = unabbreviated(schema, path);
    if (nearest)
        return nearest;
    for (const char *const *section = schema->sections; *section; section++)
        compare(path, *section, &nearest);
    for (size_t i = 0; i < schema->count; i++)
        compare(path, schema->keys[i].path, &nearest);
    return nearest;
}
