/* The table of keys that a configuration file may hold. A command describes its keys in a table;
 * the files of this folder work with any such table. It declares every key with its type, default,
 * bounds and help line; loading, --set, `cloze config`, --help and the page of documentation come
 * from it.
 *
 *     config_yaml.c      YAML to a tree
 *     config_schema.c    keys by name and by place
 *     config_value.c     one value, a row of functions for each type
 *     config_path.c      paths and texts: resolved, quoted
 *     config.c           loading: defaults, file, settings
 *     config_print.c     the effective configuration, differences, the reference of all keys */
#ifndef CLOZE_CONFIG_CONFIG_SCHEMA_H
#define CLOZE_CONFIG_CONFIG_SCHEMA_H

#include "base/buffer.h"

#include <stdint.h>

/* What the command's struct holds for a key. */
enum config_type {
    CONFIG_BOOL,     /* bool */
    CONFIG_INT,      /* int */
    CONFIG_INT64,    /* int64_t */
    CONFIG_REAL,     /* double */
    CONFIG_CHOICE,   /* an enum: the index in `choices` */
    CONFIG_NAME,     /* char [CONFIG_NAME_SIZE]: the text of one of `choices` */
    CONFIG_TEXT,     /* char [CONFIG_TEXT_SIZE]: any text */
    CONFIG_PATH,     /* char *, owned */
    CONFIG_PATHS,    /* struct strings */
    CONFIG_TEXTS,    /* struct strings */
    CONFIG_INTEGERS, /* struct integers */
    CONFIG_LIST,     /* struct { struct element *items; size_t count; }, owned */
};

enum { CONFIG_NAME_SIZE = 32, CONFIG_TEXT_SIZE = 128 };

/* A list of strings, owned. */
struct strings {
    char **items;
    size_t count;
};

/* A list of whole numbers, owned. */
struct integers {
    int64_t *items;
    size_t count;
};

struct config_schema;

struct config_key {
    const char *path; /* "train.steps" */
    enum config_type type;
    size_t offset;        /* in the command's struct */
    const char *fallback; /* the default as YAML, of a type that owns no memory; NULL: absent */
    const char *help;     /* one sentence, without the full stop */

    double minimum, maximum;    /* of numbers, also in a list; of whole ones up to 2^53 */
    double absent;              /* the value that stands for an absent number */
    const char *const *choices; /* of a choice or name; ends with NULL; "" stands for absent */
    const char *when_absent;    /* what happens then */
    const char *set_by;         /* where the default comes from, in the documentation */
    const char *example;        /* of a list */
    const struct config_schema *element; /* of a list: the keys of an element */

    bool above_minimum, below_maximum; /* the bound itself is out of bounds */
    bool required;                     /* has no default */
    bool changes_on_resume;            /* a resumed run may have a different value */
    bool names_content;  /* a path: a resumed run may have a different one of the same content */
    unsigned char marks; /* bits whose meaning only the command knows */
};

struct config_schema {
    const struct config_key *keys; /* the keys of a section stand together */
    size_t count;
    size_t size;       /* of the command's struct, which begins with a struct config; or of the
                        * struct of an element, whose values own no memory */
    const char *title; /* of the keys without a section, "The run"; of an element, "phase" */

    /* Of a file's schema: */
    const char *const *sections; /* ends with NULL */
    const char *command;         /* "cloze train" */
    const char *list_command;    /* prints all keys: "cloze config --help" */
    const char *example_entry;   /* of a file: "seed: 42" */
    const char *example_setting; /* "train.steps=100" */
    const char *use_input[2];    /* how to use a text that is given instead of a configuration: what
                                  * to say before and after its path */
    const char *introduction;    /* the head of the page of documentation, Markdown */
};

struct text256 {
    char text[256];
};

/* NULL if there is no key of that path. */
const struct config_key *config_key_find(const struct config_schema *schema, const char *path);

/* The key whose value stands at the offset in the command's struct. CHECKed: there is one. */
const struct config_key *config_key_at(const struct config_schema *schema, size_t offset);

/* The path of the key or section that was probably meant; NULL if nothing comes near. */
const char *config_key_nearest(const struct config_schema *schema, const char *path);

/* The length of "train" in "train.steps"; 0 for a key without a section. */
size_t config_key_section(const struct config_key *key);

/* "steps" of "train.steps"; points into the path. */
const char *config_key_name(const struct config_key *key);

/* Returns whether the key is the first of its section. */
bool config_key_begins_section(const struct config_schema *schema, const struct config_key *key);

/* Returns whether keys "NAME.something" exist. */
bool config_section_exists(const struct config_schema *schema, const char *name);

/* "output and data.train": the keys that have no default. */
struct text256 config_required_keys(const struct config_schema *schema);

/* "a, b or c" with " or " as the last separator: the words up to NULL that are not empty. CHECKed:
 * they fit. */
struct text256 config_words_join(const char *const *words, const char *last_separator);

#endif
