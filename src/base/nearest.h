/* "Did you mean": the known word that is nearest to a misspelt one. */
#ifndef CLOZE_BASE_NEAREST_H
#define CLOZE_BASE_NEAREST_H

#include <stddef.h>

/* Edit distance of Damerau & Levenshtein (neighbours swapped count one), words longer than 63 bytes
 * cut there. */
size_t edit_distance(const char *a, const char *b);

/* The candidate nearest to `word`, the first of equals; NULL if even that differs in more than a
 * third of the word's letters (at least two are forgiven). */
const char *nearest_word(const char *word, const char *const *candidates, size_t count);

#endif
