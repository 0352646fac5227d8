#include "data/unigram.h"

#include "base/memory.h"
#include "base/min.h"

#include <math.h>
#include <stdlib.h>

enum { SLICE = 4096 };

static void count_range(const struct dataset *dataset, uint32_t shard, uint64_t first,
                        uint64_t last, uint64_t *counts)
{
    int32_t ids[SLICE];
    while (first < last) {
        uint64_t end = first + min_uint64(last - first, SLICE);
        dataset_read(dataset, shard, first, end, ids);
        for (uint64_t i = 0; i < end - first; i++)
            counts[ids[i]]++;
        first = end;
    }
}

uint64_t *unigram_count(const struct dataset *dataset, const struct vocabulary *vocabulary,
                        struct error *error)
{
    uint64_t *counts = allocate((size_t)vocabulary_size(vocabulary), sizeof *counts, error);
    if (!counts)
        return NULL;
    for (uint64_t i = 0; i < dataset_documents(dataset); i++) {
        struct document document = dataset_document(dataset, i);
        count_range(dataset, document.shard, document.sentence_starts[0],
                    document.sentence_starts[document.sentences], counts);
    }
    for (int32_t id = 0; id < vocabulary_size(vocabulary); id++)
        if (!vocabulary_is_ordinary(vocabulary, id))
            counts[id] = 0;
    return counts;
}

static uint64_t sum(const uint64_t *counts, int32_t size, int32_t *most_frequent)
{
    uint64_t total = 0;
    *most_frequent = 0;
    for (int32_t id = 0; id < size; id++) {
        total += counts[id];
        if (counts[id] > counts[*most_frequent])
            *most_frequent = id;
    }
    return total;
}

bool unigram_compare(const uint64_t *seen, const uint64_t *predicted,
                     const struct vocabulary *vocabulary, struct unigram *unigram,
                     struct error *error)
{
    const int32_t size = vocabulary_size(vocabulary);
    int32_t guess, unused;
    const uint64_t tokens = sum(predicted, size, &unused);
    uint64_t ordinary = 0;
    for (int32_t id = 0; id < size; id++)
        ordinary += vocabulary_is_ordinary(vocabulary, id);
    const double total = (double)(sum(seen, size, &guess) + ordinary);
    double loss = 0;
    if (tokens == 0)
        return fail_input(error, "the held-out text has only special tokens");
    for (int32_t id = 0; id < size; id++)
        loss -= (double)predicted[id] * log((double)(seen[id] + 1) / total);
    *unigram = (struct unigram){loss / (double)tokens, (double)predicted[guess] / (double)tokens};
    return true;
}

bool unigram_measure(const struct dataset *known, const struct dataset *text,
                     const struct vocabulary *vocabulary, struct unigram *unigram,
                     struct error *error)
{
    uint64_t *seen = unigram_count(known, vocabulary, error);
    uint64_t *predicted = seen ? unigram_count(text, vocabulary, error) : NULL;
    bool done = predicted && unigram_compare(seen, predicted, vocabulary, unigram, error);
    free(seen);
    free(predicted);
    return done;
}
