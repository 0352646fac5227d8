/* Byte-pair merges (Sennrich, Haddow & Birch 2016, "Neural machine translation of rare words with
 * subword units") over words divided into WordPiece tokens: the first token of a word without a
 * prefix, the others with "##". */
#ifndef CLOZE_TEXT_PAIR_MERGES_H
#define CLOZE_TEXT_PAIR_MERGES_H

#include "text/string_table.h"

/* Words as sequences of tokens. */
struct token_words {
    uint32_t *tokens; /* the words' tokens, as numbers in the string table */
    size_t *starts;   /* [count + 1] first token of each word, then the end */
    uint64_t *counts; /* [count] number of occurrences of each word */
    uint32_t count;
};

/* Merges the most frequent pair of neighbouring tokens in all words and adds the merged token to
 * the table, and repeats this until the table has `size` tokens or no pair occurs twice. Among
 * equally frequent pairs the one with the smaller left token, then the smaller right token, in the
 * order of bytes, comes first, so the result depends only on the words and their counts, not on
 * their order. Afterwards the contents of words->tokens are unspecified. Returns false when memory
 * is short or there are too many pairs. */
bool merge_pairs(struct string_table *table, struct token_words *words, uint32_t size,
                 struct error *error);

#endif
