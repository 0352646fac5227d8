#include "data/masking.h"

#include "support/statistics.h"
#include "support/synthetic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    PAD,
    UNK,
    CLS,
    SEP,
    MASK,
    WORD,        /* the first word */
    WORDS = 40,  /* number of words: ids 5 to 44 */
    PIECE = 45,  /* the first continuation */
    PIECES = 20, /* number of continuations: ids 45 to 64 */
    VOCABULARY = 65,
    MAX_LENGTH = 200,
};

struct fixture {
    struct vocabulary *vocabulary;
    struct masking *masking;
};

static struct fixture set_up(double mask_prob, bool whole_word)
{
    struct error error = {0};
    struct fixture fixture = {.vocabulary = synthetic_vocabulary(WORDS, PIECES)};
    fixture.masking =
        masking_create(fixture.vocabulary, (struct masking_options){mask_prob, whole_word}, &error);
    assert_non_null(fixture.masking);
    return fixture;
}

static void tear_down(struct fixture *fixture)
{
    masking_free(fixture->masking);
    vocabulary_free(fixture->vocabulary);
}

/* A sequence before and after masking. */
struct masked {
    int32_t before[MAX_LENGTH], ids[MAX_LENGTH], tokens[MAX_LENGTH], labels[MAX_LENGTH];
    int length, count;
};

/* Masks ids with the random numbers of `index` and asserts what is true of every sequence. */
static struct masked apply(const struct fixture *fixture, const int32_t *ids, int length,
                           uint64_t index)
{
    struct masked masked = {.length = length};
    memcpy(masked.before, ids, (size_t)length * sizeof *ids);
    memcpy(masked.ids, ids, (size_t)length * sizeof *ids);
    struct random random = random_begin(7, RANDOM_TEST, index, 0);
    masked.count =
        masking_apply(fixture->masking, &random, masked.ids, length, masked.tokens, masked.labels);
    int next = 0;
    for (int i = 0; i < length; i++) {
        if (next < masked.count && masked.tokens[next] == i) {
            assert_int_equal(masked.labels[next], ids[i]);
            assert_false(vocabulary_is_special(fixture->vocabulary, ids[i]));
            assert_true(masked.ids[i] == MASK || masked.ids[i] >= WORD);
            next++;
        } else {
            assert_int_equal(masked.ids[i], ids[i]);
        }
    }
    assert_int_equal(next, masked.count);
    return masked;
}

/* Returns [CLS] words [SEP] words [SEP] with an [UNK] among the words. */
static void make_words(int32_t *ids, int length)
{
    for (int i = 0; i < length; i++)
        ids[i] = WORD + i % WORDS;
    ids[0] = CLS;
    ids[length / 2] = SEP;
    ids[length / 3] = UNK;
    ids[length - 1] = SEP;
}

static void rates_are_those_of_bert(void **state)
{
    (void)state;
    enum { SEQUENCES = 20000, LENGTH = 128 };
    struct fixture fixture = set_up(0.15, false);
    int32_t ids[LENGTH];
    make_words(ids, LENGTH);
    uint64_t selected = 0, shown_mask = 0, same = 0;
    for (uint64_t i = 0; i < SEQUENCES; i++) {
        struct masked masked = apply(&fixture, ids, LENGTH, i);
        assert_true(masked.count == 19 || masked.count == 20); /* 0.15 * 128 = 19.2 */
        selected += (uint64_t)masked.count;
        for (int m = 0; m < masked.count; m++) {
            shown_mask += masked.ids[masked.tokens[m]] == MASK;
            same += masked.ids[masked.tokens[m]] == masked.labels[m];
        }
    }
    assert_true(agrees_with_rate(selected - 19 * SEQUENCES, SEQUENCES, 0.2));
    assert_true(agrees_with_rate(shown_mask, selected, 0.8));
    /* A random replacement is the token itself once in 60 times. */
    assert_true(agrees_with_rate(same, selected, 0.1 + 0.1 / (WORDS + PIECES)));
    tear_down(&fixture);
}

static void every_position_is_equally_likely(void **state)
{
    (void)state;
    enum { SEQUENCES = 20000, LENGTH = 20, CANDIDATES = LENGTH - 4 };
    struct fixture fixture = set_up(0.15, false);
    int32_t ids[LENGTH];
    make_words(ids, LENGTH);
    uint64_t hits[LENGTH] = {0};
    for (uint64_t i = 0; i < SEQUENCES; i++) {
        struct masked masked = apply(&fixture, ids, LENGTH, i);
        assert_int_equal(masked.count, 3);
        for (int m = 0; m < masked.count; m++)
            hits[masked.tokens[m]]++;
    }
    for (int i = 0; i < LENGTH; i++)
        if (ids[i] >= WORD)
            assert_true(agrees_with_rate(hits[i], SEQUENCES, 3.0 / CANDIDATES));
    tear_down(&fixture);
}

static void replacements_are_uniform_over_ordinary_tokens(void **state)
{
    (void)state;
    enum { SEQUENCES = 20000, LENGTH = 100 };
    struct fixture fixture = set_up(1, false);
    int32_t ids[LENGTH];
    for (int i = 0; i < LENGTH; i++)
        ids[i] = WORD;
    uint64_t shown[VOCABULARY] = {0};
    for (uint64_t i = 0; i < SEQUENCES; i++) {
        struct masked masked = apply(&fixture, ids, LENGTH, i);
        assert_int_equal(masked.count, LENGTH);
        for (int m = 0; m < LENGTH; m++)
            shown[masked.ids[m]]++;
    }
    for (int id = WORD + 1; id < VOCABULARY; id++)
        assert_true(agrees_with_rate(shown[id], SEQUENCES * LENGTH, 0.1 / (WORDS + PIECES)));
    tear_down(&fixture);
}

