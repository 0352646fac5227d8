#include "data/unigram.h"

#include "support/synthetic.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* Words 5 to 8; 5 is the id after the special tokens. */
enum { UNK = 1, WORDS = 4 };

static struct synthetic make(const int32_t *ids, size_t count, uint64_t shard_tokens)
{
    struct synthetic synthetic = synthetic_begin(SPECIAL_COUNT + WORDS, shard_tokens);
    /* Each document has two sentences, so that there are several documents and shards. */
    for (size_t i = 0; i < count; i++) {
        synthetic_ids(&synthetic, ids + i, 1);
        if (i % 2)
            synthetic_document(&synthetic);
    }
    if (count % 2)
        synthetic_document(&synthetic);
    synthetic_open(&synthetic);
    return synthetic;
}

static void frequencies_of_one_text_predict_the_other(void **state)
{
    (void)state;
    /* The 7 ordinary tokens are word 5 three times, 6 twice and 7 twice; [UNK] does not count. */
    static const int32_t known_ids[] = {5, 6, UNK, UNK, UNK, UNK, 5, 7, 7, 6, 5};
    static const int32_t text_ids[] = {5, 8, 6, 5, UNK};
    struct vocabulary *vocabulary = synthetic_vocabulary(WORDS, 0);
    struct synthetic known = make(known_ids, 11, 2), text = make(text_ids, 5, 2);
    struct unigram unigram;
    struct error error = {0};
    assert_true(unigram_measure(known.dataset, text.dataset, vocabulary, &unigram, &error));
    double expected = -(2 * log(4.0 / 11) + log(1.0 / 11) + log(3.0 / 11)) / 4;
    assert_true(fabs(unigram.loss - expected) < 1e-12);
    assert_true(unigram.accuracy == 0.5);
    synthetic_end(&known);
    synthetic_end(&text);
    vocabulary_free(vocabulary);
}

/* The document has more tokens than are read at a time. */
static void long_documents_count_whole(void **state)
{
    (void)state;
    struct vocabulary *vocabulary = synthetic_vocabulary(WORDS, 0);
    struct synthetic text = synthetic_begin(SPECIAL_COUNT + WORDS, 1 << 20);
    synthetic_sentence(&text, 30000, 6);
    synthetic_sentence(&text, 10000, 7);
    synthetic_document(&text);
    synthetic_open(&text);
    struct unigram unigram;
    struct error error = {0};
    assert_true(unigram_measure(text.dataset, text.dataset, vocabulary, &unigram, &error));
    double total = 40000 + WORDS;
    double expected = -(0.75 * log(30001 / total) + 0.25 * log(10001 / total));
    assert_true(fabs(unigram.loss - expected) < 1e-12);
    assert_true(unigram.accuracy == 0.75);
    synthetic_end(&text);
    vocabulary_free(vocabulary);
}

static void a_text_of_special_tokens_is_refused(void **state)
{
    (void)state;
    static const int32_t word = 5, unknown = UNK;
    struct vocabulary *vocabulary = synthetic_vocabulary(WORDS, 0);
    struct synthetic known = make(&word, 1, 2), text = make(&unknown, 1, 2);
    struct unigram unigram;
    struct error error = {0};
    assert_false(unigram_measure(known.dataset, text.dataset, vocabulary, &unigram, &error));
    assert_string_equal(error.message, "the held-out text has only special tokens");
    /* With the texts exchanged there is a result: every word is equally likely. */
    assert_true(unigram_measure(text.dataset, known.dataset, vocabulary, &unigram, &error));
    assert_true(fabs(unigram.loss - log(WORDS)) < 1e-12);
    synthetic_end(&known);
    synthetic_end(&text);
    vocabulary_free(vocabulary);
}

static void what_is_never_masked_does_not_count(void **state)
{
    (void)state;
    static const char *const tokens[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]",
                                         "a",     "b",     "",      "[URL]"};
    const struct added_token url = {.content = "[URL]", .id = 8, .special = true};
    const struct vocabulary_additions additions = {.added = &url, .count = 1};
    static const int32_t known_ids[] = {8, 8, 8, 8, 5, 6}, text_ids[] = {8, 5};
    struct error error = {0};
    struct unigram unigram;
    struct vocabulary *vocabulary = vocabulary_create_with(tokens, 9, &additions, "test", &error);
    assert_non_null(vocabulary);
    struct synthetic known = make(known_ids, 6, 2), text = make(text_ids, 2, 2);
    assert_true(unigram_measure(known.dataset, text.dataset, vocabulary, &unigram, &error));
    assert_true(fabs(unigram.loss - log(2)) < 1e-12); /* (1 + 1) of 2 + 2 */
    assert_true(unigram.accuracy == 1);
    synthetic_end(&known);
    synthetic_end(&text);
    vocabulary_free(vocabulary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frequencies_of_one_text_predict_the_other),
        cmocka_unit_test(long_documents_count_whole),
        cmocka_unit_test(a_text_of_special_tokens_is_refused),
        cmocka_unit_test(what_is_never_masked_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
