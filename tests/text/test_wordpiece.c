#include "text/wordpiece.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_TOKENS = 64 };

struct pieces {
    struct vocabulary *vocabulary;
    struct wordpiece *wordpiece;
};

static struct pieces create(const char *const *tokens, size_t count)
{
    struct error error = {0};
    struct pieces pieces;
    const char *all[MAX_TOKENS];

    memcpy(all, special_token_names, sizeof special_token_names);
    memcpy(all + SPECIAL_COUNT, tokens, count * sizeof *tokens);
    pieces.vocabulary = vocabulary_create(all, SPECIAL_COUNT + count, "test", &error);
    assert_non_null(pieces.vocabulary);
    pieces.wordpiece = wordpiece_create(pieces.vocabulary, &error);
    assert_non_null(pieces.wordpiece);
    return pieces;
}

static void release(struct pieces pieces)
{
    wordpiece_free(pieces.wordpiece);
    vocabulary_free(pieces.vocabulary);
}

static void expect(struct pieces pieces, const char *word, const char *expected)
{
    int32_t ids[WORD_MAX_CHARACTERS];
    size_t count = wordpiece_split(pieces.wordpiece, word, strlen(word), ids);
    char found[1024] = "";

    for (size_t i = 0; i < count; i++) {
        strcat(found, i ? " " : "");
        strcat(found, vocabulary_token(pieces.vocabulary, ids[i]));
    }
    assert_string_equal(found, expected);
}

static void the_longest_piece_is_taken_first(void **state)
{
    /* "unaffable": Wu et al. and the comments of the original BERT tokenizer. */
    static const char *const tokens[] = {"un", "##aff", "##able", "##a", "a", "##affa", "b", "ab"};
    struct pieces pieces = create(tokens, sizeof tokens / sizeof *tokens);

    (void)state;
    expect(pieces, "un", "un");
    expect(pieces, "ab", "ab");
    expect(pieces, "aa", "a ##a");
    expect(pieces, "unaff", "un ##aff");
    /* Greedy: ##affa is longer than ##aff, and no piece continues after it. */
    expect(pieces, "unaffable", "[UNK]");
    expect(pieces, "aaff", "a ##aff");
    release(pieces);
}

static void a_word_that_cannot_be_split_completely_is_unknown(void **state)
{
    static const char *const tokens[] = {"un", "##able", "able"};
    struct pieces pieces = create(tokens, sizeof tokens / sizeof *tokens);

    (void)state;
    expect(pieces, "unable", "un ##able");
    expect(pieces, "x", "[UNK]");
    expect(pieces, "unx", "[UNK]");
    expect(pieces, "unablex", "[UNK]");
    expect(pieces, "u", "[UNK]");
    expect(pieces, "ableun", "[UNK]"); /* "un" begins words and does not continue them */
    release(pieces);
}

static void number_signs_are_ordinary_characters_after_the_prefix(void **state)
{
    static const char *const tokens[] = {"#", "##", "##b", "###", "a"};
    struct pieces pieces = create(tokens, sizeof tokens / sizeof *tokens);

    (void)state;
    expect(pieces, "#", "#");
    expect(pieces, "ab", "a ##b");
    expect(pieces, "a#", "a ###"); /* "#" after "##" */
    expect(pieces, "b", "[UNK]");
    release(pieces);
}

static void pieces_end_with_characters(void **state)
{
    /* é is C3 A9, è is C3 A8. */
    static const char *const tokens[] = {"é", "##é", "##e", "中"};
    struct pieces pieces = create(tokens, sizeof tokens / sizeof *tokens);

    (void)state;
    expect(pieces, "ééé", "é ##é ##é");
    expect(pieces, "éè", "[UNK]");
    expect(pieces, "中", "中");
    expect(pieces, "丮", "[UNK]");
    release(pieces);
}

static void a_hundred_pieces_fit(void **state)
{
    static const char *const tokens[] = {"a", "##a"};
    struct pieces pieces = create(tokens, sizeof tokens / sizeof *tokens);
    int32_t ids[WORD_MAX_CHARACTERS];
    char word[WORD_MAX_CHARACTERS];

    (void)state;
    memset(word, 'a', sizeof word);
    assert_int_equal(wordpiece_split(pieces.wordpiece, word, sizeof word, ids), 100);
    assert_int_equal(ids[0], SPECIAL_COUNT);
    assert_int_equal(ids[99], SPECIAL_COUNT + 1);
    release(pieces);
}

/* Splits a word by the algorithm of the paper: tries every length, the longest first, and searches
 * the list of tokens. */
static size_t reference_split(const struct vocabulary *vocabulary, const char *word, int32_t *ids)
{
    size_t count = 0, size = strlen(word);

    for (size_t start = 0, end; start < size; start = end) {
        for (end = size; end > start; end--) {
            char piece[32];
            snprintf(piece, sizeof piece, "%s%.*s", start ? "##" : "", (int)(end - start),
                     word + start);
            ids[count] = vocabulary_find(vocabulary, piece, strlen(piece));
            if (ids[count] >= 0)
                break;
        }
        if (end == start) {
            ids[0] = vocabulary_special(vocabulary, SPECIAL_UNK);
            return 1;
        }
        count++;
    }
    return count;
}

static void random_words_are_split_as_defined(void **state)
{
    static const char *const tokens[] = {"a",   "b",    "ab",    "abc",   "bca",    "##a", "##b",
                                         "##c", "##ab", "##abc", "##cab", "##bcab", "ca"};
    struct pieces pieces = create(tokens, sizeof tokens / sizeof *tokens);

    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        struct random random = random_begin(3, RANDOM_TEST, i, 0);
        char word[16] = "";
        int32_t found[WORD_MAX_CHARACTERS], expected[WORD_MAX_CHARACTERS];
        size_t size = 1 + random_below(&random, 12);

        for (size_t j = 0; j < size; j++)
            word[j] = (char)('a' + random_below(&random, 3));
        size_t count = reference_split(pieces.vocabulary, word, expected);
        assert_int_equal(wordpiece_split(pieces.wordpiece, word, size, found), count);
        assert_memory_equal(found, expected, count * sizeof *found);
    }
    release(pieces);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_piece_is_taken_first),
        cmocka_unit_test(a_word_that_cannot_be_split_completely_is_unknown),
        cmocka_unit_test(number_signs_are_ordinary_characters_after_the_prefix),
        cmocka_unit_test(pieces_end_with_characters),
        cmocka_unit_test(a_hundred_pieces_fit),
        cmocka_unit_test(random_words_are_split_as_defined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
