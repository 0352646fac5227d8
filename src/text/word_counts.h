/* Counts words. Zero-initialize struct word_counts; free it with word_counts_free. Used by one
 * thread. */
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

/* Adds all counts of `from` and empties it. */
bool word_counts_merge(struct word_counts *counts, struct word_counts *from, struct error *error);

/* The words that pruning has dropped. */
struct words_dropped {
    uint64_t words, occurrences;
    uint64_t max_count; /* the largest count of a dropped word */
};

/* A function that is called with every dropped word. */
typedef void word_dropped(void *context, const char *word, size_t size, uint64_t count);

/* Drops the rarest words until at most `max` are left. Among equally rare words a hash of their
 * bytes decides, so the result depends only on the words and their counts. */
bool word_counts_prune(struct word_counts *counts, uint32_t max, struct words_dropped *dropped,
                       word_dropped *visit, void *context, struct error *error);

void word_counts_free(struct word_counts *counts);

#endif