static void short_sequences_have_one_prediction(void **state)
{
    (void)state;
    struct fixture fixture = set_up(0.15, false);
    for (uint64_t i = 0; i < 100; i++) {
        assert_int_equal(apply(&fixture, (int32_t[]){CLS, WORD, SEP}, 3, i).count, 1);
        assert_int_equal(apply(&fixture, (int32_t[]){CLS, UNK, SEP}, 3, i).count, 0);
    }
    tear_down(&fixture);
}

static void at_most_the_selectable_tokens_are_selected(void **state)
{
    (void)state;
    struct fixture fixture = set_up(1, false);
    const int32_t ids[] = {CLS, WORD, UNK, PIECE, SEP, PAD, MASK};
    assert_int_equal(apply(&fixture, ids, 7, 0).count, 2);
    tear_down(&fixture);
}

/* Words of one to four pieces. */
static void make_pieces(int32_t *ids, int length)
{
    for (int i = 0; i < length; i++)
        ids[i] = i % 10 == 1 || i % 10 == 4 || i % 10 == 5 || i % 10 == 9 ? WORD + i % WORDS
                                                                          : PIECE + i % PIECES;
    ids[0] = CLS;
    ids[length - 1] = SEP;
}

static bool is_selected(const struct masked *masked, int place)
{
    for (int m = 0; m < masked->count; m++)
        if (masked->tokens[m] == place)
            return true;
    return false;
}

static void whole_words_are_selected_together(void **state)
{
    (void)state;
    enum { SEQUENCES = 5000, LENGTH = 128 };
    struct fixture fixture = set_up(0.15, true);
    int32_t ids[LENGTH];
    make_pieces(ids, LENGTH);
    uint64_t selected = 0;
    for (uint64_t i = 0; i < SEQUENCES; i++) {
        struct masked masked = apply(&fixture, ids, LENGTH, i);
        assert_in_range(masked.count, 1, 20);
        selected += (uint64_t)masked.count;
        for (int place = 2; place < LENGTH - 1; place++)
            if (ids[place] >= PIECE)
                assert_true(is_selected(&masked, place) == is_selected(&masked, place - 1));
    }
    /* There are words of one piece to fill the remainder: the rate is as exact as with tokens. */
    assert_true(agrees_with_rate(selected - 19 * SEQUENCES, SEQUENCES, 0.2));
    tear_down(&fixture);
}

static void a_piece_after_a_special_token_is_a_word(void **state)
{
    (void)state;
    struct fixture fixture = set_up(0.15, true);
    const int32_t ids[] = {CLS, PIECE, PIECE + 1, SEP};
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(apply(&fixture, ids, 4, i).count, 2);
    tear_down(&fixture);
}

static void a_word_longer_than_the_goal_is_selected_when_there_is_no_other(void **state)
{
    (void)state;
    struct fixture fixture = set_up(0.15, true);
    const int32_t ids[] = {CLS, WORD, PIECE, PIECE, WORD, PIECE, PIECE, SEP};
    uint64_t first = 0;
    for (uint64_t i = 0; i < 10000; i++) {
        struct masked masked = apply(&fixture, ids, 8, i);
        assert_int_equal(masked.count, 3);
        first += masked.tokens[0] == 1;
    }
    assert_true(agrees_with_rate(first, 10000, 0.5));
    tear_down(&fixture);
}

static void without_whole_words_pieces_are_selected_alone(void **state)
{
    (void)state;
    struct fixture fixture = set_up(0.15, false);
    const int32_t ids[] = {CLS, WORD, PIECE, PIECE, SEP};
    uint64_t hits[5] = {0};
    for (uint64_t i = 0; i < 10000; i++) {
        struct masked masked = apply(&fixture, ids, 5, i);
        assert_int_equal(masked.count, 1);
        hits[masked.tokens[0]]++;
    }
    for (int place = 1; place <= 3; place++)
        assert_true(agrees_with_rate(hits[place], 10000, 1.0 / 3));
    tear_down(&fixture);
}

static void a_vocabulary_of_special_tokens_is_refused(void **state)
{
    (void)state;
    struct error error = {0};
    struct vocabulary *vocabulary = synthetic_vocabulary(0, 0);
    assert_null(masking_create(vocabulary, (struct masking_options){0.15, false}, &error));
    assert_string_equal(error.message,
                        "the vocabulary has 5 tokens, all of them special; expected more");
    masking_free(NULL);
    vocabulary_free(vocabulary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_those_of_bert),
        cmocka_unit_test(every_position_is_equally_likely),
        cmocka_unit_test(replacements_are_uniform_over_ordinary_tokens),
        cmocka_unit_test(short_sequences_have_one_prediction),
        cmocka_unit_test(at_most_the_selectable_tokens_are_selected),
        cmocka_unit_test(whole_words_are_selected_together),
        cmocka_unit_test(a_piece_after_a_special_token_is_a_word),
        cmocka_unit_test(a_word_longer_than_the_goal_is_selected_when_there_is_no_other),
        cmocka_unit_test(without_whole_words_pieces_are_selected_alone),
        cmocka_unit_test(a_vocabulary_of_special_tokens_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
