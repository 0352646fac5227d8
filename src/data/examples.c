#include "data/examples.h"

#include "base/memory.h"
#include "base/min.h"
#include "data/batch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAIR_SPECIALS = 3, /* [CLS] A [SEP] B [SEP] */
    SPAN_SPECIALS = 2, /* [CLS] A [SEP] */
    MIN_PAIR = 2,      /* min tokens of a pair */
    /* Number of ranges of documents that are counted in parallel: many more than threads. */
    COUNT_RANGES = 4096,
    SAVED_WALKS = 65536, /* max number of saved walks: 7 MiB */
};

/* ---- the sentences of a document ---- */

/* The sentences of a document; one sentence is divided into two. */
struct sentence_list {
    const uint64_t *starts; /* [count + 1] first tokens in the shard; NULL: they are in `halves` */
    uint64_t halves[3];     /* the starts of the halves of a divided sentence, and its end */
    uint32_t count;
    uint32_t shard;
};

/* An iterator over the chunks of a document. A copy continues from the same chunk. */
struct walk {
    uint64_t document;
    struct sentence_list sentences;
    uint64_t next, end; /* the remaining sentences; with nsp off, remaining tokens of the shard */
    struct random random;
};

struct epoch {
    const struct dataset *dataset;
    const struct vocabulary *vocabulary;
    struct example_options options;
    uint32_t number;
    uint64_t examples;
    struct permutation order;
    uint64_t stride; /* distance of the saved walks: saved[i] continues with example i * stride */
    struct walk *saved; /* [ceil(examples / stride)] */
};

static uint64_t sentence_start(const struct sentence_list *sentences, uint64_t index)
{
    if (sentences->starts)
        return sentences->starts[index];
    CHECK(index < sizeof sentences->halves / sizeof *sentences->halves);
    return sentences->halves[index];
}

/* Returns the tokens of sentences [first, last). */
static struct span sentences_span(const struct sentence_list *sentences, uint64_t first,
                                  uint64_t last)
{
    return (struct span){sentences->shard, sentence_start(sentences, first),
                         sentence_start(sentences, last)};
}

static bool begins_word(const struct epoch *epoch, uint32_t shard, uint64_t token)
{
    int32_t id;
    dataset_read(epoch->dataset, shard, token, token + 1, &id);
    bool known = id >= 0 && id < vocabulary_size(epoch->vocabulary);
    return !known || strncmp(vocabulary_token(epoch->vocabulary, id), "##", 2) != 0;
}

/* Returns the token at which a sentence of at least two tokens is divided: the start of the word
 * nearest to its middle, or the middle if it is a single word. */
static uint64_t middle_of(const struct epoch *epoch, struct span sentence)
{
    uint64_t middle = sentence.first + (sentence.last - sentence.first) / 2;
    for (uint64_t distance = 0; distance <= middle - sentence.first; distance++) {
        if (middle - distance > sentence.first &&
            begins_word(epoch, sentence.shard, middle - distance))
            return middle - distance;
        if (middle + distance < sentence.last &&
            begins_word(epoch, sentence.shard, middle + distance))
            return middle + distance;
    }
    return middle;
}

static struct sentence_list sentences_of(const struct epoch *epoch, uint64_t index)
{
    struct document document = dataset_document(epoch->dataset, index);
    struct sentence_list sentences = {
        .starts = document.sentence_starts,
        .count = document.sentences,
        .shard = document.shard,
    };
    struct span whole = sentences_span(&sentences, 0, sentences.count);
    if (sentences.count == 1 && whole.last - whole.first >= MIN_PAIR) {
        sentences.halves[0] = whole.first;
        sentences.halves[1] = middle_of(epoch, whole);
        sentences.halves[2] = whole.last;
        sentences.starts = NULL;
        sentences.count = 2;
    }
    return sentences;
}

/* Returns the end of the sentences to take from `first` on: at least one, and as many as are needed
 * for `target` tokens or are left in the document. */
