#include "base/nearest.h"

#include "base/min.h"

#include <string.h>

enum { MAX_LENGTH = 63 };

size_t edit_distance(const char *a, const char *b)
{
    size_t rows[3][MAX_LENGTH + 1]; /* the current row of the table and the two before it */
    size_t *before = rows[0], *previous = rows[1], *current = rows[2];
    size_t a_size = strnlen(a, MAX_LENGTH), b_size = strnlen(b, MAX_LENGTH);
    for (size_t j = 0; j <= b_size; j++)
        current[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t *recycled = before;
        before = previous;
        previous = current;
        current = recycled;
        current[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            current[j] = min_size(previous[j - 1] + (a[i - 1] != b[j - 1]),
                                  min_size(previous[j], current[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                current[j] = min_size(current[j], before[j - 2] + 1);
        }
    }
    return current[b_size];
}

const char *nearest_word(const char *word, const char *const *candidates, size_t count)
{
    const char *nearest = NULL;
    size_t limit = strlen(word) / 3;
    size_t best = (limit > 2 ? limit : 2) + 1;
    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(word, candidates[i]);
        if (distance < best) {
            best = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}
