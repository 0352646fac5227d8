#include "text/sentences.h"

#include "base/random.h"
#include "text/plain_sentences.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unicode/ubrk.h>
#include <unicode/utext.h>

#include <cmocka.h>

static int set_up(void **state)
{
    struct error error = {0};
    *state = sentence_splitter_create(&error);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    sentence_splitter_free(*state);
    return 0;
}

/* Splits the text and compares the sentences with the arguments, up to NULL. */
static void expect_sentences(struct sentence_splitter *splitter, const char *text,
                             const char *const *sentences)
{
    struct error error = {0};
    const size_t *ends;
    size_t count, start = 0;
    assert_true(sentence_splitter_split(splitter, text, strlen(text), &ends, &count, &error));
    for (size_t i = 0; i < count; i++) {
        assert_non_null(sentences[i]);
        assert_int_equal(ends[i] - start, strlen(sentences[i]));
        assert_memory_equal(text + start, sentences[i], ends[i] - start);
        start = ends[i];
    }
    assert_null(sentences[count]);
    assert_int_equal(start, strlen(text));
}

#define EXPECT(text, ...) expect_sentences(*state, text, (const char *const[]){__VA_ARGS__, NULL})

static void splits_running_text(void **state)
{
    EXPECT("One sentence", "One sentence");
    EXPECT("It rains. It pours! Does it stop?", "It rains. ", "It pours! ", "Does it stop?");
    EXPECT("\"Go.\" He went (away). Why?", "\"Go.\" ", "He went (away). ", "Why?");
}

/* The cases of Annex 29, section 5.1, rules SB6 to SB8a. */
static void follows_the_rules_of_the_standard(void **state)
{
    EXPECT("It costs 3.4 euros. Yes.", "It costs 3.4 euros. ", "Yes.");
    EXPECT("The U.S.Government is big.", "The U.S.Government is big.");
    EXPECT("He lives on St. paul street.", "He lives on St. paul street.");
    EXPECT("Well ... he tried. (Twice.) Then no more.", "Well ... he tried. ", "(Twice.) ",
           "Then no more.");
}

static void splits_other_scripts(void **state)
{
    EXPECT("今日は雨です。明日は晴れです。", "今日は雨です。", "明日は晴れです。");
    EXPECT("वह घर गया। वह सो गया।", "वह घर गया। ", "वह सो गया।");
    EXPECT("هل تأتي؟ نعم.", "هل تأتي؟ ", "نعم.");
}

static void joins_white_space_to_a_sentence(void **state)
{
    EXPECT("One.\n \nTwo.\n", "One.\n \n", "Two.\n");
    EXPECT(" \n One.", " \n One.");
    EXPECT("One.\n\xE2\x80\xA9\xC2\xA0\n", "One.\n\xE2\x80\xA9\xC2\xA0\n");
    EXPECT(" \n \n ", " \n \n ");
}

static void an_empty_text_has_no_sentence(void **state)
{
    struct error error = {0};
    const size_t *ends;
    size_t count = 7;
    assert_true(sentence_splitter_split(*state, "", 0, &ends, &count, &error));
    assert_int_equal(count, 0);
}

static void accepts_ill_formed_text(void **state)
{
    EXPECT("A \xFF\xC3. B \x80.", "A \xFF\xC3. ", "B \x80.");
    EXPECT("Cut.\n\xE2\x80", "Cut.\n", "\xE2\x80");
}

static void forgets_the_text_before(void **state)
{
    EXPECT("One. Two. Three. Four.", "One. ", "Two. ", "Three. ", "Four.");
    EXPECT("Five", "Five");
}

static void finds_many_sentences(void **state)
{
    enum { SENTENCES = 1000 };
    char text[4 * SENTENCES + 1];
    for (int i = 0; i < SENTENCES; i++)
        memcpy(text + (size_t)i * 4, "Ab. ", 5);
    struct error error = {0};
    const size_t *ends;
    size_t count;
    assert_true(sentence_splitter_split(*state, text, sizeof text - 1, &ends, &count, &error));
    assert_int_equal(count, SENTENCES);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ends[i], 4 * (i + 1));
}

/* Splits with ICU alone, without the shortcut for plain text. The text has no line breaks, so no
 * sentence is white space. */
static size_t icu_sentences(const char *text, size_t size, size_t *ends)
{
    UErrorCode status = U_ZERO_ERROR;
    UText *view = utext_openUTF8(NULL, text, (int64_t)size, &status);
    UBreakIterator *iterator = ubrk_open(UBRK_SENTENCE, "", NULL, 0, &status);
    ubrk_setUText(iterator, view, &status);
    assert_true(U_SUCCESS(status));
    size_t count = 0;
    for (int32_t end; (end = ubrk_next(iterator)) != UBRK_DONE;)
        ends[count++] = (size_t)end;
    ubrk_close(iterator);
    utext_close(view);
    return count;
}

