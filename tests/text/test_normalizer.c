#include "text/normalizer.h"

#include "base/buffer.h"
#include "base/random.h"
#include "base/utf8.h"
#include "support/reference_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct tokenizer_options uncased = {true, STRIP_ACCENTS_AS_LOWERCASE, true};
static const struct tokenizer_options cased = {false, STRIP_ACCENTS_AS_LOWERCASE, true};

/* ---- support ---- */

static struct normalizer *create(struct tokenizer_options options)
{
    struct error error = {0};
    struct normalizer *normalizer = normalizer_create(options, &error);
    assert_non_null(normalizer);
    return normalizer;
}

static void expect_sized(struct tokenizer_options options, const char *text, size_t size,
                         const char *expected)
{
    struct normalizer *normalizer = create(options);
    struct buffer out = {0};

    print_words(normalizer, text, size, &out);
    assert_string_equal(out.data, expected);
    buffer_free(&out);
    normalizer_free(normalizer);
}

static void expect(struct tokenizer_options options, const char *text, const char *expected)
{
    expect_sized(options, text, strlen(text), expected);
}

/* ---- each step; the expected words are those of Hugging Face tokenizers 0.23 ---- */

static void control_characters_are_dropped_and_spaces_divide(void **state)
{
    (void)state;
    expect(uncased, "", "");
    expect(uncased, " \t\r\n ", "");
    expect(uncased, "a\tb\nc\rd e", "a|b|c|d|e|");
    /* NO-BREAK, EM, LINE SEPARATOR, PARAGRAPH SEPARATOR, IDEOGRAPHIC */
    expect(uncased, "a\u00A0b\u2003c\u2028d\u2029e\u3000f", "a|b|c|d|e|f|");
    /* VERTICAL TAB, FORM FEED, DELETE, NEXT LINE, SOFT HYPHEN, ZERO WIDTH SPACE, private use */
    expect(uncased,
           "a\vb\fc\x7f"
           "d\xC2\x85"
           "e\u00ADf\u200Bg\uE000h",
           "abcdefgh|");
    expect(uncased, "a\uFFFDb", "ab|");
    expect_sized(uncased, "a\0b", 3, "ab|");
    /* Unassigned, so kept. */
    expect(uncased, "a\u0378b", "a\u0378b|");
}

static void ill_formed_bytes_are_dropped(void **state)
{
    (void)state;
    expect(uncased,
           "a\xFF"
           "b \xC3",
           "ab|");
    expect(uncased, "\xE4\xB8 x\xED\xA0\x80y", "xy|");
}

static void chinese_characters_stand_alone(void **state)
{
    const struct tokenizer_options together = {true, STRIP_ACCENTS_AS_LOWERCASE, false};

    (void)state;
    expect(uncased, "ab中国c", "ab|中|国|c|");
    expect(uncased, "\U00020000\U0002A6DF\U0002F800x", "\U00020000|\U0002A6DF|\u4E3D|x|");
    expect(together, "ab中国c", "ab中国c|");
    /* Hiragana, katakana and hangul are letters. */
    expect(cased, "ひらカタ한글", "ひらカタ한글|");
    /* These 256 are in the range of Google's BERT, but not in that of Hugging Face's tokenizers. */
    expect(uncased, "a\U0002B820b a\U0002B920b", "a\U0002B820b|a|\U0002B920|b|");
}

static void accents_are_stripped_with_lower_case_by_default(void **state)
{
    const struct tokenizer_options lower_only = {true, STRIP_ACCENTS_NO, true};
    const struct tokenizer_options strip_only = {false, STRIP_ACCENTS_YES, true};

    (void)state;
    expect(uncased, "Éà ñ e\u0301 Ångström", "ea|n|e|angstrom|");
    expect(cased, "Éà e\u0301", "Éà|e\u0301|");
    expect(lower_only, "Éà E\u0301", "éà|e\u0301|");
    expect(strip_only, "Éà E\u0301", "Ea|E|");
    /* Characters that decompose into punctuation are punctuation: GREEK QUESTION MARK, NOT EQUAL
     * TO. */
    expect(uncased, "a\u037Eb a\u2260b", "a|;|b|a|=|b|");
    expect(cased, "a\u2260b", "a\u2260b|");
    /* Hangul syllables decompose into letters. */
    expect(uncased, "한", "\u1112\u1161\u11AB|");
}

static void lower_case_is_the_full_mapping_without_context(void **state)
{
    const struct tokenizer_options lower_only = {true, STRIP_ACCENTS_NO, true};

    (void)state;
    expect(uncased, "ÀÉÎ ΟΔΟΣ ЖУК ẞ \u212A", "aei|οδοσ|жук|ß|k|");
    expect(uncased, "\u0130", "i|");
    expect(lower_only, "\u0130I", "i\u0307i|");
    expect(cased, "AbC", "AbC|");
}

static void punctuation_stands_alone(void **state)
{
    char text[512] = "", expected[512] = "";

    (void)state;
    expect(uncased, "don't stop... (now)", "don|'|t|stop|.|.|.|(|now|)|");
    expect(uncased, "«a»、b。", "«|a|»|、|b|。|");
    /* Symbols that are not punctuation in Unicode are punctuation only if they are ASCII. */
    expect(uncased, "a+b €c ©d", "a|+|b|€c|©d|");
    for (char c = 33; c < 127; c++) {
        bool alone = c <= 47 || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || c >= 123;
        size_t end = strlen(expected);

        snprintf(text + strlen(text), 5, "a%cb ", c);
        snprintf(expected + end, sizeof expected - end, alone ? "a|%c|b|" : "a%cb|", c);
    }
    expect(cased, text, expected);
}

