#include "data/corpus.h"

#include "base/buffer.h"
#include "data/line_reader.h"
#include "support/compressed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { NO_LIMIT = 1 << 30 };

/* ---- support ---- */

/* Reads everything into one text: "[" begins a document, "]" ends it, "|" stands between pieces. */
static bool read_pieces(struct corpus_reader *reader, size_t limit, struct buffer *out,
                        struct error *error)
{
    for (;;) {
        struct corpus_piece piece = {0};
        bool end;
        if (!corpus_reader_next(reader, limit, &piece, &end, error))
            return false;
        if (end)
            return true;
        assert_true(buffer_append(out, piece.begins_document ? "[" : "|", 1, error));
        assert_true(buffer_append(out, piece.text, piece.size, error));
        if (piece.ends_document)
            assert_true(buffer_append(out, "]", 1, error));
    }
}

static bool read_files(const char *const *patterns, size_t count, size_t limit, bool strict,
                       struct buffer *out, struct corpus_counts *counts, struct error *error)
{
    struct corpus_files files;
    if (!corpus_files_expand(&files, patterns, count, error))
        return false;
    struct corpus_reader *reader = corpus_reader_open(&files, strict, error);
    assert_non_null(reader);
    bool done = read_pieces(reader, limit, out, error);
    *counts = *corpus_reader_counts(reader);
    corpus_reader_close(reader);
    corpus_files_free(&files);
    return done;
}

static void expect_text(const char *path, size_t limit, const char *expected)
{
    struct error error = {0};
    struct corpus_counts counts;
    struct buffer out = {0};
    if (!read_files(&path, 1, limit, false, &out, &counts, &error))
        fail_msg("%s", error.message);
    assert_string_equal(out.data ? out.data : "", expected);
    buffer_free(&out);
}