/* Random sequences of the characters that the rules distinguish, in ASCII and outside it. */
static void plain_text_is_split_as_icu_does(void **state)
{
    static const char *const parts[] = {"a",
                                        "b",
                                        "z",
                                        "A",
                                        "Z",
                                        "0",
                                        "9",
                                        ".",
                                        ".",
                                        ".",
                                        "!",
                                        "?",
                                        " ",
                                        " ",
                                        " ",
                                        "\t",
                                        "\v",
                                        "\f",
                                        "\"",
                                        "'",
                                        "(",
                                        ")",
                                        "[",
                                        "]",
                                        "{",
                                        "}",
                                        ",",
                                        "-",
                                        ":",
                                        ";",
                                        "/",
                                        "_",
                                        "#",
                                        "\x01",
                                        "\x7F",
                                        "some words without any end, fifty bytes of them - so ",
                                        "One sentence. Another one! ",
                                        "\xC3\xA9",
                                        "\xC3\x89",
                                        "\xC2\xA0",
                                        "\xC2\xAD",
                                        "\xC2\xBB",
                                        "\xCC\x81",
                                        "\xE2\x80\x93",
                                        "\xE2\x80\x99",
                                        "\xE2\x80\x9D",
                                        "\xE2\x80\xA4",
                                        "\xE3\x80\x82",
                                        "\xD6\x89",
                                        "\xD5\xA1",
                                        "\xE0\xA4\x85",
                                        "\xF0\x9D\x90\x80",
                                        "\xFF",
                                        "\xC3",
                                        "\xE2\x80"};
    enum { ROUNDS = 30000, PARTS = sizeof parts / sizeof *parts, ASCII_PARTS = 37 };
    struct random random = random_begin(5, RANDOM_TEST, 0, 0);
    for (int round = 0; round < ROUNDS; round++) {
        char text[4096] = "";
        size_t expected[sizeof text];
        uint32_t length = 1 + random_below(&random, round % 100 == 0 ? 60 : 12);
        uint32_t choice = round % 2 ? PARTS : ASCII_PARTS;
        for (uint32_t i = 0; i < length; i++)
            strcat(text, parts[random_below(&random, choice)]);
        struct error error = {0};
        const size_t *ends;
        size_t count, size = strlen(text);
        assert_true(sentence_splitter_split(*state, text, size, &ends, &count, &error));
        if (count != icu_sentences(text, size, expected) ||
            memcmp(ends, expected, count * sizeof *ends) != 0)
            fail_msg("not split as ICU does: %s", text);
    }
}

/* Otherwise the previous test would compare ICU with itself. */
static void plain_text_needs_no_icu(void **state)
{
    (void)state;
    static const char *const texts[] = {"It rains. It pours! (Really?) Yes, 3.4 mm.",
                                        "caf\xC3\xA9 \xE2\x80\x93 na\xC3\xAFve. Yes."};
    static const char *const others[] = {"Oui. \xC3\x89t\xC3\xA9.", "\xE3\x80\x82", "a\nb",
                                         "a\xC2\x85"};
    size_t end;
    for (int i = 0; i < 2; i++)
        assert_int_equal(plain_sentence_end(texts[i], strlen(texts[i]), 0, &end), PLAIN_SENTENCE);
    for (int i = 0; i < 4; i++)
        assert_int_equal(plain_sentence_end(others[i], strlen(others[i]), 0, &end), PLAIN_UNSURE);
}

static void refuses_more_than_icu_can_count(void **state)
{
    struct error error = {0};
    const size_t *ends;
    size_t count;
    assert_false(sentence_splitter_split(*state, "a", (size_t)1 << 31, &ends, &count, &error));
    assert_string_equal(error.message,
                        "a paragraph of 2147483648 bytes; expected at most 2147483647");
    assert_int_equal(error.kind, ERROR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_running_text),
        cmocka_unit_test(follows_the_rules_of_the_standard),
        cmocka_unit_test(splits_other_scripts),
        cmocka_unit_test(joins_white_space_to_a_sentence),
        cmocka_unit_test(an_empty_text_has_no_sentence),
        cmocka_unit_test(accepts_ill_formed_text),
        cmocka_unit_test(forgets_the_text_before),
        cmocka_unit_test(finds_many_sentences),
        cmocka_unit_test(plain_text_is_split_as_icu_does),
        cmocka_unit_test(plain_text_needs_no_icu),
        cmocka_unit_test(refuses_more_than_icu_can_count),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