static void special_tokens_are_found_in_the_raw_text(void **state)
{
    (void)state;
    expect(uncased, "a [MASK] b", "a|<[MASK]>|b|");
    expect(uncased, "wor[MASK]ld[SEP][CLS]", "wor|<[MASK]>|ld|<[SEP]>|<[CLS]>|");
    expect(uncased, "[PAD][UNK]", "<[PAD]>|<[UNK]>|");
    expect(uncased, "[[MASK]]", "[|<[MASK]>|]|");
    expect(uncased, "[mask] [MASK", "[|mask|]|[|mask|");
    /* A text that becomes a special token by dropping a control character is not one. */
    expect(cased, "[MA\u00ADSK]", "[|MASK|]|");
}

/* ---- limits ---- */

static void words_over_100_characters_have_no_bytes(void **state)
{
    (void)state;
    for (int wide = 0; wide < 2; wide++)
        for (size_t count = 99; count <= 103; count++) {
            char text[512] = "", expected[512] = "<long>";

            for (size_t i = 0; i < count; i++)
                strcat(text, wide ? "\U00010400" : "q");
            if (count <= 100)
                strcpy(expected, text);
            strcat(expected, "|x|");
            strcat(text, " x");
            expect(cased, text, expected);
        }
}

/* The words are far longer than the reader's buffer, for each way in which bytes get into it, with
 * a normal word after them. */
static void endless_words_are_read_safely(void **state)
{
    const char *const pieces[] = {"a",      "é",       "한",         "\u0130",
                                  "\u302E", "\u1D15E", "\U0001D165", "\u1112"};
    enum { REPEATS = 3000 };
    const struct tokenizer_options lower_only = {true, STRIP_ACCENTS_NO, true};
    struct buffer text = {0};
    struct error error = {0};

    (void)state;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        text.size = 0;
        for (int repeat = 0; repeat < REPEATS; repeat++)
            assert_true(buffer_append(&text, pieces[i], strlen(pieces[i]), &error));
        assert_true(buffer_append(&text, ".end", 4, &error));
        expect(uncased, text.data, "<long>|.|end|");
        expect(lower_only, text.data, "<long>|.|end|");
    }
    buffer_free(&text);
}

/* Characters that normalization drops do not count. */
static void length_is_counted_after_normalization(void **state)
{
    char text[1024] = "", expected[512] = "";

    (void)state;
    for (int i = 0; i < 100; i++) {
        strcat(text, "e\u0301\u00AD");
        strcat(expected, "e");
    }
    strcat(expected, "|");
    expect(uncased, text, expected);
    strcat(text, "e");
    expect(uncased, text, "<long>|");
}

/* ---- compared with a normalizer that does each step on the whole text with utf8proc ---- */

/* Marks that strip_accents keeps, marks that it drops (U+034F and U+1B3B are starters), and other
 * characters. */
static const int32_t mark_pool[] = {
    0x1B44, 0x1BAA, 0x302E, 0x302F, 0xA953, 0x111C0, 0x1D165, 0x1D166, 0x1D16D, 0x16FF0, 0x1715,
    0x0301, 0x0327, 0x034F, 0x05B0, 0x1B3B, 0x0C48,  0x0CC0,  0x0344,  0x1D15E, 0x00AD,  0xE000,
    'a',    'B',    ' ',    '.',    0xE9,   0x01C5,  0xAC00,  0x2260,  0x0130,  0x2126,  0x3000};

static int32_t draw_code_point(struct random *random)
{
    enum { POOL = sizeof mark_pool / sizeof *mark_pool };
    if (random_below(random, 4) > 0)
        return mark_pool[random_below(random, POOL)];
    uint32_t c = random_below(random, 0x20000);
    return c == 0 || (c >= 0xD800 && c < 0xE000) ? 'x' : (int32_t)c;
}

static void random_texts_equal_those_normalized_step_by_step(void **state)
{
    enum { TEXTS = 50000, MAX_LENGTH = 16 };
    const struct tokenizer_options strip_only = {true, STRIP_ACCENTS_YES, false};
    struct normalizer *normalizer = create(strip_only);
    struct buffer found = {0}, expected = {0};

    (void)state;
    for (uint64_t i = 0; i < TEXTS; i++) {
        struct random random = random_begin(7, RANDOM_TEST, i, 0);
        size_t count = 1 + random_below(&random, MAX_LENGTH), size = 0;
        char bytes[4 * MAX_LENGTH];

        for (size_t j = 0; j < count; j++)
            size += utf8_encode((uint32_t)draw_code_point(&random), bytes + size);
        reference_words(strip_only, bytes, size, &expected);
        print_words(normalizer, bytes, size, &found);
        assert_string_equal(found.data, expected.data);
    }
    buffer_free(&found);
    buffer_free(&expected);
    normalizer_free(normalizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_are_dropped_and_spaces_divide),
        cmocka_unit_test(ill_formed_bytes_are_dropped),
        cmocka_unit_test(chinese_characters_stand_alone),
        cmocka_unit_test(accents_are_stripped_with_lower_case_by_default),
        cmocka_unit_test(lower_case_is_the_full_mapping_without_context),
        cmocka_unit_test(punctuation_stands_alone),
        cmocka_unit_test(special_tokens_are_found_in_the_raw_text),
        cmocka_unit_test(words_over_100_characters_have_no_bytes),
        cmocka_unit_test(endless_words_are_read_safely),
        cmocka_unit_test(length_is_counted_after_normalization),
        cmocka_unit_test(random_texts_equal_those_normalized_step_by_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
