#include "base/format.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_counts_have_separators(void **state)
{
    (void)state;
    assert_string_equal(format_count(0).text, "0");
    assert_string_equal(format_count(999).text, "999");
    assert_string_equal(format_count(1000).text, "1,000");
    assert_string_equal(format_count(1234567).text, "1,234,567");
    assert_string_equal(format_count(~0ULL).text, "18,446,744,073,709,551,615");
    assert_string_equal(plural(0), "s");
    assert_string_equal(plural(1), "");
    assert_string_equal(plural(2), "s");
    assert_string_equal(format_number_of(0, "word").text, "0 words");
    assert_string_equal(format_number_of(1, "word").text, "1 word");
    assert_string_equal(format_number_of(1234, "word").text, "1,234 words");
}

static void test_bytes_have_binary_units(void **state)
{
    (void)state;
    assert_string_equal(format_bytes(0).text, "0 B");
    assert_string_equal(format_bytes(1023).text, "1023 B");
    assert_string_equal(format_bytes(1024).text, "1.00 KiB");
    assert_string_equal(format_bytes(1536000000).text, "1.43 GiB");
    assert_string_equal(format_bytes(15728640).text, "15.0 MiB");
    assert_string_equal(format_bytes(500ULL << 20).text, "500 MiB");
    assert_string_equal(format_bytes(~0ULL).text, "16.0 EiB");
}

static void test_floats_have_as_few_digits_as_they_need(void **state)
{
    (void)state;
    static const struct {
        float value;
        const char *text;
    } cases[] = {{0.6F, "0.6"},        {4, "4"},
                 {-2.5F, "-2.5"},      {16777216, "16777216"},
                 {0.1F + 0.2F, "0.3"}, {0.3F + 0.6F, "0.90000004"},
                 {1e-7F, "1e-07"},     {0, "0"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(format_float(cases[i].value).text, cases[i].text);
    assert_string_equal(format_double(0.1).text, "0.1");
    assert_string_equal(format_double(0.1 + 0.2).text, "0.30000000000000004");
    assert_string_equal(format_double(1000).text, "1000");
}

static void test_hashes_have_all_digits(void **state)
{
    (void)state;
    assert_string_equal(format_hash(0xABC).text, "0000000000000abc");
    assert_string_equal(format_hash(UINT64_MAX).text, "ffffffffffffffff");
}

static void test_durations(void **state)
{
    (void)state;
    assert_string_equal(format_duration(0).text, "0.0s");
    assert_string_equal(format_duration(9.94).text, "9.9s");
    assert_string_equal(format_duration(9.96).text, "10s");
    assert_string_equal(format_duration(59.4).text, "59s");
    assert_string_equal(format_duration(59.6).text, "1m 00s");
    assert_string_equal(format_duration(3725).text, "1h 02m");
    assert_string_equal(format_duration(3599.6).text, "1h 00m");
    assert_string_equal(format_duration(90061).text, "1d 01h");
    assert_string_equal(format_duration(NAN).text, "?");
    assert_string_equal(format_duration(INFINITY).text, "?");
    assert_string_equal(format_duration(-1).text, "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_have_separators),
        cmocka_unit_test(test_bytes_have_binary_units),
        cmocka_unit_test(test_floats_have_as_few_digits_as_they_need),
        cmocka_unit_test(test_hashes_have_all_digits),
        cmocka_unit_test(test_durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
