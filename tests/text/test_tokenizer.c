#include "text/text_encoder.h"
#include "text/tokenizer.h"

#include "base/file.h"
#include "base/random.h"
#include "support/tokenizer_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- support ---- */

static const char *const tokens[] = {"[PAD]",  "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##aff",
                                     "##able", "the",   ".",     ",",     "'",      "t",  "don",
                                     "##ing",  "go",    "q",     "##q",   "中",     "[",  "]",
                                     "?",      "s",     "'s",    "!",     "n't",    "##."};

enum { TOKEN_COUNT = sizeof tokens / sizeof *tokens };

static struct tokenizer_fixture open_small(void)
{
    struct error error = {0};
    return tokenizer_fixture_open(vocabulary_create(tokens, TOKEN_COUNT, "test", &error), true);
}

static void expect_sized(struct tokenizer_fixture fixture, const char *text, size_t size,
                         const char *expected)
{
    const struct vocabulary *vocabulary = tokenizer_vocabulary(fixture.tokenizer);
    struct error error = {0};
    struct buffer found = {0};
    const int32_t *ids;
    size_t count = tokenizer_fixture_encode(fixture, text, size, &ids);

    assert_true(buffer_append(&found, "", 0, &error));
    for (size_t i = 0; i < count; i++)
        assert_true(buffer_print(&found, &error, "%s%s", i ? " " : "",
                                 vocabulary_token(vocabulary, ids[i])));
    assert_string_equal(found.data, expected);
    buffer_free(&found);
}

static void expect(struct tokenizer_fixture fixture, const char *text, const char *expected)
{
    expect_sized(fixture, text, strlen(text), expected);
}

/* ---- encoding ---- */

static void words_become_pieces(void **state)
{
    struct tokenizer_fixture fixture = open_small();

    (void)state;
    expect(fixture, "", "");
    expect(fixture, " \n ", "");
    expect(fixture, "The Unaffable, going.", "the un ##aff ##able , go ##ing .");
    expect(fixture, "DON'T", "don ' t");
    expect(fixture, "the xyz 中the", "the [UNK] 中 the");
    tokenizer_fixture_close(fixture);
}

static void special_tokens_are_recognized_before_normalization(void **state)
{
    struct tokenizer_fixture fixture = open_small();

    (void)state;
    expect(fixture, "the[MASK]go [SEP] [CLS][PAD][UNK]", "the [MASK] go [SEP] [CLS] [PAD] [UNK]");
    expect(fixture, "[mask]", "[ [UNK] ]");
    expect(fixture, "[[MASK]]", "[ [MASK] ]");
    tokenizer_fixture_close(fixture);
}

static void words_over_100_characters_are_unknown(void **state)
{
    struct tokenizer_fixture fixture = open_small();
    struct error error = {0};
    struct buffer expected = {0};
    char word[101];

    (void)state;
    memset(word, 'q', sizeof word);
    assert_true(buffer_append(&expected, "q", 1, &error));
    for (int i = 1; i < 100; i++)
        assert_true(buffer_append(&expected, " ##q", 4, &error));
    expect_sized(fixture, word, 100, expected.data);
    expect_sized(fixture, word, 101, "[UNK]");
    buffer_free(&expected);
    tokenizer_fixture_close(fixture);
}

static void invalid_utf8_is_dropped(void **state)
{
    struct tokenizer_fixture fixture = open_small();

    (void)state;
    expect(fixture,
           "th\xFF"
           "e \xC3",
           "the");
    expect_sized(fixture, "th\0e", 4, "the");
    tokenizer_fixture_close(fixture);
}

/* A cached word gives the same ids as a new one: compares one encoder for all texts with a new
 * encoder for each text. */
