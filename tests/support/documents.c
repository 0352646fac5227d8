#include "support/documents.h"

#include "data/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* So few tokens that most tests have several shards. */
enum { SHARD_TOKENS = 5000 };

struct documents documents_begin(void)
{
    return (struct documents){
        .vocabulary = synthetic_vocabulary(1, 1),
        .synthetic = synthetic_begin(DOCUMENTS_VOCABULARY, SHARD_TOKENS),
    };
}

void documents_finish(struct documents *documents)
{
    documents->dataset = synthetic_open(&documents->synthetic);
}

void documents_free(struct documents *documents)
{
    synthetic_end(&documents->synthetic);
    vocabulary_free(documents->vocabulary);
}

void documents_add(struct documents *documents, struct documents_shape shape)
{
    struct random random = random_begin(3, RANDOM_TEST, 0, 0);
    for (int document = 0; document < shape.documents; document++) {
        uint32_t more = random_below(&random, shape.max_sentences - shape.min_sentences + 1);
        for (uint32_t i = 0; i < shape.min_sentences + more; i++) {
            uint32_t length =
                shape.min_tokens + random_below(&random, shape.max_tokens - shape.min_tokens + 1);
            synthetic_sentence(&documents->synthetic, length, DOCUMENTS_WORD);
        }
        synthetic_document(&documents->synthetic);
    }
}

struct documents documents_make(struct documents_shape shape)
{
    struct documents documents = documents_begin();
    documents_add(&documents, shape);
    documents_finish(&documents);
    return documents;
}

struct example_options pair_options(int seq_len, double short_seq_prob)
{
    return (struct example_options){
        .seed = 11, .seq_len = seq_len, .short_seq_prob = short_seq_prob, .nsp = true};
}

struct epoch *require_epoch(const struct documents *documents, struct example_options options,
                            uint32_t number, int threads)
{
    struct error error = {0};
    struct epoch *epoch =
        epoch_open(documents->dataset, documents->vocabulary, options, number, threads, &error);
    if (!epoch)
        fail_msg("%s", error.message);
    return epoch;
}

struct examples collect_examples(const struct epoch *epoch)
{
    struct examples examples = {.count = (size_t)epoch_examples(epoch)};
    examples.list = calloc(examples.count, sizeof *examples.list);
    bool *seen = calloc(examples.count, sizeof *seen);
    assert_true(examples.list && seen);
    for (uint64_t position = 0; position < examples.count; position++) {
        struct example example = epoch_example(epoch, position);
        assert_true(example.instance < examples.count);
        assert_false(seen[example.instance]);
        seen[example.instance] = true;
        examples.list[example.instance] = example;
    }
    free(seen);
    return examples;
}

struct examples collect_epoch(const struct documents *documents, struct example_options options,
                              uint32_t number)
{
    struct epoch *epoch = require_epoch(documents, options, number, 2);
    struct examples examples = collect_examples(epoch);
    epoch_close(epoch);
    return examples;
}

uint64_t length_of(struct span span)
{
    return span.last - span.first;
}

bool same_span(struct span a, struct span b)
{
    return a.shard == b.shard && a.first == b.first && a.last == b.last;
}

bool same_example(const struct example *a, const struct example *b)
{
    return a->instance == b->instance && a->a_document == b->a_document &&
           a->b_document == b->b_document && same_span(a->a, b->a) && same_span(a->b, b->b) &&
           a->next_sentence_label == b->next_sentence_label;
}

static void check_inside(const struct documents *documents, struct span span, uint64_t index)
{
    struct document document = dataset_document(documents->dataset, index);
    assert_int_equal(span.shard, document.shard);
    assert_true(span.first >= document.sentence_starts[0]);
    assert_true(span.last <= document.sentence_starts[document.sentences]);
    assert_true(span.first < span.last);
}

void check_pair(const struct documents *documents, const struct example *example, int seq_len)
{
    check_inside(documents, example->a, example->a_document);
    check_inside(documents, example->b, example->b_document);
    assert_true(length_of(example->a) + length_of(example->b) <= (uint64_t)seq_len - 3);
    if (example->next_sentence_label == IS_NEXT) {
        assert_int_equal(example->a_document, example->b_document);
        assert_true(example->a.last <= example->b.first);
    } else {
        assert_int_equal(example->next_sentence_label, NOT_NEXT);
        assert_int_not_equal(example->a_document, example->b_document);
    }
}

/* Counts how often each token of the dataset is in A or in the B of an IsNext pair. The tokens of
 * the shards follow one another. */
struct coverage {
    unsigned *uses;
    uint64_t *shard_starts;
    size_t tokens;
};

static struct coverage cover(const struct documents *documents, const struct examples *examples)
{
    size_t tokens = (size_t)dataset_tokens(documents->dataset);
    size_t count = (size_t)dataset_documents(documents->dataset);
    struct coverage coverage = {calloc(tokens, sizeof(unsigned)),
                                calloc(count + 1, sizeof(uint64_t)), tokens};
    assert_true(coverage.uses && coverage.shard_starts);
    for (uint64_t i = 0; i < count; i++) {
        struct document document = dataset_document(documents->dataset, i);
        coverage.shard_starts[document.shard + 1] =
            coverage.shard_starts[document.shard] + document.sentence_starts[document.sentences];
    }
    for (size_t i = 0; i < examples->count; i++) {
        const struct example *example = &examples->list[i];
        uint64_t start = coverage.shard_starts[example->a.shard];
        for (uint64_t t = example->a.first; t < example->a.last; t++)
            coverage.uses[start + t]++;
        if (example->next_sentence_label == IS_NEXT)
            for (uint64_t t = example->b.first; t < example->b.last; t++)
                coverage.uses[start + t]++;
    }
    return coverage;
}

void check_everything_used(const struct documents *documents, const struct examples *examples)
{
    struct coverage coverage = cover(documents, examples);
    for (size_t i = 0; i < coverage.tokens; i++)
        assert_true(coverage.uses[i] >= 1);
    free(coverage.uses);
    free(coverage.shard_starts);
}
