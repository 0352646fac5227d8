/* Reads the files of a tokenizer in a model directory, as transformers 5 does. */
#include "base/file.h"
#include "base/memory.h"
#include "text/tokenizer_document.h"
#include "text/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

enum { FILES = 6 };

static const char *const file_names[FILES] = {
    "vocab.txt",
    "tokenizer.json",
    "config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
};

/* The files of a directory while they are read; a missing file has no root. */
struct reading {
    char *paths[FILES];
    struct json_document json; /* tokenizer.json */
    struct tokenizer_settings settings;
    struct token_list list;
};

static void close_reading(struct reading *reading)
{
    json_decref(reading->json.root);
    json_decref(reading->settings.model.root);
    json_decref(reading->settings.config.root);
    json_decref(reading->settings.special.root);
    json_decref(reading->settings.added.root);
    free(reading->list.added);
    for (int i = 0; i < FILES; i++)
        free(reading->paths[i]);
}

static bool open_document(struct json_document *document, const char *path, struct error *error)
{
    document->path = path;
    if (!path_is_taken(path))
        return true;
    document->root = json_read_file(path, error);
    return document->root != NULL;
}

static bool open_reading(struct reading *reading, const char *directory, struct error *error)
{
    for (int i = 0; i < FILES; i++)
        if (!(reading->paths[i] = path_join(directory, file_names[i], error)))
            return false;
    if (!path_is_taken(reading->paths[0]) && !path_is_taken(reading->paths[1]))
        return fail_input(error,
                          "%s: holds neither tokenizer.json nor vocab.txt; expected a model "
                          "directory with a tokenizer",
                          directory);
    return open_document(&reading->json, reading->paths[1], error) &&
           open_document(&reading->settings.model, reading->paths[2], error) &&
           open_document(&reading->settings.config, reading->paths[3], error) &&
           open_document(&reading->settings.special, reading->paths[4], error) &&
           open_document(&reading->settings.added, reading->paths[5], error);
}

/* Orders added tokens by id. Those without one, which are lines or do not count, come last. */
static int compare_tokens(const void *a, const void *b)
{
    const struct added_token *x = a, *y = b;
    uint32_t id_x = (uint32_t)x->id, id_y = (uint32_t)y->id;
    return id_x < id_y ? -1 : id_x > id_y;
}

static struct vocabulary *read_vocabulary(struct reading *reading, struct error *error)
{
    struct token_list *list = &reading->list;
    struct vocabulary_additions additions = {.added = list->added, .count = list->count};
    const char *file = reading->paths[0]; /* NULL if the user named a tokenizer.json */
    const char *lines = file && path_is_taken(file) ? file : NULL;

    if (list->count)
        qsort(list->added, list->count, sizeof *list->added, compare_tokens);
    memcpy(additions.special, list->special, sizeof additions.special);
    return reading->json.root ? tokenizer_json_vocabulary(&reading->json, lines, &additions, error)
                              : vocabulary_load_with(lines, &additions, error);
}

/* Reads all parts: first the settings, because a mistake in them may make the vocabulary
 * unreadable. */
static bool read_parts(struct reading *reading, struct tokenizer_parts *parts, struct error *error)
{
    const struct tokenizer_settings *settings = &reading->settings;
    bool json = reading->json.root != NULL;

    *parts = (struct tokenizer_parts){.options = tokenizer_default_options};
    if (!tokenizer_settings_check(settings, json, error))
        return false;
    if (json) {
        parts->has_code = tokenizer_settings_have_code(settings);
        parts->given = (struct tokenizer_given){true, true, true};
        if (!tokenizer_json_read(&reading->json, &parts->options, &reading->list, error))
            return false;
    }
    if (!tokenizer_settings_options(settings, json, &parts->options, &parts->given, error) ||
        !tokenizer_settings_tokens(settings, json, &reading->list, error))
        return false;
    parts->vocabulary = read_vocabulary(reading, error);
    return parts->vocabulary != NULL;
}

