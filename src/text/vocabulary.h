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

/* A token that is found in a text before the text is split into words, as the AddedToken of Hugging
 * Face. With lstrip and rstrip it includes the spaces next to it. For BERT these two do not change
 * ids, because spaces are never part of a word; they are kept to be written again. */
struct added_token {
    const char *content;
    int32_t id;       /* -1 in additions: the id of the line; a token without a line is ignored */
    bool single_word; /* whether it is not found within a word */
    bool lstrip, rstrip;
    bool normalized; /* whether its normalized form is found in the normalized text */
    bool special;    /* whether it is never masked, and left out of decoded text */
};

/* The additions of a tokenizer's other files to a vocabulary. */
struct vocabulary_additions {
    const char *special[SPECIAL_COUNT]; /* the special tokens' names; NULL: special_token_names */
    const struct added_token *added;    /* [count] in the order of their ids; tokens with ids after
                                           the last line are appended to the vocabulary */
    size_t count;
};

/* Reads a vocab.txt as transformers does: UTF-8, a token's id is its line counted from 0, and line
 * breaks are "\n", "\r\n" and "\r". An empty line is an id without a token; a repeated token has
 * the id of its last line. Unlike in transformers, a byte-order mark is left out, and empty lines
 * at the end have no ids. Errors name the file and line: a missing special token, invalid UTF-8, a
 * zero byte, an added token that contradicts the lines, more than 2^31 - 1 tokens or 1 GiB.
 * Additions may be NULL. The caller owns the result; NULL on failure. */
struct vocabulary *vocabulary_load(const char *path, struct error *error);
struct vocabulary *vocabulary_load_with(const char *path,
                                        const struct vocabulary_additions *additions,
                                        struct error *error);

/* Creates a vocabulary in the same way from tokens in memory, which are copied. NULL and "" are ids
 * without a token, a line break within a token is an error, and `origin` replaces the path in
 * messages. */
struct vocabulary *vocabulary_create(const char *const *tokens, size_t count, const char *origin,
                                     struct error *error);
struct vocabulary *vocabulary_create_with(const char *const *tokens, size_t count,
                                          const struct vocabulary_additions *additions,
                                          const char *origin, struct error *error);

/* NULL is accepted. */
void vocabulary_free(struct vocabulary *vocabulary);

int32_t vocabulary_size(const struct vocabulary *vocabulary);

/* Returns the number of tokens that are lines of the vocab.txt; words are split only into these. */
int32_t vocabulary_line_count(const struct vocabulary *vocabulary);

/* Returns the token as a C string, with its "##"; 0 <= id < size. Valid as long as the
 * vocabulary. */
const char *vocabulary_token(const struct vocabulary *vocabulary, int32_t id);

/* Returns the length of the token in bytes. */
size_t vocabulary_token_size(const struct vocabulary *vocabulary, int32_t id);

/* Returns the id of a token, given with its "##"; the last one if it is repeated; -1 if there is
 * none. */
int32_t vocabulary_find(const struct vocabulary *vocabulary, const char *token, size_t size);

int32_t vocabulary_special(const struct vocabulary *vocabulary, enum special_token token);
const char *vocabulary_special_name(const struct vocabulary *vocabulary, enum special_token token);

/* Returns whether the token is one of the five special ones, or a special added token. */
bool vocabulary_is_special(const struct vocabulary *vocabulary, int32_t id);

/* Returns whether it is a word or a piece of one: neither special nor an id without a token. */
bool vocabulary_is_ordinary(const struct vocabulary *vocabulary, int32_t id);

/* Returns all tokens that are found before words, first the five special ones. The vocabulary owns
 * them. */
const struct added_token *vocabulary_added(const struct vocabulary *vocabulary, size_t *count);

/* Returns whether the added tokens are only [PAD] [UNK] [CLS] [SEP] [MASK] with their usual flags,
 * as in every published BERT, so that a vocab.txt is complete. */
bool vocabulary_is_plain(const struct vocabulary *vocabulary);

/* Returns whether the tokens come from text that keeps its case, not from lower-cased text. */
bool vocabulary_looks_cased(const struct vocabulary *vocabulary);

/* Returns whether the tokens come from text that keeps its accents. */
bool vocabulary_looks_accented(const struct vocabulary *vocabulary);

/* Returns a note for the user about unusual lines; "" if there are none. */
const char *vocabulary_note(const struct vocabulary *vocabulary);

/* Returns the XXH3 of the tokens, each followed by "\n", and of the flags of the added tokens
 * unless the vocabulary is plain. Prepared data have the hash of their vocabulary. */
uint64_t vocabulary_hash(const struct vocabulary *vocabulary);

/* Returns the hash of only the lines of the vocab.txt. */
uint64_t vocabulary_lines_hash(const struct vocabulary *vocabulary);

/* Writes a vocab.txt of the lines, atomically. Line breaks become "\n", and a byte-order mark is
 * left out; otherwise the file is as it was read. */
bool vocabulary_save(const struct vocabulary *vocabulary, const char *path, struct error *error);

#endif