/* The message behind the path, which must be its beginning. */
static void expect_error(const char *path, bool strict, const char *message)
{
    struct error error = {0};
    struct corpus_counts counts;
    struct buffer out = {0};
    assert_false(read_files(&path, 1, NO_LIMIT, strict, &out, &counts, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_memory_equal(error.message, path, strlen(path));
    assert_string_equal(error.message + strlen(path), message);
    buffer_free(&out);
}

static void expect_contents(struct scratch *scratch, const char *name, const char *contents,
                            const char *expected)
{
    expect_text(scratch_write_text(scratch, name, contents), NO_LIMIT, expected);
}

/* ---- plain text ---- */

static void blank_lines_separate_documents(void **state)
{
    expect_contents(*state, "a", "one\ntwo\n\nthree\n", "[one\ntwo][three]");
    expect_contents(*state, "a", "one\n \t\v\f\n\n\nthree\n\n", "[one][three]");
    expect_contents(*state, "a", "\n\n\none", "[one]");
    expect_contents(*state, "a", " one \n", "[ one ]");
}

static void a_text_without_documents_gives_none(void **state)
{
    expect_contents(*state, "a", "", "");
    expect_contents(*state, "a", "\n", "");
    expect_contents(*state, "a", " \n\n\t", "");
    expect_contents(*state, "a", "\xEF\xBB\xBF", "");
}

static void both_line_ends_are_accepted(void **state)
{
    expect_contents(*state, "a", "one\r\ntwo\r\n\r\nthree\r", "[one\ntwo][three]");
    expect_contents(*state, "a", "o\rne\n", "[o\rne]");
}

static void the_byte_order_mark_is_dropped_at_the_beginning(void **state)
{
    expect_contents(*state, "a", "\xEF\xBB\xBFone\n\xEF\xBB\xBFtwo\n", "[one\n\xEF\xBB\xBFtwo]");
    expect_contents(*state, "a", "\xEF\xBB\xBF\none\n", "[one]");
}

static void zero_bytes_pass(void **state)
{
    struct error error = {0};
    const char *path = scratch_write(*state, "a", "o\0ne\n\0\n", 7);
    struct corpus_counts counts;
    struct buffer out = {0};
    assert_true(read_files(&path, 1, NO_LIMIT, true, &out, &counts, &error));
    assert_int_equal(out.size, 8);
    assert_memory_equal(out.data, "[o\0ne\n\0]", 8);
    buffer_free(&out);
}

static void a_file_ends_its_document(void **state)
{
    struct scratch *scratch = *state;
    scratch_write_text(scratch, "1.txt", "one");
    scratch_write_text(scratch, "2.txt", "");
    scratch_write_text(scratch, "3.txt", "\xEF\xBB\xBFtwo\n");
    expect_text(scratch_path(scratch, "*.txt"), NO_LIMIT, "[one][two]");
}

static void long_documents_come_in_pieces(void **state)
{
    struct scratch *scratch = *state;
    const char *path = scratch_write_text(scratch, "a", "aa\nbb\ncc\n\ndddddddd\ne\n\nff\ngg\n");
    expect_text(path, 5, "[aa\nbb|cc][dddddddd|e][ff\ngg]");
    expect_text(path, 4, "[aa|bb|cc][dddddddd|e][ff|gg]");
    expect_text(path, 1, "[aa|bb|cc][dddddddd|e][ff|gg]");
    path = scratch_write_text(scratch, "a.jsonl", "{\"text\": \"aa\\nbb\\n\\ncc\\n\\n\"}\n");
    expect_text(path, 5, "[aa\nbb|cc]");
}

static void lines_longer_than_a_block_are_whole(void **state)
{
    enum { SIZE = 3 << 20 };
    char *text = calloc(1, SIZE + 3);
    assert_non_null(text);
    memset(text + 1, 'x', SIZE);
    text[0] = '[';
    text[SIZE + 1] = ']';
    struct scratch *scratch = *state;
    expect_text(scratch_write(scratch, "a", text + 1, SIZE), NO_LIMIT, text);
    free(text);
}

static void too_long_lines_are_refused(void **state)
{
    struct scratch *scratch = *state;
    FILE *file = fopen(scratch_path(scratch, "a"), "wb");
    assert_non_null(file);
    fputs("one\n", file);
    for (int i = 0; i <= LINE_LIMIT; i++)
        putc('x', file);
    assert_int_equal(fclose(file), 0);
    expect_error(scratch->path, false, ":2: the line is longer than 16 MiB");
}

static void utf16_is_refused(void **state)
{
    expect_error(scratch_write(*state, "a",
                               "\xFF\xFE"
                               "a\0\n\0",
                               6),
                 false, ": begins as UTF-16 text; expected UTF-8");
    expect_error(scratch_write(*state, "a", "\xFE\xFF\0a\0\n", 6), false,
                 ": begins as UTF-16 text; expected UTF-8");
}

static void counts_what_it_reads(void **state)
{
    struct error error = {0};
    const char *path = scratch_write_text(*state, "a", "one\ntwo\n\nthree\n\n");
    struct corpus_counts counts;
    struct buffer out = {0};
    assert_true(read_files(&path, 1, NO_LIMIT, true, &out, &counts, &error));
    assert_int_equal(counts.bytes, 16);
    assert_int_equal(counts.lines, 5);
    assert_int_equal(counts.documents, 2);
    assert_int_equal(counts.invalid_utf8, 0);
    assert_string_equal(counts.first_invalid, "");
    buffer_free(&out);
}

/* ---- invalid UTF-8 ---- */

#define REPLACEMENT "\xEF\xBF\xBD"

/* One U+FFFD per maximal ill-formed subpart, as table 3-11 of Unicode 15 has it. */
static void invalid_utf8_is_replaced_and_counted(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    struct corpus_counts counts;
    struct buffer out = {0};
    const char *path = scratch_write_text(
        scratch, "a", "good\nb\xFF\xE2\x80z\xC0\xAF\n\n" REPLACEMENT "\n\xE2\x80");
    assert_true(read_files(&path, 1, NO_LIMIT, false, &out, &counts, &error));
    assert_string_equal(out.data, "[good\nb" REPLACEMENT REPLACEMENT "z" REPLACEMENT REPLACEMENT
                                  "][" REPLACEMENT "\n" REPLACEMENT "]");
    assert_int_equal(counts.invalid_utf8, 5);
    char place[600];
    snprintf(place, sizeof place, "%s:2", path);
    assert_string_equal(counts.first_invalid, place);
    buffer_free(&out);
}

static void strict_refuses_invalid_utf8(void **state)
{
    expect_error(scratch_write_text(*state, "a", "good\n\nbad \xE2\x80\n"), true,
                 ":3: invalid UTF-8 at byte 5 of the line: 0xE2");
}

static void a_long_path_is_cut_at_its_beginning(void **state)
{
    struct scratch *scratch = *state;
    char name[260];
    memset(name, 'n', 250);
    strcpy(name + 250, "-end");
    struct error error = {0};
    struct corpus_counts counts;
    struct buffer out = {0};
    const char *path = scratch_write_text(scratch, name, "\xFF\n");
    assert_true(read_files(&path, 1, NO_LIMIT, false, &out, &counts, &error));
    assert_memory_equal(counts.first_invalid, "...nnn", 6);
    assert_string_equal(counts.first_invalid + strlen(counts.first_invalid) - 8, "nn-end:1");
    buffer_free(&out);
}

/* ---- JSON lines ---- */

static void a_record_is_a_document(void **state)
{
    expect_contents(*state, "a.jsonl",
                    "{\"text\": \"one\\ntwo\\r\\n\\n \\nthree\"}\n"
                    "\n"
                    "{\"id\": 123456789012345678901234567890, \"text\": \"four \\u00e9\"}",
                    "[one\ntwo\nthree][four \xC3\xA9]");
    expect_contents(*state, "a.jsonl",
                    "{\"text\": \"\"}\n{\"text\": \" \\n\\n\"}\n{\"text\": \"x\"}\n", "[x]");
}

static void invalid_utf8_in_a_record_is_replaced(void **state)
{
    expect_contents(*state, "a.jsonl", "{\"text\": \"a\xFFz\"}\n", "[a" REPLACEMENT "z]");
    expect_error(scratch_write_text(*state, "a.jsonl", "{\"text\": \"a\xFFz\"}\n"), true,
                 ":1: invalid UTF-8 at byte 12 of the line: 0xFF");
}

static void malformed_records_are_named(void **state)
{
    struct scratch *scratch = *state;
    const struct {
        const char *record, *message;
    } cases[] = {
        {"{\"body\": \"x\"}", ":2: the record has no \"text\""},
        {"{\"text\": 7}", ":2: \"text\" is no string"},
        {"{\"text\": null}", ":2: \"text\" is no string"},
        {"[\"text\"]", ":2: no object; expected one with a string under \"text\""},
        {"{\"text\": \"x\"", ":2: malformed JSON: '}' expected near end of file"},
        {"{\"text\": \"x\", \"text\": \"y\"}",
         ":2: malformed JSON: duplicate object key near '\"text\"'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char contents[200];
        snprintf(contents, sizeof contents, "{\"text\": \"good\"}\n%s\n", cases[i].record);
        expect_error(scratch_write_text(scratch, "a.jsonl", contents), false, cases[i].message);
    }
}

/* ---- compression ---- */

/* Text that does not compress well: 300 KB of base-64-like characters in lines. */
static char *noise(size_t size)
{
    char *text = calloc(1, size + 1);
    assert_non_null(text);
    unsigned state = 1;
    for (size_t i = 0; i < size; i++) {
        state = state * 1664525u + 1013904223u;
        text[i] = i % 80 == 79 ? '\n' : (char)('0' + (state >> 26));
    }
    return text;
}

static void compressed_files_are_read_by_their_contents(void **state)
{
    for (int i = 0; i < 4; i++) {
        const char *path = write_compressed(*state, "plain.txt", i, "one\n\ntwo\n", 9);
        expect_text(path, NO_LIMIT, "[one][two]");
        path = write_compressed(*state, "empty.txt", i, "", 0);
        expect_text(path, NO_LIMIT, "");
    }
}

static void compressed_records_are_recognized_by_name(void **state)
{
    for (int i = 0; i < 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "a.jsonl.%s", compression_endings[i]);
        const char *path = write_compressed(*state, name, i, "{\"text\": \"one\"}\n", 16);
        expect_text(path, NO_LIMIT, "[one]");
    }
}

static void a_file_of_several_compressed_members_is_read_to_its_end(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    for (int i = 0; i < 4; i++) {
        struct buffer whole = {0};
        for (int part = 0; part < 3; part++) {
            const char *text = part == 0 ? "one\n" : part == 1 ? "two\n" : "three\n";
            const char *path = write_compressed(scratch, "part", i, text, strlen(text));
            FILE *file = fopen(path, "rb");
            assert_non_null(file);
            char bytes[1000];
            size_t size = fread(bytes, 1, sizeof bytes, file);
            fclose(file);
            assert_true(buffer_append(&whole, bytes, size, &error));
        }
        expect_text(scratch_write(scratch, "whole", whole.data, whole.size), NO_LIMIT,
                    "[one\ntwo\nthree]");
        buffer_free(&whole);
    }
}

static void a_cut_compressed_file_is_an_error(void **state)
{
    enum { SIZE = 300000 };
    struct scratch *scratch = *state;
    char *text = noise(SIZE);
    for (int i = 0; i < 4; i++) {
        const char *path = write_compressed(scratch, "cut", i, text, SIZE);
        struct stat status;
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(truncate(path, status.st_size / 2), 0);
        struct error error = {0};
        struct corpus_counts counts;
        struct buffer out = {0};
        assert_false(read_files(&path, 1, NO_LIMIT, false, &out, &counts, &error));
        assert_int_equal(error.kind, ERROR_INPUT);
        assert_memory_equal(error.message, path, strlen(path));
        assert_non_null(strstr(error.message, ": cannot read past line "));
        buffer_free(&out);
    }
    free(text);
}

/* ---- lists of files ---- */

static void patterns_are_expanded_in_order(void **state)
{
    struct scratch *scratch = *state;
    const char *const names[] = {"b10.txt", "b9.txt", "a.txt", "B.txt"};
    for (int i = 0; i < 4; i++)
        scratch_write_text(scratch, names[i], names[i]);
    char first[200], second[200];
    snprintf(first, sizeof first, "%s/b*.txt", scratch->directory);
    snprintf(second, sizeof second, "%s/[aB].txt", scratch->directory);
    const char *const patterns[] = {first, second};
    struct error error = {0};
    struct corpus_files files;
    assert_true(corpus_files_expand(&files, patterns, 2, &error));
    assert_int_equal(files.count, 4);
    const char *const expected[] = {"b10.txt", "b9.txt", "B.txt", "a.txt"};
    for (int i = 0; i < 4; i++)
        assert_string_equal(files.paths[i], scratch_path(scratch, expected[i]));
    corpus_files_free(&files);
}

static void a_name_that_exists_is_no_pattern(void **state)
{
    expect_contents(*state, "what[1]?.txt", "one\n", "[one]");
}

static void unusable_files_are_named(void **state)
{
    struct scratch *scratch = *state;
    expect_error(scratch_path(scratch, "missing"), false,
                 ": cannot read: No such file or directory");
    expect_error(scratch_path(scratch, "*.missing"), false, ": no file matches");
    assert_int_equal(mkfifo(scratch_path(scratch, "fifo"), 0600), 0);
    expect_error(
        scratch->path, false,
        ": is a FIFO, a socket or a device; expected a regular file, which can be read again");
    expect_error(scratch->directory, false, ": is a directory; expected a file");
}

static void a_file_given_twice_is_refused(void **state)
{
    struct scratch *scratch = *state;
    char pattern[200];
    snprintf(pattern, sizeof pattern, "%s/*.txt", scratch->directory);
    const char *path = scratch_write_text(scratch, "a.txt", "one");
    const char *const patterns[] = {pattern, path};
    struct error error = {0};
    struct corpus_files files;
    assert_false(corpus_files_expand(&files, patterns, 2, &error));
    assert_non_null(strstr(error.message, "a.txt: is given twice"));
    assert_int_equal(files.count, 0);
    assert_null(files.paths);
}

/* A file may change its kind between the expansion and its turn. */
static void the_line_reader_refuses_what_is_no_file(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    assert_null(line_reader_open(scratch->directory, &error));
    assert_non_null(strstr(error.message, ": is a directory; expected a file"));
    assert_int_equal(mkfifo(scratch_path(scratch, "fifo"), 0600), 0);
    assert_null(line_reader_open(scratch->path, &error));
    assert_non_null(strstr(
        error.message,
        ": is a FIFO, a socket or a device; expected a regular file, which can be read again"));
    assert_null(line_reader_open(scratch_path(scratch, "missing"), &error));
    assert_non_null(strstr(error.message, ": cannot open: No such file or directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(blank_lines_separate_documents),
        SCRATCH_TEST(a_text_without_documents_gives_none),
        SCRATCH_TEST(both_line_ends_are_accepted),
        SCRATCH_TEST(the_byte_order_mark_is_dropped_at_the_beginning),
        SCRATCH_TEST(zero_bytes_pass),
        SCRATCH_TEST(a_file_ends_its_document),
        SCRATCH_TEST(long_documents_come_in_pieces),
        SCRATCH_TEST(lines_longer_than_a_block_are_whole),
        SCRATCH_TEST(too_long_lines_are_refused),
        SCRATCH_TEST(utf16_is_refused),
        SCRATCH_TEST(counts_what_it_reads),
        SCRATCH_TEST(invalid_utf8_is_replaced_and_counted),
        SCRATCH_TEST(strict_refuses_invalid_utf8),
        SCRATCH_TEST(a_long_path_is_cut_at_its_beginning),
        SCRATCH_TEST(a_record_is_a_document),
        SCRATCH_TEST(invalid_utf8_in_a_record_is_replaced),
        SCRATCH_TEST(malformed_records_are_named),
        SCRATCH_TEST(compressed_files_are_read_by_their_contents),
        SCRATCH_TEST(compressed_records_are_recognized_by_name),
        SCRATCH_TEST(a_file_of_several_compressed_members_is_read_to_its_end),
        SCRATCH_TEST(a_cut_compressed_file_is_an_error),
        SCRATCH_TEST(patterns_are_expanded_in_order),
        SCRATCH_TEST(a_name_that_exists_is_no_pattern),
        SCRATCH_TEST(unusable_files_are_named),
        SCRATCH_TEST(a_file_given_twice_is_refused),
        SCRATCH_TEST(the_line_reader_refuses_what_is_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