static uint64_t take_sentences(const struct sentence_list *sentences, uint64_t first,
                               uint64_t target)
{
    uint64_t start = sentence_start(sentences, first);
    uint64_t last = first + 1;
    while (last < sentences->count && sentence_start(sentences, last) - start < target)
        last++;
    return last;
}

/* ---- the walk through the documents ---- */

/* An example before truncation; the B of a NotNext pair is drawn later. */
struct chunk {
    uint64_t document;
    struct span a, b; /* before truncation; b is empty unless IS_NEXT */
    uint64_t target;  /* wanted length of A and B together, in tokens */
    int32_t label;
};

static uint64_t max_pair(const struct epoch *epoch)
{
    return (uint64_t)epoch->options.seq_len - PAIR_SPECIALS;
}

static uint64_t max_span(const struct epoch *epoch)
{
    return (uint64_t)epoch->options.seq_len - SPAN_SPECIALS;
}

static struct walk walk_begin(const struct epoch *epoch, uint64_t document)
{
    struct walk walk = {
        .document = document,
        .sentences = sentences_of(epoch, document),
        .random = random_begin(epoch->options.seed, RANDOM_CHUNKS, document, epoch->number),
    };
    if (!epoch->options.nsp) {
        walk.next = sentence_start(&walk.sentences, 0);
        walk.end = sentence_start(&walk.sentences, walk.sentences.count);
    } else if (walk.sentences.count >= 2) {
        walk.end = walk.sentences.count;
    }
    return walk;
}

static uint64_t draw_target(const struct epoch *epoch, struct random *random)
{
    uint64_t max = max_pair(epoch);
    if (random_unit(random) >= epoch->options.short_seq_prob)
        return max;
    return MIN_PAIR + random_below_64(random, max - MIN_PAIR + 1);
}

static struct chunk next_pair(const struct epoch *epoch, struct walk *walk)
{
    const struct sentence_list *sentences = &walk->sentences;
    uint64_t target = draw_target(epoch, &walk->random);
    bool is_next = random_bits(&walk->random) >> 31;
    uint64_t first = walk->next;
    uint64_t last = take_sentences(sentences, first, target);
    if (last - first == 1 && last < walk->end)
        last++;
    uint64_t split;
    if (last - first > 1) {
        split = first + 1 + random_below_64(&walk->random, last - first - 1);
        walk->next = is_next ? last : split;
    } else { /* the last sentence of the document is B after the one before it, or it is A */
        split = is_next ? first : last;
        first = is_next ? first - 1 : first;
        walk->next = last;
    }
    return (struct chunk){
        .document = walk->document,
        .a = sentences_span(sentences, first, split),
        .b = sentences_span(sentences, split, is_next ? last : split),
        .target = target,
        .label = is_next ? IS_NEXT : NOT_NEXT,
    };
}

static struct chunk next_span(const struct epoch *epoch, struct walk *walk)
{
    uint64_t first = walk->next, left = walk->end - first, max = max_span(epoch);
    uint64_t last = first + min_uint64(left, max);
    uint32_t shard = walk->sentences.shard;
    walk->next = last;
    return (struct chunk){
        .document = walk->document,
        .a = {shard, first, last},
        .b = {shard, last, last},
        .label = NO_LABEL,
    };
}

/* Sets *chunk to the next chunk and goes on to the next documents, up to `end_document`. Returns
 * false if no chunk is left. */
static bool walk_next(const struct epoch *epoch, struct walk *walk, uint64_t end_document,
                      struct chunk *chunk)
{
    while (walk->next == walk->end) {
        if (walk->document + 1 >= end_document)
            return false;
        *walk = walk_begin(epoch, walk->document + 1);
    }
    *chunk = epoch->options.nsp ? next_pair(epoch, walk) : next_span(epoch, walk);
    return true;
}

/* ---- counting an epoch, and saving walks to continue from ---- */

/* The documents, divided into ranges of equal size; the last ones may be empty. */
struct ranges {
    uint64_t documents, size;
    int count;
};

