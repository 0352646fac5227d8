#include "data/corpus.h"

#include "base/buffer.h"
#include "data/byte_source.h"
#include "data/line_reader.h"
#include "support/compressed.h"
#include "support/corpus_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- plain text ---- */

static void blank_lines_separate_documents(void **state)
{
    expect_contents(*state, "a", "one\ntwo\n\nthree\n", "[one\ntwo][three]");
    expect_contents(*state, "a", "one\n \t\v\f\n\n\nthree\n\n", "[one][three]");
    expect_contents(*state, "a", "\n\n\none", "[one]");
    expect_contents(*state, "a", " one \n", "[ one ]");
}

/* A line is blank if Python's str.strip() leaves nothing of it, as in the original program of
 * BERT. */
static void blank_lines_of_unicode_separate_documents(void **state)
{
    static const char *const spaces[] = {
        "\x1C",         "\x1D",         "\x1E",         "\x1F",
        "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80",
        "\xE2\x80\x83", "\xE2\x80\x8A", "\xE2\x80\xA8", "\xE2\x80\xA9",
        "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80", " \xE3\x80\x80\t\xC2\xA0\r",
    };
    for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) {
        char text[64];
        snprintf(text, sizeof text, "one\n%s\ntwo\n", spaces[i]);
        expect_contents(*state, "a", text, "[one][two]");
    }
}

/* To Python, U+200B, U+FEFF, U+180E and control characters are not white space. */
static void other_invisible_lines_are_not_blank(void **state)
{
    static const char *const lines[] = {"\xE2\x80\x8B", "\xEF\xBB\xBF", "\xE1\xA0\x8E", "\x1B",
                                        "\x7F",         "\xE2\x80\x8C", "\xE2\x81\xA0"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[64], expected[64];
        snprintf(text, sizeof text, "one\n%s\ntwo\n", lines[i]);
        snprintf(expected, sizeof expected, "[one\n%s\ntwo]", lines[i]);
        expect_contents(*state, "a", text, expected);
    }
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

/* A Mac wrote such lines before 2001. In a file with an LF, a CR is white space. */
static void lone_cr_ends_lines_where_there_is_no_lf(void **state)
{
    expect_contents(*state, "a", "one\rtwo\r\rthree\r", "[one\ntwo][three]");
    expect_contents(*state, "a", "\xEF\xBB\xBFone\r\rtwo", "[one][two]");
    expect_contents(*state, "a", "one\rtwo\n\nthree\r", "[one\rtwo][three]");
}

/* Reads a file whose first LF comes `size` bytes after a lone CR, after the bytes by which the file
 * is recognized. */
static void check_late_lf(struct scratch *scratch, size_t size, const char *end,
                          const char *expected_end)
{
    struct buffer text = {0}, expected = {0};
    struct error error = {0};
    assert_true(buffer_print(&text, &error, "x\r"));
    assert_true(buffer_print(&expected, &error, "[x\n"));
    for (size_t i = 0; i < size; i++)
        assert_true(buffer_append(&text, "y", 1, &error) &&
                    buffer_append(&expected, "y", 1, &error));
    assert_true(buffer_print(&text, &error, "%s", end));
    assert_true(buffer_print(&expected, &error, "%s", expected_end));
    struct corpus_counts counts = expect_contents(scratch, "a", text.data, expected.data);
    assert_int_equal(counts.notes.lone_cr.count, 1);
    assert_string_equal(counts.notes.lone_cr.first, scratch->path);
    buffer_free(&text);
    buffer_free(&expected);
}

static void cr_ends_lines_only_up_to_the_first_lf(void **state)
{
    enum { SIZE = 80 << 10, BLOCK = 256 << 10 };
    check_late_lf(*state, SIZE, "\n\nSecond\ntwo\n\nThi\rrd\n", "][Second\ntwo][Thi\rrd]");
    check_late_lf(*state, SIZE, "\r\nz\r\n\r\nSecond\r\n", "\nz][Second]");
    check_late_lf(*state, SIZE, "\rz\r\rSecond\r", "\nz][Second]");
    /* Sizes at which CR and LF are in two blocks, or in one of them. */
    for (size_t size = BLOCK - 4; size < BLOCK + 2; size++) {
        check_late_lf(*state, size, "\r\nz\n\nSecond", "\nz][Second]");
        check_late_lf(*state, size, "\r\rSecond", "][Second]");
        check_late_lf(*state, size, "\r", "]");
    }
    struct corpus_counts counts =
        expect_contents(*state, "a", "one\rtwo\nthree", "[one\rtwo\nthree]");
    assert_int_equal(counts.notes.lone_cr.count, 0);
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
    expect_error(scratch->path, false,
                 ":2: the line is longer than 16 MiB; break it into shorter ones: fold -s -w "
                 "100000 IN > OUT");
}

/* The line has 16 MiB and 6 bytes, and one CR, NEL or U+2028. */
static void too_long_lines_are_split_at_other_line_ends(void **state)
{
    static const char *const ends[] = {"\r",       "\v",           "\f",
                                       "\xC2\x85", "\xE2\x80\xA8", "\xE2\x80\xA9"};
    struct scratch *scratch = *state;
    struct buffer text = {0}, expected = {0};
    struct error error = {0};
    char *filling = malloc(LINE_LIMIT - 10);
    assert_non_null(filling);
    memset(filling, 'x', LINE_LIMIT - 10);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        text.size = expected.size = 0;
        assert_true(buffer_append(&text, filling, LINE_LIMIT - 10, &error) &&
                    buffer_print(&text, &error, "%srest of the line\n\nb\xFF\n", ends[i]));
        const char *path = scratch_write(scratch, "a", text.data, text.size);
        bool cr = *ends[i] == '\r';
        assert_true(buffer_print(&expected, &error, "[") &&
                    buffer_append(&expected, filling, LINE_LIMIT - 10, &error) &&
                    buffer_print(&expected, &error, "%s\nrest of the line][b\xEF\xBF\xBD]",
                                 cr ? "" : ends[i]));
        struct corpus_counts counts;
        struct buffer out = {0};
        assert_true(read_files(&path, 1, NO_LIMIT, false, &out, &counts, &error));
        assert_int_equal(out.size, expected.size);
        assert_memory_equal(out.data, expected.data, out.size);
        char place[600];
        snprintf(place, sizeof place, "%s:3", path);
        assert_string_equal(counts.first_invalid, place);
        buffer_free(&out);
    }
    free(filling);
    buffer_free(&text);
    buffer_free(&expected);
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

/* Each maximal ill-formed subpart becomes one U+FFFD, as in table 3-11 of Unicode 15. */
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
                 ":1: invalid UTF-8 at byte 2 of the line: 0xFF");
}