static void the_cache_changes_nothing(void **state)
{
    enum { TEXTS = 300, TEXT_BYTES = 400 };
    struct error error = {0};
    struct tokenizer_fixture fixture = open_small();
    static const char *const parts[] = {"un",  "aff", "able", "q", "go", "ing", "the",
                                        "don", " ",   " ",    ".", "中", "zz"};

    (void)state;
    for (uint64_t i = 0; i < TEXTS; i++) {
        struct random random = random_begin(5, RANDOM_TEST, i % (TEXTS / 2), 0);
        char text[TEXT_BYTES] = "";
        const int32_t *warm, *cold;
        size_t cold_count;

        while (strlen(text) < TEXT_BYTES - 8)
            strcat(text, parts[random_below(&random, sizeof parts / sizeof *parts)]);
        struct text_encoder *fresh = text_encoder_create(fixture.tokenizer, &error);
        assert_non_null(fresh);
        assert_true(text_encoder_encode(fresh, text, strlen(text), &cold, &cold_count, &error));
        assert_int_equal(tokenizer_fixture_encode(fixture, text, strlen(text), &warm), cold_count);
        assert_memory_equal(warm, cold, cold_count * sizeof *cold);
        text_encoder_free(fresh);
    }
    tokenizer_fixture_close(fixture);
}

/* The words have 15 to 18 or 31 to 33 bytes and 2 to 4 or 7 to 8 pieces, at and around the limits
 * of the cache, and equal beginnings. Each is encoded twice, in both orders. */
static void words_at_the_limits_of_the_cache(void **state)
{
    static const char *const words[][2] = {
        {"qq", "q ##q"},
        {"qqq", "q ##q ##q"},
        {"qqqq", "q ##q ##q ##q"},
        {"unableableablea", "[UNK]"},
        {"unableableableab", "[UNK]"},
        {"unableableableabl", "[UNK]"},
        {"unableableableable", "un ##able ##able ##able ##able"},
        {"goableableableaff", "go ##able ##able ##able ##aff"},
        {"unaffaffaffaffq", "un ##aff ##aff ##aff ##aff ##q"},
        {"qqqqqqq", "q ##q ##q ##q ##q ##q ##q"},
        {"qqqqqqqq", "q ##q ##q ##q ##q ##q ##q ##q"},
        {"unableableableableableableablea", "[UNK]"},
        {"unableableableableableableableaf", "[UNK]"},
        {"unableableableableableableableaff",
         "un ##able ##able ##able ##able ##able ##able ##able ##aff"},
    };
    enum { WORDS = sizeof words / sizeof *words };
    (void)state;
    for (int backwards = 0; backwards < 2; backwards++) {
        struct tokenizer_fixture fixture = open_small();
        for (int i = 0; i < 2 * WORDS; i++) {
            const int at = backwards ? 2 * WORDS - 1 - i : i;
            expect(fixture, words[at % WORDS][0], words[at % WORDS][1]);
        }
        tokenizer_fixture_close(fixture);
    }
}

/* Writes word number n of more words than the cache has entries for, and returns its size. Every
 * fourth is one of 84 words with up to four pieces; the others are unknown. */
static size_t nth_word(int n, char word[32])
{
    static const char *const pieces[] = {"q", "able", "ing", "aff"};
    if (n % 4 != 0)
        return (size_t)snprintf(word, 32, "zz%d", n);
    int left = n / 4 % 84, count = left < 4 ? 1 : left < 20 ? 2 : 3;
    left -= count == 1 ? 0 : count == 2 ? 4 : 20;
    size_t size = (size_t)snprintf(word, 32, "un");
    for (int i = 0; i < count; i++, left /= 4)
        size += (size_t)snprintf(word + size, 32 - size, "%s", pieces[left % 4]);
    return size;
}

