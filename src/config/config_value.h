/* One value of a configuration, whatever its type. `config` is the struct that the key's schema
 * describes. */
#ifndef CLOZE_CONFIG_CONFIG_VALUE_H
#define CLOZE_CONFIG_CONFIG_VALUE_H

#include "config/config_schema.h"
#include "config/config_yaml.h"

/* "an integer from 1 to 512". */
struct text256 config_value_expected(const struct config_key *key);

/* Reads the value from a node. On failure the old value stays. */
bool config_value_read(void *config, const struct config_key *key, const struct config_node *node,
                       const struct config_source *source, struct error *error);

/* Sets the default; absent and required values are zero, empty or the key's `absent`. */
void config_value_reset(void *config, const struct config_key *key);

/* Frees what the value owns; the value is then as good as uninitialized. */
void config_value_free(void *config, const struct config_key *key);

/* Copies a value of a type that owns no memory. */
void config_value_copy(void *to, const void *from, const struct config_key *key);

/* Returns whether there is no value: null, an empty list. */
bool config_value_absent(const void *config, const struct config_key *key);

/* Two absent values are equal. */
bool config_value_equal(const void *a, const void *b, const struct config_key *key);

/* Appends the value as YAML, on one line; nothing if it is absent. Text that is not UTF-8 cannot be
 * written in YAML and is an error. */
bool config_value_print(const void *config, const struct config_key *key, struct buffer *out,
                        struct error *error);

/* Returns whether a setting's value is the text itself, as the shell gives it, and not YAML. */
bool config_value_literal(const struct config_key *key);

#endif
