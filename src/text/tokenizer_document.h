/* A JSON file of a tokenizer being read; keys are given with dots: "model.vocab". */
#ifndef CLOZE_TEXT_TOKENIZER_DOCUMENT_H
#define CLOZE_TEXT_TOKENIZER_DOCUMENT_H

#include "base/json.h"
#include "text/tokenizer.h"

struct document {
    const char *path;
    json_t *root; /* owned; NULL: there is no such file */
};

/* The value of a key; NULL where there is none. */
json_t *document_find(const struct document *document, const char *key);

/* "PATH: KEY is FOUND; expected ...". Returns false. */
bool document_fail(const struct document *document, const char *key, const json_t *found,
                   const char *expected, struct error *error);

bool document_expect(const struct document *document, const char *key, const char *expected,
                     struct error *error);
bool document_flag(const struct document *document, const char *key, bool *flag,
                   struct error *error);
bool document_strip_accents(const struct document *document, const char *key,
                            enum strip_accents *strip_accents, struct error *error);

/* Tokens and flags as the files give them, before a vocabulary is made; strings belong to the
 * documents. Zero-initialize; free `added`. */
struct token_list {
    const char *special[SPECIAL_COUNT]; /* NULL: not named */
    struct added_token *added;
    size_t count, capacity;
};

/* Adds one, or gives one of the same content these flags. */
bool token_list_add(struct token_list *list, const struct added_token *token, struct error *error);

/* Reads {"content": ..., "special": ..., ...}. The error is about `key` of the document. */
bool document_added_token(const struct document *document, const char *key, json_t *entry,
                          json_int_t id, struct added_token *token, struct error *error);

/* ---- the files ---- */

/* tokenizer.json: its settings and added tokens; all of them are there. */
bool tokenizer_json_read(const struct document *document, struct tokenizer_options *options,
                         struct token_list *list, struct error *error);

/* The vocabulary of a tokenizer.json. Ids that it does not give are without a token; those that
 * `lines`, the path of a vocab.txt or NULL, has for them are taken. */
struct vocabulary *tokenizer_json_vocabulary(const struct document *document, const char *lines,
                                             const struct vocabulary_additions *additions,
                                             struct error *error);

/* The small files next to it. */
struct tokenizer_settings {
    struct document model, config, special, added; /* config.json, tokenizer_config.json,
                                                      special_tokens_map.json, added_tokens.json */
};

/* Refuses what is not a BERT tokenizer, by file and key. */
bool tokenizer_settings_check(const struct tokenizer_settings *settings, bool next_to_json,
                              struct error *error);

/* Whether the files name code of their own for the tokenizer. */
bool tokenizer_settings_have_code(const struct tokenizer_settings *settings);

/* Sets the options that tokenizer_config.json gives, and says which. */
bool tokenizer_settings_options(const struct tokenizer_settings *settings, bool next_to_json,
                                struct tokenizer_options *options, struct tokenizer_given *given,
                                struct error *error);

/* Adds the special and added tokens that the files name. */
bool tokenizer_settings_tokens(const struct tokenizer_settings *settings, bool next_to_json,
                               struct token_list *list, struct error *error);

#endif
