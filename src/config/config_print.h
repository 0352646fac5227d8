/* A configuration and its schema as text. */
#ifndef CLOZE_CONFIG_CONFIG_PRINT_H
#define CLOZE_CONFIG_CONFIG_PRINT_H

#include "config/config.h"

/* Appends the complete configuration as YAML that config_load reads back, from anywhere, to the
 * same values: every key with its value and, when `origins`, a comment saying where it came from
 * (default, FILE:LINE, --set or what the command says). */
bool config_print(const void *config, bool origins, struct buffer *out, struct error *error);

/* Returns whether a difference between two configurations of one schema is to be printed. */
typedef bool config_rule(const void *a, const void *b, const struct config_key *key);

/* Appends "KEY is B, was A" for the keys that the rule chooses, "; "-separated, in the order of the
 * schema; nothing if there are none. */
bool config_print_differences(const void *a, const void *b, config_rule *differs,
                              struct buffer *out, struct error *error);

/* Appends what values a key takes and its default ("an integer from 1 to 512; default: 128") to one
 * text and its meaning to another; both are to be wrapped. */
bool config_key_explain(const struct config_key *key, struct buffer *values, struct buffer *meaning,
                        struct error *error);

/* Appends the reference of all keys: as plain text for --help, or as a page of Markdown. */
bool config_reference(const struct config_schema *schema, bool markdown, struct buffer *out,
                      struct error *error);

#endif
