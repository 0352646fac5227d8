/* A configuration: the values of a schema's keys, loaded from a file and settings. */
#ifndef CLOZE_CONFIG_CONFIG_H
#define CLOZE_CONFIG_CONFIG_H

#include "config/config_value.h"

/* Where a value came from. */
struct config_origin {
    size_t line;      /* of the file; 0: not from there */
    bool setting;     /* from a setting */
    const char *name; /* of what else decided it, "model.size"; NULL: the default; not owned */
};

/* The first member of the struct that a schema describes. A `void *config` below points to such a
 * struct. */
struct config {
    const struct config_schema *schema;
    char *path;                    /* the file, as it was named; owned */
    struct config_origin *origins; /* one a key of the schema; owned */
};

/* Reads a file and applies "key=value" settings in their order ("train.steps=100", lists as YAML:
 * "data.train=[a.txt, b.txt]"). Relative paths in the file are relative to the file; in a setting,
 * to the working directory; every path is absolute after loading. Errors name file and line (or the
 * setting), the key, what was found and what was expected; an unknown key names the nearest known
 * one. Returns the schema's struct, its other members zeroed, which the caller frees with
 * config_free; NULL on failure. */
void *config_load(const struct config_schema *schema, const char *path, const char *const *settings,
                  size_t setting_count, struct error *error);

/* Frees the struct and what the values of keys own. */
void config_free(void *config);

struct config_origin *config_origin(const void *config, const struct config_key *key);

/* Records that the command has derived the key's value: from the value of another key, say. */
void config_set_origin(void *config, const struct config_key *key, const char *name);

/* Whether the user gave the key, in the file or as a setting. */
bool config_is_given(const void *config, const struct config_key *key);

/* An input error that begins with where the key was given: "FILE:LINE: KEY: ...". Returns false. */
bool fail_key(const void *config, const struct config_key *key, struct error *error,
              const char *format, ...) __attribute__((format(printf, 4, 5)));

/* An error if a required key has no value. */
bool config_check_required(const void *config, struct error *error);

#endif
