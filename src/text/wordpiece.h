/* WordPiece (Schuster & Nakajima 2012; the greedy form of BERT): the first piece of a word is the
 * longest token of the vocabulary that it begins with, the next one the longest "##" token that the
 * rest begins with, and so on. */
#ifndef CLOZE_TEXT_WORDPIECE_H
#define CLOZE_TEXT_WORDPIECE_H

#include "text/normalizer.h"
#include "text/vocabulary.h"

/* The pieces of a vocabulary as a trie. Immutable: any number of threads may use it. It does not
 * refer to the vocabulary after its creation. */
struct wordpiece;

/* Returns NULL when memory is short. */
struct wordpiece *wordpiece_create(const struct vocabulary *vocabulary, struct error *error);

/* NULL is accepted. */
void wordpiece_free(struct wordpiece *wordpiece);

/* Splits a word of at most WORD_MAX_CHARACTERS characters into ids and returns their number, at
 * least 1: a word that cannot be split completely is one [UNK]. Cannot fail. */
size_t wordpiece_split(const struct wordpiece *wordpiece, const char *word, size_t size,
                       int32_t ids[WORD_MAX_CHARACTERS]);

#endif
