#include "base/json.h"

#include "base/file.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_read_of_an_object(void **state)
{
    struct error error = {0};
    json_t *value = json_read_file(
        scratch_write_text(*state, "file", "{\"size\": 3, \"name\": \"\\u00e4\"}"), &error);
    assert_non_null(value);
    assert_int_equal(json_integer_value(json_object_get(value, "size")), 3);
    assert_string_equal(json_string_value(json_object_get(value, "name")), "\xC3\xA4");
    json_decref(value);
}

static void test_read_of_a_huge_integer(void **state)
{
    struct error error = {0};
    json_t *value =
        json_read_file(scratch_write_text(*state, "file",
                                          "{\"limit\": 1000000000000000019884624838656, \"b\": 2}"),
                       &error);
    assert_non_null(value);
    assert_true(json_real_value(json_object_get(value, "limit")) == 1e30);
    assert_true(json_real_value(json_object_get(value, "b")) == 2);
    json_decref(value);
    assert_null(json_read_file(scratch_write_text(*state, "file", "{\"limit\": 1e999}"), &error));
    assert_non_null(strstr(error.message, "/file:1: real number overflow"));
}

static void test_read_names_file_and_line(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"{\"a\": 1,\n \"b\": 2,\n \"a\": 3}", "/file:3: duplicate object key"},
        {"{\n\"a\": }", "/file:2: unexpected token near '}'; expected JSON without repeated keys"},
        {"{\"a\": 1} x", "/file:1: end of file expected near 'x'"},
        {"", "/file:1: '[' or '{' expected near end of file"},
        {"3", "/file:1: '[' or '{' expected near '3'"},
        {"{\"a\": \"\xFF\"}", "/file:1: unable to decode byte 0xff"},
        {"[1, 2]", "/file: holds a JSON array; expected an object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error error = {0};
        assert_null(json_read_file(scratch_write_text(*state, "file", cases[i].text), &error));
        assert_int_equal(error.kind, ERROR_INPUT);
        if (!strstr(error.message, cases[i].expected))
            fail_msg("\"%s\"; expected \"...%s...\"", error.message, cases[i].expected);
    }
}

