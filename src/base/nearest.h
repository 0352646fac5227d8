/* "Did you mean": the known word that is nearest to a misspelt one. */
#ifndef CLOZE_BASE_NEAREST_H
#define CLOZE_BASE_NEAREST_H

#include <stddef.h>

/* Returns the edit distance of Damerau & Levenshtein, where a swap of two neighbours counts one.
 * Words are cut after 63 bytes. */
size_t edit_distance(const char *a, const char *b);

/* Returns the candidate nearest to `word`, the first of equals; NULL if its distance is more than 2
 * and more than a third of the word's length. */
const char *nearest_word(const char *word, const char *const *candidates, size_t count);

#endif