bool tokenizer_read_files(const char *directory, struct tokenizer_parts *parts, struct error *error)
{
    struct reading reading = {0};
    bool read = open_reading(&reading, directory, error) && read_parts(&reading, parts, error);
    close_reading(&reading);
    return read;
}

static bool read_json_alone(const char *path, struct tokenizer_parts *parts, struct error *error)
{
    struct reading reading = {.json = {path, json_read_file(path, error)}};
    bool read = reading.json.root && read_parts(&reading, parts, error);
    close_reading(&reading);
    return read;
}

/* A vocab.txt says nothing but the tokens. */
static bool read_lines_alone(const char *path, struct tokenizer_parts *parts, struct error *error)
{
    *parts = (struct tokenizer_parts){.options = tokenizer_default_options};
    parts->vocabulary = vocabulary_load(path, error);
    return parts->vocabulary != NULL;
}

static bool ends_in_json(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && strcmp(dot, ".json") == 0;
}

/* ---- options ---- */

static bool agree(const struct tokenizer_parts *parts, const struct tokenizer_wish *wish,
                  const char *path, struct error *error)
{
    const struct tokenizer_options *own = &parts->options, *wanted = &wish->options;
    if (wish->given.lowercase && parts->given.lowercase && own->lowercase != wanted->lowercase)
        return fail_input(error, "%s says that it is %s, but %s was asked for", path,
                          own->lowercase ? "uncased" : "cased",
                          wanted->lowercase ? "uncased" : "cased");
    if (wish->given.strip_accents && parts->given.strip_accents &&
        own->strip_accents != wanted->strip_accents)
        return fail_input(error, "%s has a different strip_accents from the one asked for", path);
    return !wish->given.tokenize_chinese_chars || !parts->given.tokenize_chinese_chars ||
           own->tokenize_chinese_chars == wanted->tokenize_chinese_chars ||
           fail_input(error, "%s has a different tokenize_chinese_chars from the one asked for",
                      path);
}

/* Completes the options that the files do not give. If neither they nor the wish give `lowercase`,
 * the tokens of a model directory decide; a vocab.txt alone is lower-cased by default, which the
 * user can change by an option. */
static void choose_options(struct tokenizer_parts *parts, const struct tokenizer_wish *wish,
                           bool directory)
{
    bool cased = vocabulary_looks_cased(parts->vocabulary);
    if (wish->given.lowercase)
        parts->options.lowercase = wish->options.lowercase;
    else if (!parts->given.lowercase && directory)
        parts->options.lowercase = !cased;
    parts->guessed = !wish->given.lowercase && !parts->given.lowercase && (directory || cased);
    if (wish->given.strip_accents)
        parts->options.strip_accents = wish->options.strip_accents;
    if (wish->given.tokenize_chinese_chars)
        parts->options.tokenize_chinese_chars = wish->options.tokenize_chinese_chars;
}

struct tokenizer *tokenizer_open(const char *path, const struct tokenizer_wish *wish,
                                 struct error *error)
{
    static const struct tokenizer_wish none = {0};
    struct tokenizer_parts parts;
    bool read = path_is_directory(path) ? tokenizer_read_files(path, &parts, error)
                : ends_in_json(path)    ? read_json_alone(path, &parts, error)
                                        : read_lines_alone(path, &parts, error);
    if (!read)
        return NULL;
    if (!wish)
        wish = &none;
    if (!agree(&parts, wish, path, error)) {
        vocabulary_free(parts.vocabulary);
        return NULL;
    }
    choose_options(&parts, wish, path_is_directory(path));
    struct tokenizer *tokenizer = tokenizer_create(parts.vocabulary, parts.options, error);
    if (!tokenizer || !tokenizer_keep_note(tokenizer, path, &parts, error)) {
        tokenizer_free(tokenizer);
        return NULL;
    }
    tokenizer->given = parts.given;
    return tokenizer;
}

struct tokenizer *tokenizer_load(const char *directory, struct error *error)
{
    struct tokenizer_parts parts;

    if (path_is_directory(directory))
        return tokenizer_open(directory, NULL, error);
    tokenizer_read_files(directory, &parts, error);
    return NULL;
}
