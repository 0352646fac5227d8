#include "text/word_counts.h"

#include "base/hash.h"
#include "base/memory.h"
#include "base/min.h"

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

/* ---- pruning ---- */

/* Counts from COUNT_CLASSES - 1 on are one class: few words are so frequent. */
enum { COUNT_CLASSES = 4096, HASH_CLASSES = 4096 };

/* The words that stay: those that occur more often than `count`, and those that occur exactly
 * `count` times and whose hash class is below `hash_class`. */
struct threshold {
    uint64_t count;
    uint32_t hash_class;
};

static uint32_t hash_class(const char *word, size_t size)
{
    return (uint32_t)(hash_bytes(word, size) % HASH_CLASSES);
}

static uint64_t count_class(uint64_t count)
{
    return min_uint64(count, COUNT_CLASSES - 1);
}

/* Returns the largest count of which not all words can stay, or 0; *room is how many can. */
static uint64_t find_count(const struct word_counts *counts, size_t *classes, uint32_t max,
                           size_t *room)
{
    for (uint32_t i = 0; i < counts->words.count; i++)
        classes[count_class(counts->counts[i])]++;
    *room = max;
    for (size_t class = COUNT_CLASSES - 1; class > 0; class --) {
        if (classes[class] > *room)
            return class;
        *room -= classes[class];
    }
    return 0;
}

static struct threshold find_threshold(const struct word_counts *counts, size_t *classes,
                                       uint32_t max)
{
    size_t room;
    struct threshold threshold = {.count = find_count(counts, classes, max, &room)};
    for (size_t i = 0; i < HASH_CLASSES; i++)
        classes[i] = 0;
    for (uint32_t i = 0; i < counts->words.count; i++) {
        size_t size;
        const char *word = string_table_get(&counts->words, i, &size);
        if (count_class(counts->counts[i]) == threshold.count)
            classes[hash_class(word, size)]++;
    }
    while (threshold.hash_class < HASH_CLASSES && classes[threshold.hash_class] <= room)
        room -= classes[threshold.hash_class++];
    return threshold;
}

static bool stays(const struct threshold *threshold, const char *word, size_t size, uint64_t count)
{
    uint64_t class = count_class(count);
    return class > threshold->count ||
           (class == threshold->count && hash_class(word, size) < threshold->hash_class);
}

static bool keep_words(struct word_counts *kept, const struct word_counts *counts,
                       const struct threshold *threshold, struct words_dropped *dropped,
                       word_dropped *visit, void *context, struct error *error)
{
    for (uint32_t i = 0; i < counts->words.count; i++) {
        size_t size;
        const char *word = string_table_get(&counts->words, i, &size);
        const uint64_t count = counts->counts[i];
        if (stays(threshold, word, size, count)) {
            if (!word_counts_add(kept, word, size, count, error))
                return false;
            continue;
        }
        dropped->words++;
        dropped->occurrences += count;
        dropped->max_count = count > dropped->max_count ? count : dropped->max_count;
        visit(context, word, size, count);
    }
    return true;
}

bool word_counts_prune(struct word_counts *counts, uint32_t max, struct words_dropped *dropped,
                       word_dropped *visit, void *context, struct error *error)
{
    _Static_assert(HASH_CLASSES <= COUNT_CLASSES, "one table serves both");
    struct word_counts kept = {0};
    if (counts->words.count <= max)
        return true;
    size_t *classes = allocate(COUNT_CLASSES, sizeof *classes, error);
    if (!classes)
        return false;
    const struct threshold threshold = find_threshold(counts, classes, max);
    free(classes);
    if (!keep_words(&kept, counts, &threshold, dropped, visit, context, error)) {
        word_counts_free(&kept);
        return false;
    }
    word_counts_free(counts);
    *counts = kept;
    return true;
}

void word_counts_free(struct word_counts *counts)
{
    string_table_free(&counts->words);
    free(counts->counts);
    *counts = (struct word_counts){0};
}
