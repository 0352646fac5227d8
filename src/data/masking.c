#include "data/masking.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum token_kind { TOKEN_WORD, TOKEN_CONTINUATION, TOKEN_SPECIAL };

struct masking {
    struct masking_options options;
    int32_t mask_id;
    int32_t *specials;    /* [special_count] ascending */
    size_t special_count; /* includes ids without a token, which are not selected or shown either */
    uint32_t ordinary;    /* number of tokens that are not special */
    unsigned char *kinds; /* [vocabulary size] enum token_kind */
};

static enum token_kind token_kind(const struct vocabulary *vocabulary, int32_t id)
{
    if (!vocabulary_is_ordinary(vocabulary, id))
        return TOKEN_SPECIAL;
    bool continuation = strncmp(vocabulary_token(vocabulary, id), "##", 2) == 0;
    return continuation ? TOKEN_CONTINUATION : TOKEN_WORD;
}

static void classify(struct masking *masking, const struct vocabulary *vocabulary)
{
    for (int32_t id = 0; id < vocabulary_size(vocabulary); id++) {
        enum token_kind kind = token_kind(vocabulary, id);
        masking->kinds[id] = (unsigned char)kind;
        if (kind == TOKEN_SPECIAL)
            masking->specials[masking->special_count++] = id;
    }
    masking->ordinary = (uint32_t)((size_t)vocabulary_size(vocabulary) - masking->special_count);
}

struct masking *masking_create(const struct vocabulary *vocabulary, struct masking_options options,
                               struct error *error)
{
    CHECK(options.mask_prob > 0 && options.mask_prob <= 1);
    int32_t size = vocabulary_size(vocabulary);
    struct masking *masking = allocate(1, sizeof *masking, error);
    if (!masking)
        return NULL;
    masking->options = options;
    masking->mask_id = vocabulary_special(vocabulary, SPECIAL_MASK);
    masking->kinds = allocate((size_t)size, 1, error);
    masking->specials = allocate((size_t)size, sizeof *masking->specials, error);
    if (masking->kinds && masking->specials) {
        classify(masking, vocabulary);
        if (masking->ordinary > 0)
            return masking;
        fail_input(error, "the vocabulary has %d tokens, all of them special; expected more", size);
    }
    masking_free(masking);
    return NULL;
}

void masking_free(struct masking *masking)
{
    if (!masking)
        return;
    free(masking->specials);
    free(masking->kinds);
    free(masking);
}

/* True if token i belongs to the same word as the previous token. */
static bool continues_word(const struct masking *masking, const int32_t *ids, int i)
{
    return masking->options.whole_word && masking->kinds[ids[i]] == TOKEN_CONTINUATION && i > 0 &&
           masking->kinds[ids[i - 1]] != TOKEN_SPECIAL;
}

/* Lists the first index of each word that can be selected; without whole_word every token is a
 * word. */
static int list_words(const struct masking *masking, const int32_t *ids, int length, int32_t *words)
{
    int count = 0;
    for (int i = 0; i < length; i++)
        if (masking->kinds[ids[i]] != TOKEN_SPECIAL && !continues_word(masking, ids, i))
            words[count++] = i;
    return count;
}

static int word_length(const struct masking *masking, const int32_t *ids, int length, int first)
{
    int last = first + 1;
    while (last < length && continues_word(masking, ids, last))
        last++;
    return last - first;
}

/* Returns mask_prob * length, rounded at random with this as its expectation; at least 1. */
static int draw_goal(const struct masking *masking, struct random *random, int length)
{
    double expected = masking->options.mask_prob * length;
    int goal = (int)expected;
    goal += random_unit(random) < expected - goal;
    return goal > 0 ? goal : 1;
}

static void mark(int32_t *marks, int first, int count)
{
    for (int i = 0; i < count; i++)
        marks[first + i] = 1;
}

/* Draws words in random order, by shuffling the list as far as needed, and marks those that fit. */
static void mark_words(const struct masking *masking, struct random *random, const int32_t *ids,
                       int length, int32_t *words, int count, int32_t *marks)
{
    memset(marks, 0, (size_t)length * sizeof *marks);
    int room = draw_goal(masking, random, length);
    const int goal = room;
    for (int i = 0; i < count && room > 0; i++) {
        int drawn = i + (int)random_below(random, (uint32_t)(count - i));
        int32_t word = words[drawn];
        words[drawn] = words[i];
        words[i] = word;
        int size = word_length(masking, ids, length, word);
        if (size <= room) {
            mark(marks, word, size);
            room -= size;
        }
    }
    if (room == goal && count > 0)
        mark(marks, words[0], word_length(masking, ids, length, words[0]));
}

/* Draws a token uniformly from those that are not special: the n-th of them, found by skipping the
 * special ids. */
static int32_t random_token(const struct masking *masking, struct random *random)
{
    int32_t id = (int32_t)random_below(random, masking->ordinary);
    for (size_t i = 0; i < masking->special_count; i++)
        id += id >= masking->specials[i];
    return id;
}

/* Returns the token that the model sees in place of a selected one. */
static int32_t shown_token(const struct masking *masking, struct random *random, int32_t id)
{
    uint32_t tenth = random_below(random, 10);
    if (tenth < 8)
        return masking->mask_id;
    return tenth == 8 ? random_token(masking, random) : id;
}

int masking_apply(const struct masking *masking, struct random *random, int32_t *ids, int length,
                  int32_t *tokens, int32_t *labels)
{
    /* The outputs also hold the intermediate results: `tokens` the words, `labels` the marks. */
    int words = list_words(masking, ids, length, tokens);
    mark_words(masking, random, ids, length, tokens, words, labels);
    int selected = 0;
    for (int i = 0; i < length; i++) {
        if (!labels[i])
            continue;
        /* selected <= i: no mark is overwritten before it is read. */
        tokens[selected] = i;
        labels[selected++] = ids[i];
        ids[i] = shown_token(masking, random, ids[i]);
    }
    return selected;
}
