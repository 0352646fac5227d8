/* Tests archives: data/text_file.h and data/tar_reader.h. */
#include "data/text_file.h"

#include "support/compressed.h"
#include "support/contents.h"
#include "support/corpus_text.h"

#include <archive.h>
#include <archive_entry.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct member {
    const char *name, *data;
    size_t size;
    mode_t type;
};

#define FILE_MEMBER(name, data)                                                                    \
    {                                                                                              \
        name, data, sizeof data - 1, AE_IFREG                                                      \
    }

/* A directory, a text, an empty text, JSON, metadata of macOS, an image, a link. */
static const struct member members[] = {
    {"d", "", 0, AE_IFDIR},
    FILE_MEMBER("d/a.txt", "one\n\ntwo"),
    FILE_MEMBER("d/._a.txt", "\0\5\x16\7"),
    FILE_MEMBER("d/b.jsonl", "{\"text\": \"three\"}\n"),
    FILE_MEMBER("d/empty.txt", ""),
    FILE_MEMBER("d/p.png", "\x89PNG\r\n\x1A\n"),
    {"d/link", "a.txt", 0, AE_IFLNK},
    FILE_MEMBER("d/noname", "\xEF\xBB\xBF"
                            "four\r\n"),
};

enum { MEMBERS = sizeof members / sizeof *members };
static const char members_text[] = "[one][two][three][four]";

static const char *write_tar(struct scratch *scratch, const char *name, const char *filter,
                             const char *format, const struct member *list, size_t count)
{
    struct archive *archive = archive_write_new();
    assert_int_equal(archive_write_set_format_by_name(archive, format), ARCHIVE_OK);
    if (filter)
        assert_int_equal(archive_write_add_filter_by_name(archive, filter), ARCHIVE_OK);
    archive_write_set_bytes_in_last_block(archive, 1);
    assert_int_equal(archive_write_open_filename(archive, scratch_path(scratch, name)), ARCHIVE_OK);
    for (size_t i = 0; i < count; i++) {
        struct archive_entry *entry = archive_entry_new();
        archive_entry_set_pathname(entry, list[i].name);
        archive_entry_set_filetype(entry, list[i].type);
        archive_entry_set_perm(entry, 0600);
        archive_entry_set_size(entry, (la_int64_t)list[i].size);
        if (list[i].type == AE_IFLNK)
            archive_entry_set_symlink(entry, list[i].data);
        assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
        assert_int_equal(archive_write_data(archive, list[i].data, list[i].size), list[i].size);
        archive_entry_free(entry);
    }
    assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
    archive_write_free(archive);
    return scratch->path;
}

static void members_of_an_archive_are_files_of_text(void **state)
{
    static const char *const names[] = {"a.tar", "a.TAR", "a", "a.txt"};
    static const char *const formats[] = {"ustar", "pax", "gnutar", "v7tar"};
    struct scratch *scratch = *state;
    for (int i = 0; i < 4; i++)
        for (int f = 0; f < 4; f++)
            expect_text(write_tar(scratch, names[i], NULL, formats[f], members, MEMBERS), NO_LIMIT,
                        members_text);
}

static void archives_may_be_compressed(void **state)
{
    static const char *const names[][3] = {{"a.tar.gz", "a.tgz", "a"},
                                           {"a.tar.zst", "a.tzst", "a.txt"},
                                           {"a.tar.xz", "a.TXZ", "a"},
                                           {"a.tar.bz2", "a.tbz2", "a.json"},
                                           {"a.tar.lz4", "a.tlz4", "a"}};
    for (int i = 0; i < COMPRESSIONS; i++)
        for (int n = 0; n < 3; n++)
            if (i != 3 || n != 2) /* .json */
                expect_text(
                    write_tar(*state, names[i][n], compression_names[i], "ustar", members, MEMBERS),
                    NO_LIMIT, members_text);
}

static void skipped_members_are_counted(void **state)
{
    const char *path = write_tar(*state, "a.tar", NULL, "ustar", members, MEMBERS);
    struct error error = {0};
    struct corpus_counts counts;
    struct buffer out = {0};
    char first[600];
    assert_true(read_files(&path, 1, NO_LIMIT, false, &out, &counts, &error));
    assert_int_equal(counts.notes.skipped_members.count, 3);
    snprintf(first, sizeof first, "%s:d/._a.txt (metadata of macOS)", path);
    assert_string_equal(counts.notes.skipped_members.first, first);
    buffer_free(&out);

    path = write_tar(*state, "a.tar", NULL, "ustar", members + 5, 1);
    assert_true(read_files(&path, 1, NO_LIMIT, false, &out, &counts, &error));
    snprintf(first, sizeof first, "%s:d/p.png (a PNG image)", path);
    assert_string_equal(counts.notes.skipped_members.first, first);
    assert_int_equal(counts.documents, 0);
    buffer_free(&out);
}

