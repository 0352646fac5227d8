/* A WordPiece vocabulary: the lines of a vocab.txt, numbered from 0. */
#ifndef CLOZE_TEXT_VOCABULARY_H
#define CLOZE_TEXT_VOCABULARY_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Immutable once made, so any number of threads may read it. */
struct vocabulary;

enum special_token {
    SPECIAL_PAD,
    SPECIAL_UNK,
    SPECIAL_CLS,
    SPECIAL_SEP,
    SPECIAL_MASK,
    SPECIAL_COUNT
};

/* "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]" */
extern const char *const special_token_names[SPECIAL_COUNT];

/* Reads a vocab.txt: one token a line, UTF-8, "\n" or "\r\n"; NULL on failure. Errors name the file
 * and line: an empty or repeated token, a missing special token, invalid UTF-8, a zero byte, a line
 * break in a token, more than 2^31 - 1 tokens or 1 GiB. The caller owns the result. */
struct vocabulary *vocabulary_load(const char *path, struct error *error);

/* The same from tokens in memory, which are copied; `origin` stands for the path in messages. */
struct vocabulary *vocabulary_create(const char *const *tokens, size_t count, const char *origin,
                                     struct error *error);

/* NULL is accepted. */
void vocabulary_free(struct vocabulary *vocabulary);

int32_t vocabulary_size(const struct vocabulary *vocabulary);

/* The token as a C string, "##" included; 0 <= id < size. Valid as long as the vocabulary. */
const char *vocabulary_token(const struct vocabulary *vocabulary, int32_t id);

/* Its length in bytes. */
size_t vocabulary_token_size(const struct vocabulary *vocabulary, int32_t id);

/* The id of a token given with its "##", -1 if there is none. */
int32_t vocabulary_find(const struct vocabulary *vocabulary, const char *token, size_t size);

int32_t vocabulary_special(const struct vocabulary *vocabulary, enum special_token token);
bool vocabulary_is_special(const struct vocabulary *vocabulary, int32_t id);

/* XXH3 over the tokens, each followed by "\n": tells whether prepared data fit. */
uint64_t vocabulary_hash(const struct vocabulary *vocabulary);

/* Writes a vocab.txt, atomically. */
bool vocabulary_save(const struct vocabulary *vocabulary, const char *path, struct error *error);

#endif
