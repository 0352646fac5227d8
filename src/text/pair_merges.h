/* Byte-pair merges (Sennrich, Haddow & Birch 2016, "Neural machine translation of rare words with
 * subword units") over words that are cut into WordPiece tokens: the first token of a word bare,
 * the others with
 * "##". */
#ifndef CLOZE_TEXT_PAIR_MERGES_H
#define CLOZE_TEXT_PAIR_MERGES_H

#include "text/string_table.h"

/* The words, each as a run of tokens. */
struct token_words {
    uint32_t *tokens; /* numbers in the string table, word after word */
    size_t *starts;   /* [count + 1] first token of each word, then the end */
    uint64_t *counts; /* [count] how often each word occurs */
    uint32_t count;
};

/* Joins the most frequent pair of neighbouring tokens everywhere and adds the joined token to the
 * table, again and again until the table has `size` tokens or no pair occurs twice. Of pairs that
 * are equally frequent, the one whose left token, then whose right token has the smaller bytes
 * comes first; so the result depends on the words and counts alone, not on the words' order. The
 * words' tokens are used up: their contents are unspecified afterwards. */
bool merge_pairs(struct string_table *table, struct token_words *words, uint32_t size,
                 struct error *error);

#endif