static void compressed_members_are_read(void **state)
{
    struct scratch *scratch = *state;
    for (int i = 0; i < COMPRESSIONS; i++) {
        struct buffer bytes = contents_of(write_compressed(scratch, "packed", i, "one\n", 4));
        char name[16];
        snprintf(name, sizeof name, "a.txt.%s", compression_endings[i]);
        const struct member packed[] = {{name, bytes.data, bytes.size, AE_IFREG},
                                        FILE_MEMBER("b", "two\n")};
        expect_text(write_tar(scratch, "a.tar", NULL, "ustar", packed, 2), NO_LIMIT, "[one][two]");
        const struct member cut[] = {{name, bytes.data, bytes.size - 3, AE_IFREG}};
        struct error error = {0};
        struct corpus_counts counts;
        struct buffer out = {0};
        const char *path = write_tar(scratch, "a.tar", NULL, "ustar", cut, 1);
        assert_false(read_files(&path, 1, NO_LIMIT, false, &out, &counts, &error));
        assert_non_null(strstr(error.message, "/a.tar:a.txt."));
        assert_non_null(strstr(error.message, ": cannot read "));
        buffer_free(&out);
        buffer_free(&bytes);
    }
}

static void errors_name_the_member(void **state)
{
    static const struct member wrong[] = {
        FILE_MEMBER("a.txt", "good\n\nbad \xFF\n"),
        FILE_MEMBER("b.json", "{\"text\": \"x\"}\n{\"title\": \"x\"}"),
        FILE_MEMBER("c.gz", "no gzip"),
    };
    expect_error(write_tar(*state, "a.tar", NULL, "ustar", wrong, 1), true,
                 ":a.txt:3: invalid UTF-8 at byte 5 of the line: 0xFF");
    expect_error(
        write_tar(*state, "a.tar", NULL, "ustar", wrong + 1, 1), false,
        ":b.json:2: this JSON object has no \"text\" field, only \"title\"; name the field "
        "with the text: --text-field");
    expect_error(write_tar(*state, "a.tar", NULL, "ustar", wrong + 2, 1), false,
                 ":c.gz: the name ends in .gz, but the file is not gzip");
    expect_error(scratch_write_text(*state, "a.tar", "no archive"), false,
                 ": the name is that of a tar archive, but the file is not one");
    expect_error(scratch_write_text(*state, "a.tgz", "no archive"), false,
                 ": the name ends in .tgz, but the file is not gzip");
}

/* The archive is like one of tar --sparse. */
static void a_member_with_holes_is_skipped(void **state)
{
    struct scratch *scratch = *state;
    static const char *const formats[] = {"gnu", "pax", "oldgnu"};
    for (int i = 0; i < 3; i++) {
        char command[2000], first[700];
        struct error error = {0};
        struct corpus_counts counts;
        struct buffer out = {0};
        snprintf(command, sizeof command,
                 "cd '%s' && printf 'one\n' > a.txt && printf 'two\n' > b.txt && rm -f h.txt && "
                 "printf 'text\n' > h.txt && truncate -s 4M h.txt && printf 'end\n' >> h.txt && "
                 "tar --format=%s --sparse -cf a.tar a.txt h.txt b.txt",
                 scratch->directory, formats[i]);
        assert_int_equal(system(command), 0);
        const char *path = scratch_path(scratch, "a.tar");
        if (!read_files(&path, 1, NO_LIMIT, true, &out, &counts, &error))
            fail_msg("%s", error.message);
        assert_string_equal(out.data, "[one][two]");
        assert_int_equal(counts.notes.skipped_members.count, 1);
        snprintf(first, sizeof first, "%s:h.txt (a file with holes, which text does not have)",
                 path);
        assert_string_equal(counts.notes.skipped_members.first, first);
        buffer_free(&out);
    }
}

