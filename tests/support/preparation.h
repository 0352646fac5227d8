/* Prepares data for tests, in a scratch directory with a small vocabulary, and checks the results
 * and messages of prepare_dataset(). */
#ifndef CLOZE_TESTS_SUPPORT_PREPARATION_H
#define CLOZE_TESTS_SUPPORT_PREPARATION_H

#include "data/dataset.h"
#include "data/prepare.h"
#include "support/scratch.h"

#include <stdio.h>

enum { BENCH_TOKENS = 12 };

struct bench {
    struct scratch scratch;
    struct tokenizer *tokenizer; /* with the tokens [PAD] to [MASK], a b c d ##a . ! */
    char output[200];            /* the directory that is prepared; missing at first */
    FILE *messages;              /* the file that the log writes to */
    struct log log;
};

/* Set-up and tear-down of a cmocka test, whose state is a struct bench. */
int bench_set_up(void **state);
int bench_tear_down(void **state);

/* A cmocka test with a bench of its own. */
#define BENCH_TEST(function)                                                                       \
    cmocka_unit_test_setup_teardown(function, bench_set_up, bench_tear_down)

/* Returns a tokenizer with the first `tokens` tokens; the caller frees it. */
struct tokenizer *bench_tokenizer(size_t tokens, bool lowercase);

/* Returns options with one file or pattern for training, and one held-out file or NULL. */
struct prepare_options bench_options(const char *const *train, const char *const *valid);

/* bench_prepare prepares the output and asserts that it succeeds; bench_expect_failure asserts that
 * it fails with an error that contains `message`. */
struct prepare_summary bench_prepare(struct bench *bench, const struct prepare_options *options);
void bench_expect_failure(struct bench *bench, const struct prepare_options *options,
                          const char *message);

/* Returns whether the log has this text, and empties the log. */
bool bench_was_logged(struct bench *bench, const char *text);

/* Opens a dataset that was prepared with the tokenizer; the caller closes it. */
struct dataset *bench_open_dataset(const struct bench *bench, const char *prefix);

/* Asserts on the ids of a dataset, printed as text: "(5 6)(7)" are the sentences of one document,
 * and "|" separates documents. */
void bench_expect_dataset(struct bench *bench, const char *prefix, const char *expected);

/* Files in the output. The caller frees the path. */
char *bench_path(const struct bench *bench, const char *name);
uint64_t bench_hash(const struct bench *bench, const char *name);
bool bench_has(const struct bench *bench, const char *name);
void bench_write(const struct bench *bench, const char *name, const char *text);

#endif
