#include "text/pair_merges.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* The number of occurrences from which a pair is merged, as in the trainer of Hugging Face. */
enum { MIN_FREQUENCY = 2 };

/* Two tokens that are, or once were, neighbours in a word. */
struct pair {
    uint32_t left, right;
    uint64_t count;       /* current number of occurrences in all words */
    uint32_t occurrences; /* first link of the list of words in which it was seen; NONE: empty */
    bool grown;           /* is in merger->grown */
};

/* A link in a pair's list of words. */
struct occurrence {
    uint32_t word;
    uint32_t next;
};

/* A pair in the queue, with its count when it was added. Counts can fall while a pair waits, so
 * queue_pop compares the two counts. */
struct candidate {
    uint64_t count;
    uint32_t pair;
};

enum { NONE = UINT32_MAX };

struct merger {
    struct string_table *table;
    struct token_words *words;
    uint32_t *lengths; /* [words] current number of tokens of each word */

    struct pair *pairs;
    size_t pair_count, pair_capacity;
    uint32_t *slots; /* [slot_count] open addressing: number of a pair + 1; 0: free */
    size_t slot_count;

    struct occurrence *occurrences;
    size_t occurrence_count, occurrence_capacity;
    uint32_t unused; /* first of the free links, those of merged pairs */

    struct candidate *queue; /* a binary heap with the next pair to merge at the top */
    size_t queue_count, queue_capacity;

    uint32_t *grown; /* pairs whose count has risen in the current merge, to be queued again */
    size_t grown_count, grown_capacity;

    struct buffer joined; /* bytes of the merged token */
};

/* ---- queue ---- */

static int compare_tokens(const struct string_table *table, uint32_t a, uint32_t b)
{
    size_t size;
    return a == b ? 0
                  : strcmp(string_table_get(table, a, &size), string_table_get(table, b, &size));
}

/* True if a must be merged before b. */
static bool is_before(const struct merger *merger, struct candidate a, struct candidate b)
{
    if (a.count != b.count)
        return a.count > b.count;
    const struct pair *x = &merger->pairs[a.pair], *y = &merger->pairs[b.pair];
    int order = compare_tokens(merger->table, x->left, y->left);
    return order ? order < 0 : compare_tokens(merger->table, x->right, y->right) < 0;
}

static bool queue_push(struct merger *merger, uint32_t pair, struct error *error)
{
    struct candidate candidate = {.count = merger->pairs[pair].count, .pair = pair};
    if (candidate.count < MIN_FREQUENCY)
        return true;
    if (!grow(&merger->queue, &merger->queue_capacity, merger->queue_count + 1,
              sizeof *merger->queue, error))
        return false;
    size_t place = merger->queue_count++;
    while (place > 0) {
        size_t parent = (place - 1) / 2;
        if (!is_before(merger, candidate, merger->queue[parent]))
            break;
        merger->queue[place] = merger->queue[parent];
        place = parent;
    }
    merger->queue[place] = candidate;
    return true;
}

/* Replaces the top of the heap by a candidate and moves that down to its place. */
static void queue_replace_top(struct merger *merger, struct candidate candidate)
{
    struct candidate *queue = merger->queue;
    size_t place = 0;
    for (;;) {
        size_t child = 2 * place + 1;
        if (child >= merger->queue_count)
            break;
        if (child + 1 < merger->queue_count && is_before(merger, queue[child + 1], queue[child]))
            child++;
        if (!is_before(merger, queue[child], candidate))
            break;
        queue[place] = queue[child];
        place = child;
    }
    queue[place] = candidate;
}

static void queue_drop_top(struct merger *merger)
{
    struct candidate last = merger->queue[--merger->queue_count];
    if (merger->queue_count > 0)
        queue_replace_top(merger, last);
}

/* Removes the most frequent pair from the queue and returns it; NONE if no pair is left. */
static uint32_t queue_pop(struct merger *merger)
{
    while (merger->queue_count > 0) {
        struct candidate top = merger->queue[0];
        uint64_t count = merger->pairs[top.pair].count;
        if (count == top.count) {
            queue_drop_top(merger);
            return top.pair;
        }
        top.count = count;
        if (count < MIN_FREQUENCY)
            queue_drop_top(merger);
        else
            queue_replace_top(merger, top);
    }
    return NONE;
}

/* ---- pairs ---- */

