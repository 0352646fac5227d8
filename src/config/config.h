/* A configuration: the values of a schema's keys, loaded from a file and settings. */
#ifndef CLOZE_CONFIG_CONFIG_H
#define CLOZE_CONFIG_CONFIG_H

#include "config/config_value.h"

/* Bytes of a file. `cloze init` names every file of a text, and the configuration of a run has them
 * with absolute paths. A larger file is a different one given by mistake. */
enum { CONFIG_FILE_LIMIT = 1 << 28 };

/* Where a value came from. */
struct config_origin {
    size_t line;      /* of the file; 0: not from there */
    bool setting;     /* from a setting */
    bool wrong;       /* what was given is no value of the key; config_load went on */
    const char *name; /* of what else decided it, "model.size"; NULL: the default; not owned */
};

/* The first member of the struct that a schema describes. A `void *config` below points to such a
 * struct. */
struct config {
    const struct config_schema *schema;
    char *path;                    /* the file, as it was named; owned */
    struct config_origin *origins; /* one a key of the schema; owned */
    /* Of config_load; NULL: the first problem is an error. */
    struct config_problems *problems;
};

/* What is wrong with a configuration: messages as those of errors, at most CONFIG_MAX_PROBLEMS.
 * Zero-initialize; free with config_problems_free. */
struct config_problems {
    char **messages; /* [count] */
    size_t count;
};

enum { CONFIG_MAX_PROBLEMS = 20 };

void config_problems_free(struct config_problems *problems);

/* Reads a file and applies "key=value" settings in their order ("train.steps=100", lists as YAML:
 * "data.train=[a.txt, b.txt]"). Relative paths in the file are relative to the file; in a setting,
 * to the working directory; every path is absolute after loading. Errors name file and line (or the
 * setting), the key, what was found and what was expected; an unknown key names the nearest known
 * one. Returns the schema's struct, its other members zeroed, which the caller frees with
 * config_free; NULL on failure.
 *
 * With `problems`, which may be NULL and must outlive the struct, it goes on after what is wrong in
 * the input, keeps the defaults there, and adds the messages to them. What is returned may then not
 * be used for anything but config_check_required, config_note_problem and config_free. */
void *config_load(const struct config_schema *schema, const char *path, const char *const *settings,
                  size_t setting_count, struct config_problems *problems, struct error *error);

/* After a check of a configuration that has failed: returns true if it was loaded with `problems`,
 * among which the error has been noted and cleared, so that further checks may follow. Otherwise,
 * and for an error that is not one of the input, returns false and leaves the error; where
 * `problems` is full, the error says that there are more. */
bool config_note_problem(const void *config, struct error *error);

/* Frees the struct and what the values of keys own. */
void config_free(void *config);

struct config_origin *config_origin(const void *config, const struct config_key *key);

/* Records that the command has derived the key's value: from the value of another key, say. */
void config_set_origin(void *config, const struct config_key *key, const char *name);

/* Returns whether the user gave the key, in the file or as a setting. */
bool config_is_given(const void *config, const struct config_key *key);

/* An input error that begins with where the key was given: "FILE:LINE: KEY: ...". Returns false. */
bool fail_key(const void *config, const struct config_key *key, struct error *error,
              const char *format, ...) __attribute__((format(printf, 4, 5)));

/* An error if a required key has no value; one that was given a wrong value is not missing. */
bool config_check_required(const void *config, struct error *error);

#endif
