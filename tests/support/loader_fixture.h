/* A dataset of random documents, and loaders of its batches. Every failure here fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_LOADER_FIXTURE_H
#define CLOZE_TESTS_SUPPORT_LOADER_FIXTURE_H

#include "data/loader.h"
#include "support/synthetic.h"

/* Under ThreadSanitizer one thread counts the epochs: the OpenMP library is not instrumented, so
 * the sanitizer does not see its barriers. */
#ifdef __SANITIZE_THREAD__
enum { LOADER_FIXTURE_THREADS = 1 };
#else
enum { LOADER_FIXTURE_THREADS = 2 };
#endif

/* Of the vocabulary, which begins with the special tokens in their order. */
enum {
    LOADER_FIXTURE_WORDS = 900,
    LOADER_FIXTURE_PIECES = 100,
    LOADER_FIXTURE_VOCABULARY = SPECIAL_COUNT + LOADER_FIXTURE_WORDS + LOADER_FIXTURE_PIECES,
};

struct loader_fixture {
    struct vocabulary *vocabulary;
    struct synthetic synthetic;
    const struct dataset *dataset;
};

/* Makes documents of 1 to 12 sentences of 1 to 30 random words and pieces. */
struct loader_fixture loader_fixture_begin(int documents);
void loader_fixture_end(struct loader_fixture *fixture);

/* Returns options of sequences of up to 64 tokens, in pairs, from step 1 on. */
struct loader_options loader_fixture_options(int batch_size, uint64_t last_step);

struct loader *loader_fixture_open(const struct loader_fixture *fixture,
                                   const struct loader_options *options);

/* Returns the number of examples of epoch 0. */
int loader_fixture_examples(const struct loader_fixture *fixture,
                            const struct loader_options *options);

/* As loader_next. */
const struct batch *loader_fixture_next(struct loader *loader);

#endif