/* ---- compression ---- */

/* Returns text that does not compress well: 300 KB of base-64-like characters in lines. */
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
    for (int i = 0; i < COMPRESSIONS; i++) {
        const char *path = write_compressed(*state, "plain.txt", i, "one\n\ntwo\n", 9);
        expect_text(path, NO_LIMIT, "[one][two]");
        path = write_compressed(*state, "empty.txt", i, "", 0);
        expect_text(path, NO_LIMIT, "");
    }
}

static void compressed_records_are_recognized_by_name(void **state)
{
    for (int i = 0; i < COMPRESSIONS; i++) {
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
    for (int i = 0; i < COMPRESSIONS; i++) {
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
    for (int i = 0; i < COMPRESSIONS; i++) {
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
        assert_non_null(strstr(error.message, ": cannot read "));
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

/* The configuration escapes its own directory, whose name is not part of a pattern. */
static void an_escaped_directory_is_literal(void **state)
{
    static const struct {
        const char *name, *escaped;
    } directories[] = {
        {"a]b", "a\\]b"}, {"c\\d", "c\\\\d"}, {"[my] runs", "\\[my\\] runs"}, {"w*?", "w\\*\\?"}};
    static const char *const names[] = {"a.txt", "wiki[2020].txt", "*.txt", "w\\x.txt", "w?ki*"};
    struct scratch *scratch = *state;
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        char path[200];
        assert_int_equal(mkdir(scratch_path(scratch, directories[i].name), 0700), 0);
        for (int n = 0; n < 4; n++) {
            snprintf(path, sizeof path, "%s/%s", directories[i].name, n == 2 ? "b.txt" : names[n]);
            scratch_write_text(scratch, path, names[n]);
        }
        for (int n = 0; n < 5; n++) {
            snprintf(path, sizeof path, "%s/%s", directories[i].escaped, names[n]);
            expect_text(scratch_path(scratch, path), NO_LIMIT,
                        n == 0   ? "[a.txt]"
                        : n == 1 ? "[wiki[2020].txt]"
                        : n == 2 ? "[a.txt][*.txt][w\\x.txt][wiki[2020].txt]"
                        : n == 3 ? "[w\\x.txt]"
                                 : "[wiki[2020].txt]");
        }
        snprintf(path, sizeof path, "%s/*.txt", directories[i].name);
        expect_text(scratch_path(scratch, path), NO_LIMIT,
                    "[a.txt][*.txt][w\\x.txt][wiki[2020].txt]");
    }
}

/* The message has the name without the escapes, as the user typed it. */
static void a_missing_file_of_an_escaped_directory_is_named(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    struct corpus_files files;
    assert_int_equal(mkdir(scratch_path(scratch, "a]b"), 0700), 0);
    const char *const names[] = {"a\\]b/none.txt", "a\\]b/none*.txt"};
    const char *const messages[] = {"/a]b/none.txt: cannot read: No such file or directory",
                                    "/a]b/none*.txt: no file matches"};
    for (int i = 0; i < 2; i++) {
        const char *path = scratch_path(scratch, names[i]);
        error = (struct error){0};
        assert_false(corpus_files_expand(&files, &path, 1, &error));
        assert_non_null(strstr(error.message, messages[i]));
    }
}

static void unusable_files_are_named(void **state)
{
    struct scratch *scratch = *state;
    expect_error(scratch_path(scratch, "missing"), false,
                 ": cannot read: No such file or directory");
    expect_error(scratch_path(scratch, "*.missing"), false, ": no file matches");
    assert_int_equal(mkfifo(scratch_path(scratch, "fifo"), 0600), 0);
    expect_error(scratch->path, false,
                 ": is a FIFO; expected a regular file, because it is read more than once");
    char message[300];
    snprintf(message, sizeof message,
             ": is a directory; expected a file, or %s/* for all of its files", scratch->directory);
    expect_error(scratch->directory, false, message);
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

static void expect_given_twice(const char *a, const char *b, const char *first, const char *second)
{
    const char *const patterns[] = {a, b};
    char message[700];
    struct error error = {0};
    struct corpus_files files;
    snprintf(message, sizeof message, "%s: is given twice, also as %s; leave one out", first,
             second);
    assert_false(corpus_files_expand(&files, patterns, 2, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_string_equal(error.message, message);
    assert_int_equal(files.count, 0);
}

static void a_file_given_twice_by_two_names_is_refused(void **state)
{
    struct scratch *scratch = *state;
    char a[300], link_path[300], hard[300], dotted[300], other[300];
    snprintf(a, sizeof a, "%s", scratch_write_text(scratch, "a.txt", "one"));
    snprintf(link_path, sizeof link_path, "%s", scratch_path(scratch, "link"));
    snprintf(hard, sizeof hard, "%s", scratch_path(scratch, "hard"));
    snprintf(dotted, sizeof dotted, "%s/./a.txt", scratch->directory);
    snprintf(other, sizeof other, "%s", scratch_write_text(scratch, "b.txt", "one"));
    assert_int_equal(symlink("a.txt", link_path), 0);
    assert_int_equal(link(a, hard), 0);
    expect_given_twice(a, link_path, a, link_path);
    expect_given_twice(link_path, a, a, link_path);
    expect_given_twice(a, hard, a, hard);
    expect_given_twice(a, dotted, dotted, a);
    const char *const distinct[] = {link_path, other};
    struct error error = {0};
    struct corpus_files files;
    assert_true(corpus_files_expand(&files, distinct, 2, &error));
    assert_int_equal(files.count, 2);
    assert_string_equal(files.paths[0], link_path);
    corpus_files_free(&files);
}

/* The kind of a file may change between the expansion of the patterns and its opening. */
static void a_source_refuses_what_is_no_file(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    assert_null(byte_source_open(scratch->directory, &error));
    assert_non_null(strstr(error.message, ": is a directory; expected a file"));
    assert_int_equal(mkfifo(scratch_path(scratch, "fifo"), 0600), 0);
    assert_null(byte_source_open(scratch->path, &error));
    assert_non_null(strstr(error.message, ": is a FIFO; expected a regular file"));
    assert_null(byte_source_open(scratch_path(scratch, "missing"), &error));
    assert_non_null(strstr(error.message, ": cannot open: No such file or directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(blank_lines_separate_documents),
        SCRATCH_TEST(blank_lines_of_unicode_separate_documents),
        SCRATCH_TEST(other_invisible_lines_are_not_blank),
        SCRATCH_TEST(a_text_without_documents_gives_none),
        SCRATCH_TEST(both_line_ends_are_accepted),
        SCRATCH_TEST(lone_cr_ends_lines_where_there_is_no_lf),
        SCRATCH_TEST(cr_ends_lines_only_up_to_the_first_lf),
        SCRATCH_TEST(the_byte_order_mark_is_dropped_at_the_beginning),
        SCRATCH_TEST(zero_bytes_pass),
        SCRATCH_TEST(a_file_ends_its_document),
        SCRATCH_TEST(long_documents_come_in_pieces),
        SCRATCH_TEST(lines_longer_than_a_block_are_whole),
        SCRATCH_TEST(too_long_lines_are_refused),
        SCRATCH_TEST(too_long_lines_are_split_at_other_line_ends),
        SCRATCH_TEST(counts_what_it_reads),
        SCRATCH_TEST(invalid_utf8_is_replaced_and_counted),
        SCRATCH_TEST(strict_refuses_invalid_utf8),
        SCRATCH_TEST(a_long_path_is_cut_at_its_beginning),
        SCRATCH_TEST(a_record_is_a_document),
        SCRATCH_TEST(invalid_utf8_in_a_record_is_replaced),
        SCRATCH_TEST(compressed_files_are_read_by_their_contents),
        SCRATCH_TEST(compressed_records_are_recognized_by_name),
        SCRATCH_TEST(a_file_of_several_compressed_members_is_read_to_its_end),
        SCRATCH_TEST(a_cut_compressed_file_is_an_error),
        SCRATCH_TEST(patterns_are_expanded_in_order),
        SCRATCH_TEST(a_name_that_exists_is_no_pattern),
        SCRATCH_TEST(an_escaped_directory_is_literal),
        SCRATCH_TEST(a_missing_file_of_an_escaped_directory_is_named),
        SCRATCH_TEST(unusable_files_are_named),
        SCRATCH_TEST(a_file_given_twice_is_refused),
        SCRATCH_TEST(a_file_given_twice_by_two_names_is_refused),
        SCRATCH_TEST(a_source_refuses_what_is_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