static struct ranges ranges_of(const struct epoch *epoch)
{
    uint64_t documents = dataset_documents(epoch->dataset);
    return (struct ranges){
        .documents = documents,
        .size = documents / COUNT_RANGES + 1,
        .count = (int)min_uint64(documents, COUNT_RANGES),
    };
}

static uint64_t range_start(const struct ranges *ranges, int range)
{
    uint64_t start = (uint64_t)range * ranges->size;
    return min_uint64(start, ranges->documents);
}

static uint64_t count_range(const struct epoch *epoch, const struct ranges *ranges, int range)
{
    uint64_t first = range_start(ranges, range), last = range_start(ranges, range + 1);
    if (first == last)
        return 0;
    struct walk walk = walk_begin(epoch, first);
    struct chunk chunk;
    uint64_t count = 0;
    while (walk_next(epoch, &walk, last, &chunk))
        count++;
    return count;
}

/* Walks through a range, which has the epoch's examples [first, last), and saves every stride-th
 * walk. */
static void save_walks(struct epoch *epoch, const struct ranges *ranges, int range, uint64_t first,
                       uint64_t last)
{
    if (first == last)
        return;
    struct walk walk = walk_begin(epoch, range_start(ranges, range));
    for (uint64_t example = first; example < last; example++) {
        struct chunk chunk;
        if (example % epoch->stride == 0)
            epoch->saved[example / epoch->stride] = walk;
        CHECK(walk_next(epoch, &walk, ranges->documents, &chunk));
    }
}

/* firsts [ranges->count + 1] gets the first example of each range, then the number of examples. */
static void count_ranges(const struct epoch *epoch, const struct ranges *ranges, int threads,
                         uint64_t *firsts)
{
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int range = 0; range < ranges->count; range++)
        firsts[range + 1] = count_range(epoch, ranges, range);
    for (int range = 0; range < ranges->count; range++)
        firsts[range + 1] += firsts[range];
}

static bool save_ranges(struct epoch *epoch, const struct ranges *ranges, int threads,
                        const uint64_t *firsts, struct error *error)
{
    epoch->stride = (epoch->examples - 1) / SAVED_WALKS + 1;
    size_t count = (size_t)((epoch->examples - 1) / epoch->stride + 1);
    epoch->saved = allocate(count, sizeof *epoch->saved, error);
    if (!epoch->saved)
        return false;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int range = 0; range < ranges->count; range++)
        save_walks(epoch, ranges, range, firsts[range], firsts[range + 1]);
    return true;
}

static bool walk_documents(struct epoch *epoch, int threads, struct error *error)
{
    struct ranges ranges = ranges_of(epoch);
    uint64_t *firsts = allocate((size_t)ranges.count + 1, sizeof *firsts, error);
    if (!firsts)
        return false;
    count_ranges(epoch, &ranges, threads, firsts);
    epoch->examples = firsts[ranges.count];
    bool done =
        epoch->examples > 0
            ? save_ranges(epoch, &ranges, threads, firsts, error)
            : fail_input(error, "the text is too short to train on: no document has two tokens");
    free(firsts);
    return done;
}

static bool check_epoch(const struct dataset *dataset, struct example_options options,
                        struct error *error)
{
    int min_length = options.nsp ? PAIR_SPECIALS + MIN_PAIR : SPAN_SPECIALS + 1;
    if (options.seq_len < min_length)
        return fail_input(error, "seq_len is %d; expected at least %d", options.seq_len,
                          min_length);
    uint64_t documents = dataset_documents(dataset);
    if (options.nsp && documents < 2)
        return fail_input(error,
                          "next-sentence prediction needs at least 2 documents, and there is only "
                          "%" PRIu64 "; separate documents by empty lines, or set data.nsp: false",
                          documents);
    return true;
}

