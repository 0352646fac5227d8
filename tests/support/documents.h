/* Made-up documents and the examples that an epoch makes of them. Every failure here fails the
 * test. */
#ifndef CLOZE_TESTS_SUPPORT_DOCUMENTS_H
#define CLOZE_TESTS_SUPPORT_DOCUMENTS_H

#include "data/examples.h"
#include "support/synthetic.h"

enum {
    DOCUMENTS_WORD = SPECIAL_COUNT, /* the vocabulary's only word */
    DOCUMENTS_PIECE,                /* and its only continuation */
    DOCUMENTS_VOCABULARY,
};

/* ---- documents ---- */

struct documents {
    struct vocabulary *vocabulary;
    struct synthetic synthetic;    /* sentences may be added until documents_finish */
    const struct dataset *dataset; /* from then on */
};

/* Numbers of sentences, and of tokens in a sentence, are uniform between the bounds. */
struct documents_shape {
    int documents;
    uint32_t least_sentences, most_sentences;
    uint32_t shortest, longest;
};

struct documents documents_begin(void);
void documents_add(struct documents *documents, struct documents_shape shape);
void documents_finish(struct documents *documents);
void documents_free(struct documents *documents);

/* Begins, adds and finishes. */
struct documents documents_make(struct documents_shape shape);

/* ---- examples ---- */

struct example_options pair_options(int seq_len, double short_seq_prob);
struct epoch *require_epoch(const struct documents *documents, struct example_options options,
                            uint32_t number, int threads);

/* All examples of an epoch in the order of the text. The caller frees `list`. */
struct examples {
    struct example *list;
    size_t count;
};

/* Visits the epoch in its shuffled order: every instance must come once. */
struct examples collect_examples(const struct epoch *epoch);
struct examples collect_epoch(const struct documents *documents, struct example_options options,
                              uint32_t number);

uint64_t length_of(struct span span);
bool same_span(struct span a, struct span b);
bool same_example(const struct example *a, const struct example *b);

/* What holds for every pair whatever the documents. */
void check_pair(const struct documents *documents, const struct example *example, int seq_len);

/* Every token must be in A or in the B of an IsNext pair. */
void check_everything_used(const struct documents *documents, const struct examples *examples);

#endif