/* Hashes both numbers with the finalizer of SplitMix64 (Steele, Lea & Flood 2014). */
static size_t pair_hash(uint32_t left, uint32_t right)
{
    uint64_t x = (uint64_t)left << 32 | right;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
    x = (x ^ x >> 27) * 0x94D049BB133111EB;
    return (size_t)(x ^ x >> 31);
}

/* Returns the slot of the pair, or the free slot where it belongs. */
static uint32_t *find_slot(const struct merger *merger, uint32_t left, uint32_t right)
{
    size_t mask = merger->slot_count - 1;
    for (size_t slot = pair_hash(left, right) & mask;; slot = (slot + 1) & mask) {
        uint32_t taken = merger->slots[slot];
        if (!taken ||
            (merger->pairs[taken - 1].left == left && merger->pairs[taken - 1].right == right))
            return &merger->slots[slot];
    }
}

static bool grow_slots(struct merger *merger, struct error *error)
{
    enum { FIRST_SLOTS = 1 << 16 };
    size_t count = merger->slot_count ? merger->slot_count * 2 : FIRST_SLOTS;
    uint32_t *slots = allocate(count, sizeof *slots, error);
    if (!slots)
        return false;
    free(merger->slots);
    merger->slots = slots;
    merger->slot_count = count;
    for (size_t i = 0; i < merger->pair_count; i++)
        *find_slot(merger, merger->pairs[i].left, merger->pairs[i].right) = (uint32_t)i + 1;
    return true;
}

/* Makes room for one pair more in the hash table and in the list of pairs. */
static bool reserve_pair(struct merger *merger, struct error *error)
{
    if (merger->pair_count * 2 >= merger->slot_count && !grow_slots(merger, error))
        return false;
    return grow(&merger->pairs, &merger->pair_capacity, merger->pair_count + 1,
                sizeof *merger->pairs, error);
}

static bool add_pair(struct merger *merger, uint32_t left, uint32_t right, uint32_t *number,
                     struct error *error)
{
    if (!reserve_pair(merger, error))
        return false;
    uint32_t *slot = find_slot(merger, left, right);
    if (*slot) {
        *number = *slot - 1;
        return true;
    }
    if (merger->pair_count >= NONE - 1)
        return fail_work(error, "more than %zu different pairs of tokens", merger->pair_count);
    *number = (uint32_t)merger->pair_count++;
    merger->pairs[*number] = (struct pair){.left = left, .right = right, .occurrences = NONE};
    *slot = *number + 1;
    return true;
}

static bool take_occurrence(struct merger *merger, uint32_t *number, struct error *error)
{
    if (merger->unused != NONE) {
        *number = merger->unused;
        merger->unused = merger->occurrences[*number].next;
        return true;
    }
    if (merger->occurrence_count >= NONE)
        return fail_work(error, "more than %u places of token pairs", NONE);
    *number = (uint32_t)merger->occurrence_count;
    return grow(&merger->occurrences, &merger->occurrence_capacity, ++merger->occurrence_count,
                sizeof *merger->occurrences, error);
}

/* Adds a word to a pair's list. The words are visited one after another, so if this word has just
 * been added it is at the head. A word added in an earlier merge may be in the list twice; the
 * second visit finds nothing to merge. */
static bool list_word(struct merger *merger, struct pair *pair, uint32_t word, struct error *error)
{
    uint32_t head = pair->occurrences, link = NONE;
    if (head != NONE && merger->occurrences[head].word == word)
        return true;
    if (!take_occurrence(merger, &link, error))
        return false;
    merger->occurrences[link] = (struct occurrence){.word = word, .next = head};
    pair->occurrences = link;
    return true;
}

/* Counts two tokens that have become neighbours in the word. */
static bool count_pair(struct merger *merger, uint32_t left, uint32_t right, uint32_t word,
                       struct error *error)
{
    uint32_t number = NONE;
    if (!add_pair(merger, left, right, &number, error))
        return false;
    struct pair *pair = &merger->pairs[number];
    pair->count += merger->words->counts[word];
    if (!list_word(merger, pair, word, error))
        return false;
    if (pair->grown)
        return true;
    pair->grown = true;
    if (!grow(&merger->grown, &merger->grown_capacity, merger->grown_count + 1,
              sizeof *merger->grown, error))
        return false;
    merger->grown[merger->grown_count++] = number;
    return true;
}

/* Discounts two tokens that are no longer neighbours at one place of the word. */
static void discount_pair(struct merger *merger, uint32_t left, uint32_t right, uint32_t word)
{
    uint32_t *slot = find_slot(merger, left, right);
    CHECK(*slot && merger->pairs[*slot - 1].count >= merger->words->counts[word]);
    merger->pairs[*slot - 1].count -= merger->words->counts[word];
}