static void test_read_of_a_missing_file(void **state)
{
    struct error error = {0};
    assert_null(json_read_file(scratch_path(*state, "absent"), &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_non_null(strstr(error.message, "/absent: cannot open: No such file or directory"));
}

static void write_and_read_text(struct scratch *scratch, const json_t *value, struct buffer *text)
{
    struct error error = {0};
    const char *path = scratch_path(scratch, "file");
    assert_true(json_write_file(path, value, &error));
    assert_true(file_read(path, 1 << 20, text, &error));
}

static void test_written_layout(void **state)
{
    struct buffer text = {0};
    json_t *value =
        json_pack("{s:f, s:[i, i], s:s, s:n}", "rate", 0.1, "list", 1, 2, "a", "\xC3\xA4", "none");
    assert_non_null(value);
    write_and_read_text(*state, value, &text);
    assert_string_equal(text.data, "{\n"
                                   "  \"rate\": 0.1,\n"
                                   "  \"list\": [\n"
                                   "    1,\n"
                                   "    2\n"
                                   "  ],\n"
                                   "  \"a\": \"\xC3\xA4\",\n"
                                   "  \"none\": null\n"
                                   "}\n");
    buffer_free(&text);
    json_decref(value);
}

static void test_numbers_survive(void **state)
{
    const double numbers[] = {0.1,    1e-12,  1.0 / 3, 0.1 + 0.2,         1e300,
                              5e-324, -0.025, 12345,   9007199254740993.0};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct error error = {0};
        json_t *value = json_pack("{s:f}", "x", numbers[i]);
        const char *path = scratch_path(*state, "file");
        assert_true(json_write_file(path, value, &error));
        json_t *again = json_read_file(path, &error);
        assert_non_null(again);
        assert_true(json_is_real(json_object_get(again, "x")));
        assert_true(json_real_value(json_object_get(again, "x")) == numbers[i]);
        json_decref(again);
        json_decref(value);
    }
}

static void test_write_names_the_file(void **state)
{
    struct error error = {0};
    json_t *value = json_object();
    assert_false(json_write_file(scratch_path(*state, "absent/file"), value, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_non_null(strstr(error.message, "/absent/file"));
    json_decref(value);
}

static void test_values_are_counted_before_parsing(void **state)
{
    enum { SIZE = JSON_MAX_VALUES + 1 };
    char *text = malloc(SIZE);
    (void)state;
    assert_non_null(text);
    memset(text, '[', SIZE);
    assert_true(json_is_modest(text, SIZE - 1));
    assert_false(json_is_modest(text, SIZE));
    memset(text, 'x', SIZE);
    assert_true(json_is_modest(text, SIZE));
    free(text);
}

/* ---- sealed files ---- */

static const char *write_sealed(struct scratch *scratch, const char *text)
{
    struct error error = {0};
    json_t *object = json_loads(text, 0, NULL);
    const char *path = scratch_path(scratch, "sealed.json");
    assert_true(json_write_sealed(path, object, &error));
    json_decref(object);
    return path;
}

static void test_a_sealed_file_is_json_with_one_key_more(void **state)
{
    struct error error = {0};
    struct buffer text = {0};
    const char *path = write_sealed(*state, "{\"a\": [1]}");
    assert_true(file_read(path, 1000, &text, &error));
    static const char start[] = "{\n  \"a\": [\n    1\n  ],\n  \"xxh3\": \"";
    assert_memory_equal(text.data, start, sizeof start - 1);
    assert_string_equal(text.data + sizeof start - 1 + 16, "\"\n}\n");
    json_t *object = json_read_sealed(path, false, &error);
    assert_int_equal(json_object_size(object), 1);
    json_decref(object);
    buffer_free(&text);
}

/* A list that cannot take a value is freed, as the leak checks of the sanitizers see. */
static void test_a_list_takes_all_values_or_is_gone(void **state)
{
    (void)state;
    json_t *list = json_append(json_append(json_array(), json_integer(1)), json_null());
    assert_int_equal(json_array_size(list), 2);
    assert_null(json_append(list, NULL));
    assert_null(json_append(NULL, json_integer(2)));
}

/* What is not UTF-8 is replaced; a zero byte is a character like any other. */
static void test_any_text_becomes_a_string(void **state)
{
    (void)state;
    static const char bytes[] = "a\0\xff\xC3\xA4";
    static const char expected[] = "a\0\xEF\xBF\xBD\xC3\xA4";
    json_t *text = json_text(bytes, sizeof bytes - 1), *none = json_text("", 0);
    assert_int_equal(json_string_length(text), sizeof expected - 1);
    assert_memory_equal(json_string_value(text), expected, sizeof expected);
    assert_string_equal(json_string_value(none), "");
    json_decref(text);
    json_decref(none);
}

static void expect_unsealed(const char *path, const char *message)
{
    struct error error = {0};
    assert_null(json_read_sealed(path, false, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_memory_equal(error.message, path, strlen(path));
    assert_memory_equal(error.message + strlen(path), message, strlen(message));
}

static void test_a_seal_that_does_not_hold_is_an_error(void **state)
{
    static const char missing[] = ": is damaged: it does not end with its checksum";
    expect_unsealed(scratch_write_text(*state, "a.json", ""), missing);
    expect_unsealed(scratch_write_text(*state, "a.json", "{\"a\": 1}\n"), missing);
    expect_unsealed(scratch_write_text(*state, "a.json",
                                       "{\n  \"a\": 1,\n  \"xxh3\": \"0123456789abcdef\"\n}\n"),
                    ": is damaged: its checksum is ");
}

/* As that of a run with very many input files. */
static void test_a_large_sealed_file_is_read_again(void **state)
{
    enum { SIZE = 65 << 20 };
    struct error error = {0};
    char *text = malloc(SIZE);
    assert_non_null(text);
    memset(text, 'x', SIZE);
    json_t *object = json_pack("{s:s#}", "a", text, SIZE);
    const char *path = scratch_path(*state, "sealed.json");
    assert_true(json_write_sealed(path, object, &error));
    json_t *again = json_read_sealed(path, true, &error);
    assert_true(again && json_equal(again, object));
    json_decref(again);
    json_decref(object);
    free(text);
}

static void test_a_sealed_file_of_too_many_values_is_refused(void **state)
{
    struct error error = {0};
    json_t *list = json_array(), *zero = json_integer(0);
    for (int i = 0; i <= JSON_MAX_VALUES; i++)
        json_array_append(list, zero);
    json_decref(zero);
    json_t *object = json_pack("{s:o}", "a", list);
    const char *path = scratch_path(*state, "sealed.json");
    assert_true(json_write_sealed(path, object, &error));
    json_decref(object);
    assert_null(json_read_sealed(path, false, &error));
    assert_non_null(strstr(error.message, "holds more than"));
}

static void what_cannot_be_added_is_an_error(void **state)
{
    struct error error = {0};
    json_t *list = json_array();
    (void)state;
    assert_true(json_add(list, "numbers", json_integer(1), &error));
    assert_int_equal(json_array_size(list), 1);
    assert_false(json_add(list, "numbers", NULL, &error));
    assert_int_equal(error.kind, ERROR_WORK);
    assert_string_equal(error.message, "out of memory: the JSON list of numbers");
    /* The error of making the value stays. */
    error = (struct error){.kind = ERROR_INPUT, .message = "no number"};
    assert_false(json_add(list, "numbers", NULL, &error));
    assert_string_equal(error.message, "no number");
    json_decref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_read_of_an_object),
        SCRATCH_TEST(test_read_of_a_huge_integer),
        SCRATCH_TEST(test_read_names_file_and_line),
        SCRATCH_TEST(test_read_of_a_missing_file),
        SCRATCH_TEST(test_written_layout),
        SCRATCH_TEST(test_numbers_survive),
        SCRATCH_TEST(test_write_names_the_file),
        SCRATCH_TEST(test_a_sealed_file_is_json_with_one_key_more),
        SCRATCH_TEST(test_a_seal_that_does_not_hold_is_an_error),
        SCRATCH_TEST(test_a_large_sealed_file_is_read_again),
        SCRATCH_TEST(test_a_sealed_file_of_too_many_values_is_refused),
        cmocka_unit_test(test_values_are_counted_before_parsing),
        cmocka_unit_test(test_a_list_takes_all_values_or_is_gone),
        cmocka_unit_test(test_any_text_becomes_a_string),
        cmocka_unit_test(what_cannot_be_added_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
