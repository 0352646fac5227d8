#include "data/json_reader.h"

#include "support/compressed.h"
#include "support/corpus_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define REPLACEMENT "\xEF\xBF\xBD"

/* ---- names and forms ---- */

static const char records[] = "{\"text\": \"one\\ntwo\", \"url\": \"http://a\"}\n"
                              "{\"id\": 2, \"text\": \"three\"}\n";

static void every_usual_ending_is_json(void **state)
{
    static const char *const names[] = {"a.json",  "a.jsonl", "a.ndjson",    "a.jl",
                                        "A.JSONL", "a.Json",  "a.jsonlines", "a.ldjson"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct corpus_counts counts =
            expect_contents(*state, names[i], records, "[one\ntwo][three]");
        assert_int_equal(counts.notes.json_by_content.count, 0);
    }
}

static void endings_of_compression_may_follow(void **state)
{
    static const struct {
        const char *ending;
        int compression;
    } endings[] = {{"gz", 0},  {"GZ", 0}, {"gzip", 0}, {"zst", 1},   {"zstd", 1},
                   {"Zst", 1}, {"xz", 2}, {"bz2", 3},  {"bzip2", 3}, {"lz4", 4}};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char name[32];
        snprintf(name, sizeof name, "a.json.%s", endings[i].ending);
        expect_text(
            write_compressed(*state, name, endings[i].compression, records, sizeof records - 1),
            NO_LIMIT, "[one\ntwo][three]");
    }
}

static void records_may_take_several_lines(void **state)
{
    expect_contents(*state, "a.json", "{\n  \"text\":\n    \"one\"\n}\n{\n\t\"text\" : \"two\"}",
                    "[one][two]");
    expect_contents(*state, "a.json", "{\"text\": \"one\"}{\"text\": \"two\"}", "[one][two]");
    expect_contents(*state, "a.json", "\x1E{\"text\": \"one\"}\n\x1E{\"text\": \"two\"}\n",
                    "[one][two]");
    expect_contents(*state, "a.jsonl",
                    "\xEF\xBB\xBF{\"text\": \"one\"}\r\n\r\n{\"text\": \"\"}\r\n", "[one]");
    expect_contents(*state, "a.jsonl", "", "");
    expect_contents(*state, "a.jsonl", " \n", "");
}

static void an_array_holds_objects_or_strings(void **state)
{
    expect_contents(*state, "a.json", "[{\"text\": \"one\"},\n {\"text\": \"two\"}]\n",
                    "[one][two]");
    expect_contents(*state, "a.json", "\xEF\xBB\xBF [\n\"one\\ntwo\", \"three\",{\"text\":\"x\"}]",
                    "[one\ntwo][three][x]");
    expect_contents(*state, "a.json", "[]", "");
    expect_contents(*state, "a.json", "[ ] \n", "");
}

/* If the name does not decide, the contents do, so that no model is trained on braces. */
static void json_without_its_name_is_recognized(void **state)
{
    static const char *const names[] = {"a.txt", "a", "part-00000", "a.text"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct corpus_counts counts =
            expect_contents(*state, names[i], records, "[one\ntwo][three]");
        assert_int_equal(counts.notes.json_by_content.count, 1);
        assert_string_equal(counts.notes.json_by_content.first, ((struct scratch *)*state)->path);
    }
    expect_contents(*state, "a.txt", "[{\"text\": \"one\"}]", "[one]");
    expect_contents(*state, "a.txt", "\xEF\xBB\xBF[\"one\", \"two\"]", "[one][two]");
    expect_contents(*state, "a.txt", "{\n  \"text\": \"one\"\n}", "[one]");
}

static void text_with_brackets_stays_text(void **state)
{
    static const char *const texts[] = {
        "{one}", "[1] one",      "{\"one\"} said", "[\"one\" he said]", "{", "[", "[]",
        "{}",    "\"one\": two", "[[one]]"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char expected[64];
        snprintf(expected, sizeof expected, "[%s]", texts[i]);
        struct corpus_counts counts = expect_contents(*state, "a.txt", texts[i], expected);
        assert_int_equal(counts.notes.json_by_content.count, 0);
    }
}

/* ---- what stands in a record ---- */

static void strings_are_unescaped(void **state)
{
    expect_contents(
        *state, "a.jsonl",
        "{\"\\u0074ext\": \"\\\"\\\\\\/\\b\\f\\t|\\u00e9\\u4e2d\\uD83D\\uDE00\\ud83d\\ude00\"}",
        "[\"\\/\b\f\t|\xC3\xA9\xE4\xB8\xAD\xF0\x9F\x98\x80\xF0\x9F\x98\x80]");
}