static bool queue_grown_pairs(struct merger *merger, struct error *error)
{
    for (size_t i = 0; i < merger->grown_count; i++) {
        merger->pairs[merger->grown[i]].grown = false;
        if (!queue_push(merger, merger->grown[i], error))
            return false;
    }
    merger->grown_count = 0;
    return true;
}

static bool count_all_pairs(struct merger *merger, struct error *error)
{
    const struct token_words *words = merger->words;
    for (uint32_t word = 0; word < words->count; word++) {
        merger->lengths[word] = (uint32_t)(words->starts[word + 1] - words->starts[word]);
        for (size_t i = words->starts[word] + 1; i < words->starts[word + 1]; i++)
            if (!count_pair(merger, words->tokens[i - 1], words->tokens[i], word, error))
                return false;
    }
    return queue_grown_pairs(merger, error);
}

/* ---- merging ---- */

/* Adds the token that a pair becomes: "a" "##b" -> "ab". It may exist already. */
static bool join_pair(struct merger *merger, struct pair pair, uint32_t *token, struct error *error)
{
    enum { PREFIX = sizeof "##" - 1 };
    size_t left_size, right_size;
    const char *left = string_table_get(merger->table, pair.left, &left_size);
    const char *right = string_table_get(merger->table, pair.right, &right_size);
    merger->joined.size = 0;
    return buffer_append(&merger->joined, left, left_size, error) &&
           buffer_append(&merger->joined, right + PREFIX, right_size - PREFIX, error) &&
           string_table_add(merger->table, merger->joined.data, merger->joined.size, token, error);
}

/* Replaces the pair in one word, from left to right, and updates the counts of the neighbouring
 * pairs. */
static bool merge_in_word(struct merger *merger, uint32_t word, struct pair pair, uint32_t joined,
                          struct error *error)
{
    uint32_t *tokens = merger->words->tokens + merger->words->starts[word];
    uint32_t length = merger->lengths[word], kept = 0;
    for (uint32_t i = 0; i < length; kept++) {
        if (i + 1 == length || tokens[i] != pair.left || tokens[i + 1] != pair.right) {
            tokens[kept] = tokens[i++];
            continue;
        }
        discount_pair(merger, pair.left, pair.right, word);
        if (kept > 0) {
            discount_pair(merger, tokens[kept - 1], pair.left, word);
            if (!count_pair(merger, tokens[kept - 1], joined, word, error))
                return false;
        }
        if (i + 2 < length) {
            discount_pair(merger, pair.right, tokens[i + 2], word);
            if (!count_pair(merger, joined, tokens[i + 2], word, error))
                return false;
        }
        tokens[kept] = joined;
        i += 2;
    }
    merger->lengths[word] = kept;
    return true;
}

/* Merges the pair in all words in which it was seen. Its links become free for the new pairs. */
static bool merge_pair(struct merger *merger, uint32_t number, struct error *error)
{
    struct pair pair = merger->pairs[number];
    merger->pairs[number].occurrences = NONE;
    uint32_t joined;
    if (!join_pair(merger, pair, &joined, error))
        return false;
    for (uint32_t link = pair.occurrences, next; link != NONE; link = next) {
        if (!merge_in_word(merger, merger->occurrences[link].word, pair, joined, error))
            return false;
        next = merger->occurrences[link].next;
        merger->occurrences[link].next = merger->unused;
        merger->unused = link;
    }
    return queue_grown_pairs(merger, error);
}

static bool merge_until(struct merger *merger, uint32_t size, struct error *error)
{
    uint32_t number;
    while (merger->table->count < size && (number = queue_pop(merger)) != NONE)
        if (!merge_pair(merger, number, error))
            return false;
    return true;
}

bool merge_pairs(struct string_table *table, struct token_words *words, uint32_t size,
                 struct error *error)
{
    struct merger merger = {.table = table, .words = words, .unused = NONE};
    merger.lengths = allocate(words->count, sizeof *merger.lengths, error);
    bool done =
        merger.lengths && count_all_pairs(&merger, error) && merge_until(&merger, size, error);
    free(merger.lengths);
    free(merger.pairs);
    free(merger.slots);
    free(merger.occurrences);
    free(merger.queue);
    free(merger.grown);
    buffer_free(&merger.joined);
    return done;
}
