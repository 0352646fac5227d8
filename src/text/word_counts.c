#include "text/word_counts.h"

#include "base/memory.h"

#include <stdlib.h>

bool word_counts_add(struct word_counts *counts, const char *word, size_t size, uint64_t count,
                     struct error *error)
{
    uint32_t number = 0;
    if (!string_table_add(&counts->words, word, size, &number, error) ||
        !grow(&counts->counts, &counts->capacity, counts->words.count, sizeof *counts->counts,
              error))
        return false;
    counts->counts[number] += count;
    return true;
}

bool word_counts_merge(struct word_counts *counts, struct word_counts *from, struct error *error)
{
    for (uint32_t i = 0; i < from->words.count; i++) {
        size_t size;
        const char *word = string_table_get(&from->words, i, &size);
        if (!word_counts_add(counts, word, size, from->counts[i], error))
            return false;
    }
    word_counts_free(from);
    return true;
}

void word_counts_free(struct word_counts *counts)
{
    string_table_free(&counts->words);
    free(counts->counts);
    *counts = (struct word_counts){0};
}
