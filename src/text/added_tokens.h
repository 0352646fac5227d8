/* Finding the added tokens of a vocabulary in a text, as the AddedVocabulary of Hugging Face
 * tokenizers: from left to right the longest token at each place. */
#ifndef CLOZE_TEXT_ADDED_TOKENS_H
#define CLOZE_TEXT_ADDED_TOKENS_H

#include "text/normalizer.h"
#include "text/vocabulary.h"

/* Immutable, shared by all threads; does not need the vocabulary any more. */
struct added_tokens;

/* NULL when memory is short. */
struct added_tokens *added_tokens_create(const struct vocabulary *vocabulary,
                                         const struct normalizer *normalizer, struct error *error);
void added_tokens_free(struct added_tokens *tokens); /* NULL is accepted */

/* Where they are looked for: as they are written, in the text as it is; or, those with
 * `normalized`, in the normalized text between the former. */
enum added_tokens_kind { ADDED_TOKENS_WRITTEN, ADDED_TOKENS_NORMALIZED, ADDED_TOKENS_KINDS };

/* Whether there are any of this kind. */
bool added_tokens_have(const struct added_tokens *tokens, enum added_tokens_kind kind);

struct added_match {
    size_t start, end; /* bytes of the text */
    int32_t id;
};

/* The next match that starts at or after the byte `from`; false if there is none. */
bool added_tokens_find(const struct added_tokens *tokens, enum added_tokens_kind kind,
                       const char *text, size_t size, size_t from, struct added_match *match);

#endif
