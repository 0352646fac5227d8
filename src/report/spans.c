#include "report/spans.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { OUTSIDE = -1 }; /* the type of O */

struct span_labels {
    const char *const *names;
    int count;
    int32_t *types; /* [count] the first label of the same type; OUTSIDE */
};

static bool is_part(const char *name)
{
    return (name[0] == 'B' || name[0] == 'I') && name[1] == '-' && name[2];
}

static bool read_name(struct span_labels *labels, int id, struct error *error)
{
    const char *name = labels->names[id];
    labels->types[id] = OUTSIDE;
    if (strcmp(name, "O") == 0)
        return true;
    if (!is_part(name))
        return fail_input(error,
                          "the label \"%.60s\" is not of spans in IOB2; expected O, or B- or I- "
                          "and a type",
                          name);
    labels->types[id] = id;
    for (int other = id - 1; other >= 0; other--)
        if (labels->types[other] != OUTSIDE && strcmp(labels->names[other] + 2, name + 2) == 0)
            labels->types[id] = other;
    return true;
}

struct span_labels *span_labels_create(const char *const *names, int count, struct error *error)
{
    struct span_labels *labels = allocate(1, sizeof *labels, error);
    if (!labels)
        return NULL;
    labels->names = names;
    labels->count = count;
    labels->types = allocate((size_t)count, sizeof *labels->types, error);
    bool done = labels->types;
    for (int i = 0; done && i < count; i++)
        done = read_name(labels, i, error);
    if (done)
        return labels;
    span_labels_free(labels);
    return NULL;
}

void span_labels_free(struct span_labels *labels)
{
    if (!labels)
        return;
    free(labels->types);
    free(labels);
}

static int32_t type_of(const struct span_labels *labels, int32_t id)
{
    CHECK(id < labels->count);
    return id < 0 ? OUTSIDE : labels->types[id];
}

/* Returns whether a word continues the span that the word before it is in. */
static bool continues(const struct span_labels *labels, int32_t before, int32_t id)
{
    const int32_t type = type_of(labels, id);
    return type != OUTSIDE && type == type_of(labels, before) && labels->names[id][0] == 'I';
}

/* Finds the next span that begins at *word or later, and moves past it. */
static bool next_span(const struct span_labels *labels, const int32_t *ids, size_t words,
                      size_t *word, struct word_span *span)
{
    while (*word < words && type_of(labels, ids[*word]) == OUTSIDE)
        ++*word;
    if (*word == words)
        return false;
    const size_t first = *word;
    do
        ++*word;
    while (*word < words && continues(labels, ids[*word - 1], ids[*word]));
    *span = (struct word_span){.first = first,
                               .end = *word,
                               .type = labels->names[ids[first]] + 2,
                               .type_id = type_of(labels, ids[first])};
    return true;
}

size_t spans_find(const struct span_labels *labels, const int32_t *ids, size_t words,
                  struct word_span *spans)
{
    size_t count = 0;
    for (size_t word = 0; next_span(labels, ids, words, &word, &spans[count]);)
        count++;
    return count;
}

struct span_counts span_counts_of(const struct span_labels *labels, const int32_t *labelled,
                                  const int32_t *predicted, size_t words)
{
    struct span_counts counts = {0};
    struct word_span gold = {0}, found = {0};
    size_t gold_word = 0, found_word = 0;
    bool more_gold = next_span(labels, labelled, words, &gold_word, &gold);
    bool more_found = next_span(labels, predicted, words, &found_word, &found);
    while (more_gold || more_found) {
        const bool same = more_gold && more_found && gold.first == found.first;
        const bool take_gold = more_gold && (!more_found || gold.first <= found.first);
        const bool take_found = more_found && (!more_gold || found.first <= gold.first);
        counts.correct += same && gold.end == found.end && gold.type_id == found.type_id;
        counts.labelled += take_gold;
        counts.predicted += take_found;
        if (take_gold)
            more_gold = next_span(labels, labelled, words, &gold_word, &gold);
        if (take_found)
            more_found = next_span(labels, predicted, words, &found_word, &found);
    }
    return counts;
}
