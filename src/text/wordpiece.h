/* WordPiece: a word is split into the longest piece of the vocabulary that it begins with, then the
 * longest "##" piece that the rest begins with, and so on (Schuster & Nakajima 2012; the greedy
 * form of BERT). */
#ifndef CLOZE_TEXT_WORDPIECE_H
#define CLOZE_TEXT_WORDPIECE_H

#include "text/normalizer.h"
#include "text/vocabulary.h"

/* The pieces of a vocabulary as a trie. Immutable, shared by all threads; does not need the
 * vocabulary any more. */
struct wordpiece;

/* NULL when memory is short. */
struct wordpiece *wordpiece_create(const struct vocabulary *vocabulary, struct error *error);

/* NULL is accepted. */
void wordpiece_free(struct wordpiece *wordpiece);

/* The ids of a word of at most WORD_MAX_CHARACTERS characters; returns how many, at least 1: a word
 * that cannot be split wholly is one [UNK]. Cannot fail. */
size_t wordpiece_split(const struct wordpiece *wordpiece, const char *word, size_t size,
                       int32_t ids[WORD_MAX_CHARACTERS]);

#endif
