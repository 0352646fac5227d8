/* Reads the JSON files of a tokenizer. A key within an object has a dot: "model.vocab". */
#ifndef CLOZE_TEXT_TOKENIZER_DOCUMENT_H
#define CLOZE_TEXT_TOKENIZER_DOCUMENT_H

#include "base/json.h"
#include "text/tokenizer.h"

struct json_document {
    const char *path;
    json_t *root; /* owned; NULL: the file does not exist */
};

/* Returns the value of a key; NULL if there is none. */
json_t *json_document_find(const struct json_document *document, const char *key);

/* Sets the error to "PATH: KEY is FOUND; expected ...". Returns false. */
bool json_document_fail(const struct json_document *document, const char *key, const json_t *found,
                        const char *expected, struct error *error);

/* json_document_expect checks that the value of a key is a string; the next two read a value. It is
 * an error if the value is missing or of another kind. */
bool json_document_expect(const struct json_document *document, const char *key,
                          const char *expected, struct error *error);
bool json_document_flag(const struct json_document *document, const char *key, bool *flag,
                        struct error *error);
bool json_document_strip_accents(const struct json_document *document, const char *key,
                                 enum strip_accents *strip_accents, struct error *error);

/* The tokens and flags that the files give; a vocabulary is made from them. Strings belong to the
 * documents. Zero-initialize it; free `added`. */
struct token_list {
    const char *special[SPECIAL_COUNT]; /* names of the special tokens; NULL: not given */
    struct added_token *added;
    size_t count, capacity;
};

/* Adds a token, or replaces the flags of one with the same content. */
bool token_list_add(struct token_list *list, const struct added_token *token, struct error *error);

/* Reads {"content": ..., "special": ..., ...}. Errors name `key` of the document. */
bool json_document_added_token(const struct json_document *document, const char *key, json_t *entry,
                               json_int_t id, struct added_token *token, struct error *error);

/* ---- the files ---- */

/* Reads the settings and added tokens of a tokenizer.json, which gives all options. */
bool tokenizer_json_read(const struct json_document *document, struct tokenizer_options *options,
                         struct token_list *list, struct error *error);

/* Returns the vocabulary of a tokenizer.json. Ids that it lacks are taken from `lines`, the path of
 * a vocab.txt or NULL, if that agrees with the others, or have no token. */
struct vocabulary *tokenizer_json_vocabulary(const struct json_document *document,
                                             const char *lines,
                                             const struct vocabulary_additions *additions,
                                             struct error *error);

/* The small files next to a vocab.txt or tokenizer.json. With a tokenizer.json, next_to_json is
 * true in the functions below. */
struct tokenizer_settings {
    struct json_document model;   /* config.json */
    struct json_document config;  /* tokenizer_config.json */
    struct json_document special; /* special_tokens_map.json */
    struct json_document added;   /* added_tokens.json */
};

/* Checks that the files are those of a BERT tokenizer; errors name the file and key. */
bool tokenizer_settings_check(const struct tokenizer_settings *settings, bool next_to_json,
                              struct error *error);

/* Returns whether the files name code of their own for the tokenizer. */
bool tokenizer_settings_have_code(const struct tokenizer_settings *settings);

/* Sets the options that tokenizer_config.json gives, and their members of *given. */
bool tokenizer_settings_options(const struct tokenizer_settings *settings, bool next_to_json,
                                struct tokenizer_options *options, struct tokenizer_given *given,
                                struct error *error);

/* Adds the special and added tokens that the files name. */
bool tokenizer_settings_tokens(const struct tokenizer_settings *settings, bool next_to_json,
                               struct token_list *list, struct error *error);

#endif