/* jansson would refuse all of these values. */
static void other_fields_may_have_any_value(void **state)
{
    static const char *const fields[] = {
        "NaN",
        "-Infinity",
        "Infinity",
        "1e999",
        "-0.0E-5",
        "true",
        "null",
        "[]",
        "{}",
        "[[], {}, [1, \"]\", {\"a\": [2, 3]}]]",
        "{\"x\": 1, \"x\": 2}",
        "\"a\\\"b\\\\\"",
        "\"\\ud83d\"",
        "\"\xFF\"",
        "{\"text\": 5}",
        "123456789012345678901234567890123456789012345678901234567890"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        char record[300];
        snprintf(record, sizeof record,
                 "{\"a\": %s, \"text\": \"one\", \"a\": %s}\n{\"text\":\"two\",\"b\":%s}",
                 fields[i], fields[i], fields[i]);
        struct corpus_counts counts = expect_contents(*state, "a.jsonl", record, "[one][two]");
        assert_int_equal(counts.invalid_utf8, 0);
        assert_int_equal(counts.notes.surrogates.count, 0);
    }
}

static void deep_nesting_and_long_numbers_are_skipped(void **state)
{
    enum { DEPTH = 300000 };
    struct error error = {0};
    struct buffer text = {0};
    assert_true(buffer_print(&text, &error, "{\"a\": "));
    for (int i = 0; i < DEPTH; i++)
        assert_true(buffer_append(&text, i % 3 ? "[" : "{\"k\":", i % 3 ? 1 : 5, &error));
    for (int i = 0; i < 400; i++)
        assert_true(buffer_append(&text, "9", 1, &error));
    for (int i = DEPTH - 1; i >= 0; i--)
        assert_true(buffer_append(&text, i % 3 ? "]" : "}", 1, &error));
    assert_true(buffer_print(&text, &error, ", \"text\": \"one\"}"));
    expect_contents(*state, "a.jsonl", text.data, "[one]");
    buffer_free(&text);
}

static void the_last_of_repeated_fields_counts(void **state)
{
    expect_contents(*state, "a.jsonl", "{\"text\": \"one\", \"text\": \"two\"}", "[two]");
    expect_contents(*state, "a.jsonl", "{\"text\": null, \"text\": \"two\"}", "[two]");
    expect_contents(*state, "a.jsonl", "{\"text\": \"one\", \"text\": null}", "");
    expect_error(scratch_write_text(*state, "a.jsonl", "{\"text\": \"one\", \"text\": 1}"), false,
                 ":1: the \"text\" field is a number, not a string");
}

static void records_without_text_are_counted(void **state)
{
    static const char empties[] = "{\"text\": \"one\"}\n{\"text\": null}\n{\"id\": 1, \"text\": "
                                  "\"\"}\n{\"text\": null, \"id\": 2}\n{\"text\": \"two\"}\n";
    struct scratch *scratch = *state;
    struct corpus_counts counts = expect_contents(scratch, "a.jsonl", empties, "[one][two]");
    char first[600];
    snprintf(first, sizeof first, "%s:2", scratch->path);
    assert_int_equal(counts.notes.empty_records.count, 3);
    assert_int_equal(counts.notes.null_records, 2);
    assert_string_equal(counts.notes.empty_records.first, first);
    expect_error(scratch->path, true, ":2: the \"text\" field is null, not a string");
    expect_contents(scratch, "a.json", "[{\"text\": null}, \"\", {\"text\": null}, \"one\"]",
                    "[one]");
    expect_contents(scratch, "a.json", "{\"text\": null}", "");
    expect_error(scratch_write_text(scratch, "a.jsonl", "{\"text\": nul}"), false,
                 ":1: malformed JSON: found '}' at byte 13, expected a value");
    /* A text of white space is not empty. */
    counts = expect_contents(scratch, "a.jsonl", "{\"text\": \" \"}", "");
    assert_int_equal(counts.notes.empty_records.count, 0);
}

/* "" is an ordinary document, like an empty text file. */
static void strict_accepts_an_empty_string(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    const char *path =
        scratch_write_text(scratch, "a.jsonl", "{\"text\": \"\"}\n{\"text\": \"one\"}\n");
    struct corpus_counts counts;
    struct buffer out = {0};
    if (!read_files(&path, 1, NO_LIMIT, true, &out, &counts, &error))
        fail_msg("%s", error.message);
    assert_string_equal(out.data, "[one]");
    assert_int_equal(counts.notes.empty_records.count, 1);
    buffer_free(&out);
}