/* A data set may have a description of itself in JSON. */
static void json_about_something_else_is_skipped(void **state)
{
    static const struct member other[] = {
        FILE_MEMBER("README.json", "{\"title\": \"x\"}\n{\"title\": \"y\"}\n"),
        FILE_MEMBER("data.jsonl", "{\"text\": \"one\"}\n"),
        FILE_MEMBER("dataset_infos.json", "{\"default\": {\"features\": {\"text\": 1}}}"),
        FILE_MEMBER("features.json", "{\"text\": {\"dtype\": \"string\"}}"),
        FILE_MEMBER("ids.json", "[1, 2, [3], null]"),
        FILE_MEMBER("plain", "{\"name\": \"x\"}"),
        FILE_MEMBER("late.jsonl", "{\"title\": \"x\"}\n{\"text\": \"two\"}\n"),
        FILE_MEMBER("broken.json", "{\"title\": \"x\"}\n{\"title\": "),
    };
    struct error error = {0};
    struct corpus_counts counts;
    struct buffer out = {0};
    char first[700];
    const char *path = write_tar(*state, "a.tar", NULL, "ustar", other, 6);
    if (!read_files(&path, 1, NO_LIMIT, false, &out, &counts, &error))
        fail_msg("%s", error.message);
    assert_string_equal(out.data, "[one]");
    assert_int_equal(counts.notes.skipped_members.count, 5);
    snprintf(first, sizeof first, "%s:README.json (no record has a text in \"text\")", path);
    assert_string_equal(counts.notes.skipped_members.first, first);
    buffer_free(&out);
    expect_error(path, true,
                 ":README.json:1: this JSON object has no \"text\" field, only \"title\"; name the "
                 "field with the text: --text-field");
    expect_error(write_tar(*state, "a.tar", NULL, "ustar", other + 6, 1), false,
                 ":late.jsonl:1: this JSON object has no \"text\" field, only \"title\"; name the "
                 "field with the text: --text-field");
    expect_error(write_tar(*state, "a.tar", NULL, "ustar", other + 7, 1), false,
                 ":broken.json:2: malformed JSON: found the end of the file at byte 11, expected a "
                 "value");
    expect_error(scratch_write_text(*state, "a.json", other[0].data), false,
                 ":1: this JSON object has no \"text\" field, only \"title\"; name the field with "
                 "the text: --text-field");
}

enum { LINES = 10000, LINE = 30 }; /* 300 KB of text */

/* Writes an archive of a text that ends with `count` times the line, and of a file after it. */
static const char *write_broken_member(struct scratch *scratch, const char *line, size_t size,
                                       int count, struct member after)
{
    struct error error = {0};
    struct buffer text = {0};
    for (int i = 0; i < LINES; i++)
        assert_true(buffer_append(&text, "The cat sat on the black mat.\n", LINE, &error));
    for (int i = 0; i < count; i++)
        assert_true(buffer_append(&text, line, size, &error));
    const struct member list[] = {{"a.txt", text.data, text.size, AE_IFREG}, after};
    const char *path = write_tar(scratch, "a.tar", NULL, "ustar", list, 2);
    buffer_free(&text);
    return path;
}

static void the_rest_of_a_member_that_is_no_text_is_skipped(void **state)
{
    static const struct {
        const char *line;
        size_t size;
        const char *what;
    } cases[] = {{"\0\1\2x", 4, "binary data"},
                 {"\x1B$BF|\x1B(B\n", 9, "ISO-2022-JP text"},
                 {"\xCF\xF0\xE8\xE2 \xE5\xF2\n", 8, "text in another encoding or binary data"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error error = {0};
        struct corpus_counts counts;
        struct buffer out = {0};
        char first[700];
        const struct member after = FILE_MEMBER("b.txt", "The last.\n");
        const char *path = write_broken_member(*state, cases[i].line, cases[i].size, 20000, after);
        if (!read_files(&path, 1, NO_LIMIT, false, &out, &counts, &error))
            fail_msg("%s", error.message);
        assert_non_null(strstr(out.data, "mat.\nThe cat"));
        assert_non_null(strstr(out.data, "[The last.]"));
        assert_true(counts.lines >= LINES + 1 && counts.lines < LINES + 20000);
        assert_int_equal(counts.notes.skipped_members.count, 1);
        snprintf(first, sizeof first, "%s:a.txt:10001 (%s from here on)", path, cases[i].what);
        assert_string_equal(counts.notes.skipped_members.first, first);
        buffer_free(&out);
    }
    expect_error(
        write_broken_member(*state, "\0\1\2x", 4, 20000, (struct member){"b", "", 0, AE_IFREG}),
        true, ":a.txt:10001: is binary data from here on, not UTF-8 text; leave it out");
}

/* Three members together would be text in another encoding. */
static void members_are_judged_by_themselves(void **state)
{
    static const struct member few[] = {FILE_MEMBER("a.txt", "\xCF\xF0\xE8\xE2 \xE5\xF2\n"),
                                        FILE_MEMBER("b.txt", "\xCF\xF0\xE8\xE2 \xE5\xF2\n"),
                                        FILE_MEMBER("c.txt", "\xCF\xF0\xE8\xE2 \xE5\xF2\n")};
    struct error error = {0};
    struct corpus_counts counts;
    struct buffer out = {0};
    const char *path = write_tar(*state, "a.tar", NULL, "ustar", few, 3);
    if (!read_files(&path, 1, NO_LIMIT, false, &out, &counts, &error))
        fail_msg("%s", error.message);
    assert_int_equal(counts.invalid_utf8, 18);
    assert_int_equal(counts.notes.skipped_members.count, 0);
    buffer_free(&out);
}

static void archives_that_follow_one_another_are_read(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    struct buffer bytes = contents_of(write_tar(scratch, "a.tar", NULL, "ustar", members, MEMBERS));
    struct buffer two = {0};
    assert_true(buffer_append(&two, bytes.data, bytes.size, &error) &&
                buffer_append(&two, bytes.data, bytes.size, &error));
    expect_text(scratch_write(scratch, "two.tar", two.data, two.size), NO_LIMIT,
                "[one][two][three][four][one][two][three][four]");
    buffer_free(&bytes);
    buffer_free(&two);
}

static void an_archive_without_members_gives_nothing(void **state)
{
    static const char zeros[10240];
    expect_text(scratch_write(*state, "a.tar", zeros, sizeof zeros), NO_LIMIT, "");
    expect_text(write_tar(*state, "b.tar.gz", "gzip", "ustar", members, 0), NO_LIMIT, "");
}

/* The archives are cut off in a member, between two members, and in a header. */
static void cut_archives_are_errors(void **state)
{
    struct scratch *scratch = *state;
    static const struct member two[] = {FILE_MEMBER("a", "one\n"), FILE_MEMBER("b", "two\n")};
    static const off_t sizes[] = {100, 513, 515, 700, 1100, 1537};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const char *path = write_tar(scratch, "a.tar", NULL, "ustar", two, 2);
        assert_int_equal(truncate(path, sizes[i]), 0);
        struct error error = {0};
        struct corpus_counts counts;
        struct buffer out = {0};
        if (read_files(&path, 1, NO_LIMIT, false, &out, &counts, &error))
            fail_msg("cut to %ld bytes and read: %s", (long)sizes[i], out.data);
        assert_int_equal(error.kind, ERROR_INPUT);
        assert_memory_equal(error.message, path, strlen(path));
        buffer_free(&out);
    }
}

