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

/* A token that is found in a text before the text is split into words: AddedToken of Hugging Face.
 * Spaces that lstrip and rstrip take along are never part of a word, so for BERT these two change
 * no id; they are kept for what is written. */
struct added_token {
    const char *content;
    int32_t id;       /* -1 in additions: that of the line; without one the token does not count */
    bool single_word; /* not found within a word */
    bool lstrip, rstrip;
    bool normalized; /* its normalized form is found in the normalized text */
    bool special;    /* never masked, and left out of decoded text */
};

/* What the other files of a tokenizer say about a vocabulary. */
struct vocabulary_additions {
    const char *special[SPECIAL_COUNT]; /* the special tokens' names; NULL: special_token_names */
    const struct added_token *added;    /* [count] in the order of their ids; those whose ids are
                                           beyond the lines are appended to the vocabulary */
    size_t count;
};

/* Reads a vocab.txt as transformers does: UTF-8, a token's id is its line counted from 0, and line
 * breaks are "\n", "\r\n" and "\r". An empty line is an id without a token; of a repeated token the
 * last line counts. Unlike there, a byte-order mark is left out, and empty lines at the end have no
 * ids. NULL on failure. Errors name the file and line: a missing special token, invalid UTF-8, a
 * zero byte, an added token that contradicts the lines, more than 2^31 - 1 tokens or 1 GiB. NULL
 * additions are none. The caller owns the result. */
struct vocabulary *vocabulary_load(const char *path, struct error *error);
struct vocabulary *vocabulary_load_with(const char *path,
                                        const struct vocabulary_additions *additions,
                                        struct error *error);

/* The same from tokens in memory, which are copied; NULL and "" are ids without a token, a line
 * break within a token is an error, and `origin` stands for the path in messages. */
struct vocabulary *vocabulary_create(const char *const *tokens, size_t count, const char *origin,
                                     struct error *error);
struct vocabulary *vocabulary_create_with(const char *const *tokens, size_t count,
                                          const struct vocabulary_additions *additions,
                                          const char *origin, struct error *error);

/* NULL is accepted. */
void vocabulary_free(struct vocabulary *vocabulary);

int32_t vocabulary_size(const struct vocabulary *vocabulary);

/* How many of these are lines of the vocab.txt: words are split into them alone. */
int32_t vocabulary_line_count(const struct vocabulary *vocabulary);

/* The token as a C string, "##" included; 0 <= id < size. Valid as long as the vocabulary. */
const char *vocabulary_token(const struct vocabulary *vocabulary, int32_t id);

/* Its length in bytes. */
size_t vocabulary_token_size(const struct vocabulary *vocabulary, int32_t id);

/* The id of a token given with its "##", the last one if it is repeated, -1 if there is none. */
int32_t vocabulary_find(const struct vocabulary *vocabulary, const char *token, size_t size);

int32_t vocabulary_special(const struct vocabulary *vocabulary, enum special_token token);
const char *vocabulary_special_name(const struct vocabulary *vocabulary, enum special_token token);

/* Whether it is one of the five, or an added token that is special. */
bool vocabulary_is_special(const struct vocabulary *vocabulary, int32_t id);

/* All tokens that are found before words, first the five special ones. They belong to the
 * vocabulary. */
const struct added_token *vocabulary_added(const struct vocabulary *vocabulary, size_t *count);

/* Whether these are just [PAD] [UNK] [CLS] [SEP] [MASK], as in every BERT, so that a vocab.txt says
 * everything. */
bool vocabulary_is_plain(const struct vocabulary *vocabulary);

/* Whether the tokens are of text that keeps its case: not of lower-cased text. */
bool vocabulary_looks_cased(const struct vocabulary *vocabulary);

/* What is odd about the lines, in words for a person, "" if nothing is. */
const char *vocabulary_note(const struct vocabulary *vocabulary);

/* XXH3 over the tokens, each followed by "\n", and over what is added to them unless it is plain:
 * tells whether prepared data fit. */
uint64_t vocabulary_hash(const struct vocabulary *vocabulary);

/* The same of the lines of its vocab.txt alone. */
uint64_t vocabulary_lines_hash(const struct vocabulary *vocabulary);

/* Writes a vocab.txt of the lines, atomically; with "\n" otherwise as it was read. */
bool vocabulary_save(const struct vocabulary *vocabulary, const char *path, struct error *error);

#endif