static void lone_surrogates_are_replaced_and_counted(void **state)
{
    static const struct {
        const char *text, *expected;
        int count;
    } cases[] = {
        {"price \\ud83d fell", "price " REPLACEMENT " fell", 1},
        {"\\ude00\\ud83d", REPLACEMENT REPLACEMENT, 2},
        {"\\ud83d\\ud83d\\ude00", REPLACEMENT "\xF0\x9F\x98\x80", 1},
        {"\\ud83dx\\ude00", REPLACEMENT "x" REPLACEMENT, 2},
        {"\\ud83d\\n\\u0041", REPLACEMENT "\nA", 1},
        {"\\ud83d", REPLACEMENT, 1},
    };
    struct scratch *scratch = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char record[600], expected[100];
        snprintf(record, sizeof record, "{\"text\": \"\"}\n{\"text\": \"%s\"}\n", cases[i].text);
        snprintf(expected, sizeof expected, "[%s]", cases[i].expected);
        struct corpus_counts counts = expect_contents(scratch, "a.jsonl", record, expected);
        assert_int_equal(counts.notes.surrogates.count, cases[i].count);
        snprintf(record, sizeof record, "%s:2", scratch->path);
        assert_string_equal(counts.notes.surrogates.first, record);
        expect_error(scratch->path, true, ":2: the \"text\" field has a lone surrogate");
    }
}

/* ---- size ---- */

/* The record has 200,000 lines of 100 bytes: 20 MB, more than the reader holds. */
static void a_long_record_comes_in_parts(void **state)
{
    enum { LINES = 200000 };
    struct error error = {0};
    struct buffer text = {0}, expected = {0};
    assert_true(buffer_print(&text, &error, "{\"text\": \"") &&
                buffer_print(&expected, &error, "["));
    for (int i = 0; i < LINES; i++)
        assert_true(buffer_print(&text, &error, "%s%0100d", i ? "\\n" : "", i) &&
                    buffer_print(&expected, &error, "%s%0100d", i ? "\n" : "", i));
    assert_true(buffer_print(&text, &error, "\", \"id\": 1}\n{\"text\": \"two\"}") &&
                buffer_print(&expected, &error, "][two]"));
    struct corpus_counts counts = expect_contents(*state, "a.jsonl", text.data, expected.data);
    assert_int_equal(counts.documents, 2);
    assert_int_equal(counts.lines, LINES + 1);
    buffer_free(&text);
    buffer_free(&expected);
}

static void write_long_text(struct scratch *scratch, const char *rest)
{
    struct error error = {0};
    struct buffer text = {0};
    char *filling = malloc(JSON_TEXT_LIMIT);
    assert_non_null(filling);
    memset(filling, 'x', JSON_TEXT_LIMIT);
    assert_true(buffer_print(&text, &error, "\n{\"text\": \"a\\n") &&
                buffer_append(&text, filling, JSON_TEXT_LIMIT, &error) &&
                buffer_print(&text, &error, "%s", rest));
    scratch_write(scratch, "a.jsonl", text.data, text.size);
    free(filling);
    buffer_free(&text);
}

static void what_is_too_long_is_refused(void **state)
{
    struct scratch *scratch = *state;
    write_long_text(scratch, "xx\"}");
    expect_error(scratch->path, false,
                 ":2: a line of the \"text\" field is longer than 16 MiB; put line breaks into it");
    write_long_text(scratch, "\\n\", \"text\": \"b\"}");
    expect_error(scratch->path, false,
                 ":2: the \"text\" field is repeated after a text of more than 16 MiB");
}

/* ---- errors ---- */