static void metadata_of_macos_is_skipped_at_the_top(void **state)
{
    static const struct member list[] = {FILE_MEMBER("._a.txt.gz", "\0\5\x16\7"),
                                         FILE_MEMBER("._b.tar", "\0\5\x16\7"),
                                         FILE_MEMBER("b.txt", "one")};
    expect_text(write_tar(*state, "a.tar", NULL, "ustar", list, 3), NO_LIMIT, "[one]");
}

static void the_position_in_a_compressed_member_is_that_of_the_archive(void **state)
{
    struct scratch *scratch = *state;
    struct buffer text = {0};
    struct error error = {0};
    struct corpus_piece piece;
    bool end = false;
    for (int i = 0; i < 100000; i++)
        assert_true(buffer_append(&text, "A line.\n\n", 9, &error));
    struct buffer bytes = contents_of(write_compressed(scratch, "packed", 0, text.data, text.size));
    const struct member packed[] = {{"a.txt.gz", bytes.data, bytes.size, AE_IFREG}};
    write_tar(scratch, "a.tar", NULL, "ustar", packed, 1);
    char *path = scratch_path_copy(scratch, "a.tar");
    const struct corpus_files one = {&path, 1};
    struct corpus_reader *reader = corpus_reader_open(&one, (struct text_field){0}, false, &error);
    assert_non_null(reader);
    while (corpus_reader_counts(reader)->bytes < text.size / 2)
        assert_true(corpus_reader_next(reader, NO_LIMIT, &piece, &end, &error) && !end);
    assert_true(corpus_reader_position(reader) > bytes.size / 4);
    corpus_reader_close(reader);
    free(path);
    buffer_free(&bytes);
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(members_of_an_archive_are_files_of_text),
        SCRATCH_TEST(archives_may_be_compressed),
        SCRATCH_TEST(metadata_of_macos_is_skipped_at_the_top),
        SCRATCH_TEST(the_position_in_a_compressed_member_is_that_of_the_archive),
        SCRATCH_TEST(skipped_members_are_counted),
        SCRATCH_TEST(compressed_members_are_read),
        SCRATCH_TEST(errors_name_the_member),
        SCRATCH_TEST(a_member_with_holes_is_skipped),
        SCRATCH_TEST(json_about_something_else_is_skipped),
        SCRATCH_TEST(the_rest_of_a_member_that_is_no_text_is_skipped),
        SCRATCH_TEST(members_are_judged_by_themselves),
        SCRATCH_TEST(archives_that_follow_one_another_are_read),
        SCRATCH_TEST(an_archive_without_members_gives_nothing),
        SCRATCH_TEST(cut_archives_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
