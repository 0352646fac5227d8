/* Synthetic documents, and the examples that an epoch makes from them. Every failure here fails the
 * test. */
#ifndef CLOZE_TESTS_SUPPORT_DOCUMENTS_H
#define CLOZE_TESTS_SUPPORT_DOCUMENTS_H

#include "data/examples.h"
#include "support/synthetic.h"

enum {
    DOCUMENTS_WORD = SPECIAL_COUNT, /* the only word of the vocabulary */
    DOCUMENTS_PIECE,                /* the only continuation of the vocabulary */
    DOCUMENTS_VOCABULARY,           /* the size of the vocabulary */
};

/* ---- documents ---- */

struct documents {
    struct vocabulary *vocabulary;
    struct synthetic synthetic;    /* sentences may be added to it until documents_finish */
    const struct dataset *dataset; /* the dataset after documents_finish */
};

/* The number of sentences of a document, and the number of tokens of a sentence, are uniform
 * between the bounds. */
struct documents_shape {
    int documents;
    uint32_t min_sentences, max_sentences;
    uint32_t min_tokens, max_tokens;
};

struct documents documents_begin(void);
void documents_add(struct documents *documents, struct documents_shape shape);
void documents_finish(struct documents *documents);
void documents_free(struct documents *documents);

/* Returns finished documents of one shape. */
struct documents documents_make(struct documents_shape shape);

/* ---- examples ---- */

struct example_options pair_options(int seq_len, double short_seq_prob);
struct epoch *require_epoch(const struct documents *documents, struct example_options options,
                            uint32_t number, int threads);

/* All examples of an epoch, in the order of the text. The caller frees `list`. */
struct examples {
    struct example *list;
    size_t count;
};

/* Visits the epoch in its shuffled order, and asserts that every instance occurs once. */
struct examples collect_examples(const struct epoch *epoch);
struct examples collect_epoch(const struct documents *documents, struct example_options options,
                              uint32_t number);

uint64_t length_of(struct span span);
bool same_span(struct span a, struct span b);
bool same_example(const struct example *a, const struct example *b);

/* Asserts what is true of every pair of any documents. */
void check_pair(const struct documents *documents, const struct example *example, int seq_len);

/* Asserts that every token is in A or in the B of an IsNext pair. */
void check_everything_used(const struct documents *documents, const struct examples *examples);

#endif
