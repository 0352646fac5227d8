/* How often each word occurs. Zero-initialize; free with word_counts_free. Of one thread. */
#ifndef CLOZE_TEXT_WORD_COUNTS_H
#define CLOZE_TEXT_WORD_COUNTS_H

#include "text/string_table.h"

struct word_counts {
    struct string_table words;
    uint64_t *counts; /* [words.count] */
    size_t capacity;
};

bool word_counts_add(struct word_counts *counts, const char *word, size_t size, uint64_t count,
                     struct error *error);

/* Adds all of `from`, and empties it. */
bool word_counts_merge(struct word_counts *counts, struct word_counts *from, struct error *error);

void word_counts_free(struct word_counts *counts);

#endif