struct epoch *epoch_open(const struct dataset *dataset, const struct vocabulary *vocabulary,
                         struct example_options options, uint32_t number, int threads,
                         struct error *error)
{
    CHECK(options.short_seq_prob >= 0 && options.short_seq_prob <= 1 && threads > 0);
    if (!check_epoch(dataset, options, error))
        return NULL;
    struct epoch *epoch = allocate(1, sizeof *epoch, error);
    if (!epoch)
        return NULL;
    epoch->dataset = dataset;
    epoch->vocabulary = vocabulary;
    epoch->options = options;
    epoch->number = number;
    if (!walk_documents(epoch, threads, error)) {
        epoch_close(epoch);
        return NULL;
    }
    epoch->order = permutation_begin(options.seed, number, 0, epoch->examples);
    return epoch;
}

void epoch_close(struct epoch *epoch)
{
    if (!epoch)
        return;
    free(epoch->saved);
    free(epoch);
}

uint32_t epoch_number(const struct epoch *epoch)
{
    return epoch->number;
}

uint64_t epoch_examples(const struct epoch *epoch)
{
    return epoch->examples;
}

/* ---- one example ---- */

static struct chunk chunk_at(const struct epoch *epoch, uint64_t instance)
{
    struct walk walk = epoch->saved[instance / epoch->stride];
    uint64_t documents = dataset_documents(epoch->dataset);
    struct chunk chunk;
    for (uint64_t i = instance - instance % epoch->stride; i <= instance; i++)
        CHECK(walk_next(epoch, &walk, documents, &chunk));
    return chunk;
}

/* Draws the B of a NotNext pair. */
static void draw_unrelated(const struct epoch *epoch, struct random *random, uint64_t target,
                           struct example *example)
{
    uint64_t document = random_below_64(random, dataset_documents(epoch->dataset) - 1);
    document += document >= example->a_document;
    struct sentence_list sentences = sentences_of(epoch, document);
    uint64_t a_length = example->a.last - example->a.first;
    uint64_t wanted = target > a_length ? target - a_length : 0;
    uint64_t first = random_below(random, sentences.count);
    example->b_document = document;
    example->b = sentences_span(&sentences, first, take_sentences(&sentences, first, wanted));
}

/* Removes `count` tokens, each from the front or the back with probability 1/2: the number removed
 * from the front is the number of ones among `count` random bits. */
static void remove_tokens(struct random *random, struct span *span, uint64_t count)
{
    uint64_t front = 0;
    for (uint64_t left = count; left > 0;) {
        unsigned bits = (unsigned)min_uint64(left, 32);
        front += (unsigned)__builtin_popcount(random_bits(random) >> (32 - bits));
        left -= bits;
    }
    span->first += front;
    span->last -= count - front;
}

/* Truncates the pair to `max` tokens. The result is that of removing one token after another from
 * the longer side, or from B if both are equal: that first makes the sides equal and then
 * alternates between them, starting with B. */
static void truncate_pair(struct random *random, struct span *a, struct span *b, uint64_t max)
{
    uint64_t a_length = a->last - a->first, b_length = b->last - b->first;
    if (a_length + b_length <= max)
        return;
    uint64_t excess = a_length + b_length - max;
    uint64_t unequal = a_length > b_length ? a_length - b_length : b_length - a_length;
    uint64_t first = min_uint64(excess, unequal);
    uint64_t turns = excess - first;
    remove_tokens(random, a, turns / 2 + (a_length > b_length ? first : 0));
    remove_tokens(random, b, turns - turns / 2 + (a_length > b_length ? 0 : first));
}

struct example epoch_example(const struct epoch *epoch, uint64_t position)
{
    uint64_t instance = permutation_at(&epoch->order, position);
    struct chunk chunk = chunk_at(epoch, instance);
    struct random random = random_begin(epoch->options.seed, RANDOM_PAIR, instance, epoch->number);
    struct example example = {
        .instance = instance,
        .a_document = chunk.document,
        .b_document = chunk.document,
        .a = chunk.a,
        .b = chunk.b,
        .next_sentence_label = chunk.label,
    };
    if (chunk.label == NOT_NEXT)
        draw_unrelated(epoch, &random, chunk.target, &example);
    if (epoch->options.nsp)
        truncate_pair(&random, &example.a, &example.b, max_pair(epoch));
    return example;
}
