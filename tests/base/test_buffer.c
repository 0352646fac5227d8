#include "base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_appends_bytes_and_text(void **state)
{
    (void)state;
    struct error error = {0};
    struct buffer buffer = {0};
    assert_true(buffer_append(&buffer, "a\0b", 3, &error));
    assert_int_equal(buffer.size, 3);
    assert_int_equal(buffer.data[3], 0);
    assert_true(buffer_print(&buffer, &error, "%d-%s", 42, "x"));
    assert_int_equal(buffer.size, 7);
    assert_memory_equal(buffer.data, "a\0b42-x", 8);
    buffer_free(&buffer);
    assert_null(buffer.data);
    assert_int_equal(buffer.size, 0);
}

static void test_an_empty_append_makes_an_empty_string(void **state)
{
    (void)state;
    struct error error = {0};
    struct buffer buffer = {0};
    assert_true(buffer_append(&buffer, NULL, 0, &error));
    assert_string_equal(buffer.data, "");
    assert_true(buffer_print(&buffer, &error, "%s", ""));
    assert_string_equal(buffer.data, "");
    assert_int_equal(buffer.size, 0);
    buffer_free(&buffer);
}

/* Every size around the growth steps, where the closing zero needs room too. */
static void test_grows_one_byte_at_a_time(void **state)
{
    (void)state;
    struct error error = {0};
    struct buffer buffer = {0};
    for (size_t i = 0; i < 5000; i++) {
        char byte = (char)('a' + i % 26);
        assert_true(buffer_append(&buffer, &byte, 1, &error));
        assert_int_equal(buffer.data[i + 1], 0);
    }
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(buffer.data[i], 'a' + i % 26);
    buffer_free(&buffer);
}

static void test_prints_text_longer_than_its_room(void **state)
{
    (void)state;
    struct error error = {0};
    struct buffer buffer = {0};
    assert_true(buffer_print(&buffer, &error, "%0*d", 3000, 7));
    assert_int_equal(buffer.size, 3000);
    assert_int_equal(strlen(buffer.data), 3000);
    assert_int_equal(buffer.data[2999], '7');
    buffer_free(&buffer);
}

static void test_a_size_that_overflows_changes_nothing(void **state)
{
    (void)state;
    struct error error = {0};
    struct buffer buffer = {0};
    assert_true(buffer_append(&buffer, "abc", 3, &error));
    assert_false(buffer_append(&buffer, "", SIZE_MAX - 3, &error));
    assert_int_equal(error.kind, ERROR_WORK);
    assert_string_equal(error.message, "out of memory: a text of 3 + 18446744073709551612 bytes");
    assert_false(buffer_append(&buffer, "", SIZE_MAX - 2, &error));
    assert_string_equal(buffer.data, "abc");
    assert_int_equal(buffer.size, 3);
    buffer_free(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends_bytes_and_text),
        cmocka_unit_test(test_an_empty_append_makes_an_empty_string),
        cmocka_unit_test(test_grows_one_byte_at_a_time),
        cmocka_unit_test(test_prints_text_longer_than_its_room),
        cmocka_unit_test(test_a_size_that_overflows_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
