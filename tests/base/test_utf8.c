#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

/* RFC 3629, section 3, written out for each length. */
static size_t reference_encode(uint32_t c, unsigned char *bytes)
{
    if (c < 0x80) {
        bytes[0] = (unsigned char)c;
        return 1;
    }
    if (c < 0x800) {
        bytes[0] = (unsigned char)(0xC0 + c / 64);
        bytes[1] = (unsigned char)(0x80 + c % 64);
        return 2;
    }
    if (c < 0x10000) {
        bytes[0] = (unsigned char)(0xE0 + c / 4096);
        bytes[1] = (unsigned char)(0x80 + c / 64 % 64);
        bytes[2] = (unsigned char)(0x80 + c % 64);
        return 3;
    }
    bytes[0] = (unsigned char)(0xF0 + c / 262144);
    bytes[1] = (unsigned char)(0x80 + c / 4096 % 64);
    bytes[2] = (unsigned char)(0x80 + c / 64 % 64);
    bytes[3] = (unsigned char)(0x80 + c % 64);
    return 4;
}

static void every_scalar_value_is_encoded_and_decoded(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < UTF8_CODE_POINTS; c++) {
        unsigned char expected[4];
        char bytes[4];
        size_t position = 0;

        if (c >= 0xD800 && c < 0xE000)
            continue;
        size_t size = reference_encode(c, expected);
        assert_int_equal(utf8_encode(c, bytes), size);
        assert_memory_equal(bytes, expected, size);
        assert_int_equal(utf8_valid_prefix(bytes, size), size);
        assert_int_equal(utf8_decode(bytes, size, &position), c);
        assert_int_equal(position, size);
    }
}

/* Decodes the text; counts ill-formed sequences and writes them as 'x', valid ones as 'v'. */
static void expect_steps(const char *text, size_t size, const char *expected)
{
    char steps[32];
    size_t count = 0, invalid = 0, position = 0, first = 99, expected_first = 99;

    while (position < size) {
        size_t start = position;
        bool ill_formed = utf8_decode(text, size, &position) == UTF8_REPLACEMENT;
        if (ill_formed && invalid++ == 0)
            expected_first = start;
        steps[count++] = ill_formed ? 'x' : 'v';
        assert_true(position > start && count < sizeof steps);
    }
    steps[count] = 0;
    assert_string_equal(steps, expected);
    assert_int_equal(utf8_count_invalid(text, size, &first), invalid);
    assert_int_equal(first, expected_first);
    assert_int_equal(utf8_valid_prefix(text, size), invalid ? expected_first : size);
}

#define EXPECT_STEPS(text, expected) expect_steps(text, sizeof(text) - 1, expected)

static void ill_formed_sequences_end_after_their_maximal_subpart(void **state)
{
    (void)state;
    EXPECT_STEPS("", "");
    /* The Unicode Standard 15.0, tables 3-8 to 3-11. */
    EXPECT_STEPS("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", "xxxxxxxxv");
    EXPECT_STEPS("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", "xxxxxxxxv");
    EXPECT_STEPS("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", "xxxxxvxxv");
    EXPECT_STEPS("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", "xxxxv");
    /* Sequences of each length, truncated by the end of the text. */
    EXPECT_STEPS("a\xC3", "vx");
    EXPECT_STEPS("a\xE4\xB8", "vx");
    EXPECT_STEPS("a\xF0\x9F\x98", "vx");
    /* After the eight bytes that are read together. */
    EXPECT_STEPS("123456789\xFF", "vvvvvvvvvx");
    EXPECT_STEPS("1234567\xC3\xA9\xC3(", "vvvvvvvvxv");
}

static void nothing_beyond_the_size_is_read(void **state)
{
    const char text[] = "\xE4\xB8\xAD"; /* one character, of which the text has only a part */
    size_t position = 0;

    (void)state;
    assert_int_equal(utf8_decode(text, 2, &position), UTF8_REPLACEMENT);
    assert_int_equal(position, 2);
    assert_int_equal(utf8_valid_prefix(text, 2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scalar_value_is_encoded_and_decoded),
        cmocka_unit_test(ill_formed_sequences_end_after_their_maximal_subpart),
        cmocka_unit_test(nothing_beyond_the_size_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
