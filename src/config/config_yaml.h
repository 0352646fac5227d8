/* YAML (yaml.org, version 1.1 as libyaml reads it) as a tree, as much of it as a configuration
 * needs: one document of mappings, lists and scalars. Anchors, aliases and tags are refused, so
 * that every value stands where it is read. */
#ifndef CLOZE_CONFIG_CONFIG_YAML_H
#define CLOZE_CONFIG_CONFIG_YAML_H

#include "base/error.h"

#include <stddef.h>

enum config_node_kind {
    CONFIG_NODE_NULL,
    CONFIG_NODE_SCALAR,
    CONFIG_NODE_LIST,
    CONFIG_NODE_MAPPING
};

struct config_node {
    enum config_node_kind kind;
    char *key;                 /* of an entry of a mapping, else NULL; owned */
    char *text;                /* of a scalar, never NULL then; owned */
    bool quoted;               /* the scalar is a string whatever it looks like */
    size_t line;               /* of the key or, in a list, of the value; from 1 */
    struct config_node *items; /* of a list or mapping; owned */
    size_t count, capacity;
};

/* Where values come from. */
struct config_source {
    const char
        *name; /* begins every message: the file as the user named it, or "--set KEY=VALUE" */
    const char *directory; /* absolute: what relative paths are relative to */
    bool lines;            /* the name is a file's: messages add the line */
    const char *within;    /* the list whose elements are read, put before messages; NULL: none */
};

/* An input error "NAME:LINE: WITHIN: ..."; without the line for a source without lines or line 0.
 * Returns false. */
bool config_fail(const struct config_source *source, size_t line, struct error *error,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Reads a text; an empty one (NULL, 0) gives CONFIG_NODE_NULL. Keys given twice are left to the
 * caller. On success the caller frees *root with config_node_free, on failure there is nothing to
 * free. */
bool config_yaml_read(const char *text, size_t size, const struct config_source *source,
                      struct config_node *root, struct error *error);
void config_node_free(struct config_node *node);

/* The entry of a mapping; NULL if there is none, or the node is NULL or no mapping. */
const struct config_node *config_node_find(const struct config_node *node, const char *key);

#endif