static void malformed_records_are_named(void **state)
{
    static const struct {
        const char *record, *message;
    } cases[] = {
        {"{\"body\": \"x\", \"id\": 1}", ":2: this JSON object has no \"text\" field, only "
                                         "\"body\", \"id\"; name the field with the "
                                         "text: --text-field"},
        {"{}", ":2: this JSON object has no \"text\" field, nor any other; name the field "
               "with the text: --text-field"},
        {"{\"text\": 7}", ":2: the \"text\" field is a number, not a string"},
        {"{\"text\": NaN}", ":2: the \"text\" field is a number, not a string"},
        {"{\"text\": {\"0\": \"x\"}}", ":2: the \"text\" field is an object, not a string"},
        {"{\"text\": [\"x\"]}", ":2: the \"text\" field is an array, not a string"},
        {"{\"text\": true}", ":2: the \"text\" field is true or false, not a string"},
        {"[\"text\"]", ":2: found an array; expected a JSON object with a \"text\" field"},
        {"12", ":2: found a number; expected a JSON object with a \"text\" field"},
        {"null", ":2: found null; expected a JSON object with a \"text\" field"},
        {"plain text", ":2: malformed JSON: found 'p' at byte 1, expected an object"},
        {"{\"text\": \"x\"",
         ":2: malformed JSON: found the end of the file at line 3, byte 1, expected ',' or '}'"},
        {"{\"text\": \"x\" \"y\"}",
         ":2: malformed JSON: found '\"' at byte 14, expected ',' or '}'"},
        {"{\"text\": \"x\",}", ":2: malformed JSON: found '}' at byte 14, expected a key or '}'"},
        {"{text: 1}", ":2: malformed JSON: found 't' at byte 2, expected a key or '}'"},
        {"{\"text\" 1}", ":2: malformed JSON: found '1' at byte 9, expected ':'"},
        {"{\"text\": \"x\ty\"}",
         ":2: malformed JSON: found 0x09 at byte 12, expected the end of a string"},
        {"{\"text\": \"x\\q\"}",
         ":2: malformed JSON: found 'q' at byte 13, expected an escape of JSON"},
        {"{\"text\": \"\\u00g0\"}",
         ":2: malformed JSON: found 'g' at byte 15, expected a hexadecimal digit"},
        {"{\"a\": \"x\\q\"}",
         ":2: malformed JSON: found 'q' at byte 10, expected an escape of JSON"},
        {"{\"a\": }", ":2: malformed JSON: found '}' at byte 7, expected a value"},
        {"{\"a\": nil}", ":2: malformed JSON: found '}' at byte 10, expected a value"},
        {"{\"a\": -}", ":2: malformed JSON: found '}' at byte 8, expected a value"},
        {"{\"a\": [1 2]}", ":2: malformed JSON: found '2' at byte 10, expected ',' or ']'"},
        {"{\"a\": [1}", ":2: malformed JSON: found '}' at byte 9, expected ',' or ']'"},
        {"{\"a\": {\"b\": 1]}", ":2: malformed JSON: found ']' at byte 14, expected ',' or '}'"},
        {"{\"a\": {b: 1}}", ":2: malformed JSON: found 'b' at byte 8, expected a key"},
        {"{\"a\": \"b", ":2: malformed JSON: found 0x0A at byte 9, expected the end of a string"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char contents[200];
        snprintf(contents, sizeof contents, "{\"text\": \"good\"}\n%s\n", cases[i].record);
        expect_error(scratch_write_text(*state, "a.jsonl", contents), false, cases[i].message);
    }
}

static void malformed_arrays_are_named(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"[\"a\"] \"b\"", ":1: malformed JSON: found '\"' at byte 7, expected the end of the file"},
        {"[\"a\" \"b\"]", ":1: malformed JSON: found '\"' at byte 6, expected ',' or ']'"},
        {"[\"a\",\n]", ":2: malformed JSON: found ']' at byte 1, expected an object"},
        {"[\"a\"", ":1: malformed JSON: found the end of the file at byte 5, expected ',' or ']'"},
        {"[", ":1: malformed JSON: found the end of the file at byte 2, expected an object"},
        {"[[\"a\"]]", ":1: found an array; expected a JSON object with a \"text\" field"},
        {"[1, 2]", ":1: found a number; expected a JSON object with a \"text\" field"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_error(scratch_write_text(*state, "a.json", cases[i].text), false, cases[i].message);
}

/* Nothing of the file can be decompressed. */
static void a_damaged_beginning_is_an_error(void **state)
{
    expect_error(scratch_write_text(*state, "a.json", "[*M\x18nity}]"), false,
                 ": cannot read past line 1: the zstd data are cut off");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(every_usual_ending_is_json),
        SCRATCH_TEST(endings_of_compression_may_follow),
        SCRATCH_TEST(records_may_take_several_lines),
        SCRATCH_TEST(an_array_holds_objects_or_strings),
        SCRATCH_TEST(json_without_its_name_is_recognized),
        SCRATCH_TEST(text_with_brackets_stays_text),
        SCRATCH_TEST(strings_are_unescaped),
        SCRATCH_TEST(other_fields_may_have_any_value),
        SCRATCH_TEST(deep_nesting_and_long_numbers_are_skipped),
        SCRATCH_TEST(the_last_of_repeated_fields_counts),
        SCRATCH_TEST(records_without_text_are_counted),
        SCRATCH_TEST(strict_accepts_an_empty_string),
        SCRATCH_TEST(lone_surrogates_are_replaced_and_counted),
        SCRATCH_TEST(a_long_record_comes_in_parts),
        SCRATCH_TEST(what_is_too_long_is_refused),
        SCRATCH_TEST(malformed_records_are_named),
        SCRATCH_TEST(malformed_arrays_are_named),
        SCRATCH_TEST(a_damaged_beginning_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