static void words_push_each_other_out_of_the_cache(void **state)
{
    enum { WORDS = 50000, MAX_IDS = 4 };
    static int32_t expected[WORDS][MAX_IDS];
    static size_t counts[WORDS];
    struct tokenizer_fixture fixture = open_small();
    char word[32];
    (void)state;
    for (int i = 0; i < 2 * WORDS; i++) {
        const int n = i < WORDS ? i : 2 * WORDS - 1 - i;
        const int32_t *ids;
        const size_t size = nth_word(n, word),
                     count = tokenizer_fixture_encode(fixture, word, size, &ids);
        assert_in_range(count, 1, MAX_IDS);
        if (i < WORDS) {
            counts[n] = count;
            memcpy(expected[n], ids, count * sizeof *ids);
        }
        assert_int_equal(count, counts[n]);
        assert_memory_equal(ids, expected[n], count * sizeof *ids);
        if (n >= 4 * 84) /* the count of the same word, or of another unknown one */
            assert_int_equal(count, counts[n % 4 ? 1 : n - 4 * 84]);
    }
    tokenizer_fixture_close(fixture);
}

/* ---- decoding ---- */

static void expect_text(struct tokenizer_fixture fixture, const char *text,
                        bool with_special_tokens, const char *expected)
{
    struct error error = {0};
    const int32_t *ids;
    size_t count = tokenizer_fixture_encode(fixture, text, strlen(text), &ids);
    char *decoded = tokenizer_decode(fixture.tokenizer, ids, count, with_special_tokens, &error);

    assert_non_null(decoded);
    assert_string_equal(decoded, expected);
    free(decoded);
}

/* The expected texts are those of BertTokenizer.decode(skip_special_tokens=True),
 * transformers 5.23. */
static void decoding_joins_pieces_and_punctuation(void **state)
{
    struct tokenizer_fixture fixture = open_small();

    (void)state;
    expect_text(fixture, "", false, "");
    expect_text(fixture, "[CLS] The unaffable, going! [MASK] the?[SEP]", false,
                "the unaffable, going! the?");
    expect_text(fixture, "don't . 's", false, "don ' t. ' s");
    expect_text(fixture, "[CLS] . the [PAD]", false, ". the");
    expect_text(fixture, "[MASK]", false, "");
    tokenizer_fixture_close(fixture);
}

/* The expected texts are those of decode(skip_special_tokens=False) without [PAD], which the
 * fill-mask pipeline removes before decoding. */
static void decoding_may_keep_special_tokens(void **state)
{
    struct tokenizer_fixture fixture = open_small();

    (void)state;
    expect_text(fixture, "[CLS] the [MASK], going[SEP]", true, "[CLS] the [MASK], going [SEP]");
    expect_text(fixture, "[PAD] the [PAD] [UNK].[PAD]", true, "the [UNK].");
    tokenizer_fixture_close(fixture);
}

/* No encoding with this vocabulary gives these tokens, but one with another vocabulary may. */
static void decoding_treats_each_token_alone(void **state)
{
    struct tokenizer_fixture fixture = open_small();
    const struct vocabulary *vocabulary = tokenizer_vocabulary(fixture.tokenizer);
    struct error error = {0};
    const int32_t ids[] = {
        vocabulary_find(vocabulary, "##ing", 5), vocabulary_find(vocabulary, "'s", 2),
        vocabulary_find(vocabulary, "n't", 3), vocabulary_find(vocabulary, "##.", 3)};
    char *decoded = tokenizer_decode(fixture.tokenizer, ids, 4, false, &error);

    (void)state;
    assert_string_equal(decoded, "##ing'sn't.");
    free(decoded);
    tokenizer_fixture_close(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_become_pieces),
        cmocka_unit_test(special_tokens_are_recognized_before_normalization),
        cmocka_unit_test(words_over_100_characters_are_unknown),
        cmocka_unit_test(invalid_utf8_is_dropped),
        cmocka_unit_test(the_cache_changes_nothing),
        cmocka_unit_test(words_at_the_limits_of_the_cache),
        cmocka_unit_test(words_push_each_other_out_of_the_cache),
        cmocka_unit_test(decoding_joins_pieces_and_punctuation),
        cmocka_unit_test(decoding_may_keep_special_tokens),
        cmocka_unit_test(decoding_treats_each_token_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
