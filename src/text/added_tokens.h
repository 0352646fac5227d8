/* Finds the added tokens of a vocabulary in a text, as the AddedVocabulary of Hugging Face
 * tokenizers does: from left to right, the longest token at each place. */
#ifndef CLOZE_TEXT_ADDED_TOKENS_H
#define CLOZE_TEXT_ADDED_TOKENS_H

#include "text/normalizer.h"
#include "text/vocabulary.h"

/* Immutable: any number of threads may use it. It does not refer to the vocabulary after its
 * creation. */
struct added_tokens;

/* Returns NULL when memory is short. */
struct added_tokens *added_tokens_create(const struct vocabulary *vocabulary,
                                         const struct normalizer *normalizer, struct error *error);
void added_tokens_free(struct added_tokens *tokens); /* NULL is accepted */

/* The two kinds of added tokens: those that are found in the text as it is written, and those with
 * `normalized`, which are found in the normalized text between tokens of the first kind. */
enum added_tokens_kind { ADDED_TOKENS_WRITTEN, ADDED_TOKENS_NORMALIZED, ADDED_TOKENS_KINDS };

/* Returns whether there are tokens of this kind. */
bool added_tokens_have(const struct added_tokens *tokens, enum added_tokens_kind kind);

struct added_match {
    size_t start, end; /* offsets in the text, in bytes */
    int32_t id;
};

/* Finds the next match that starts at or after the byte `from`. Returns false if there is none. */
bool added_tokens_find(const struct added_tokens *tokens, enum added_tokens_kind kind,
                       const char *text, size_t size, size_t from, struct added_match *match);

#endif
