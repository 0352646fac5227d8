#include "data/byte_source.h"

#include "support/compressed.h"
#include "support/contents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char checked_text[] =
    "Every byte of a text counts.\nOne that is changed counts double, "
    "for nobody sees it.\n\nA second document, 0123456789.\n";

static bool read_source(const char *path, struct buffer *out, struct error *error)
{
    struct byte_source *source = byte_source_open(path, error);
    const void *bytes;
    size_t size = 1;
    bool done = source;
    while (done && size) {
        done = byte_source_next(source, &bytes, &size, error);
        if (done)
            assert_true(buffer_append(out, bytes, size, error));
    }
    byte_source_close(source);
    return done;
}

/* Reads the file and asserts that it is an error, or that it gives the same text if `same` is
 * true. */
static void expect_damage_seen(const char *path, bool same)
{
    struct error error = {0};
    struct buffer out = {0};
    if (read_source(path, &out, &error)) {
        if (!same || strcmp(out.data, checked_text) != 0)
            fail_msg("read without an error: %s", out.data);
    } else {
        assert_int_equal(error.kind, ERROR_INPUT);
        assert_true(error.message[0]);
    }
    buffer_free(&out);
}

/* Asserts that the file gives this error. Errors of opening begin with the path, which `message`
 * leaves out. */
static void expect_message(const char *path, const char *message)
{
    struct error error = {0};
    struct buffer out = {0};
    assert_false(read_source(path, &out, &error));
    bool named = strncmp(error.message, path, strlen(path)) == 0;
    assert_string_equal(error.message + (named ? strlen(path) : 0), message);
    buffer_free(&out);
}

/* Only changes to the dates and names in a header may leave the text unchanged. libarchive does not
 * read the checksum of gzip, so this failed before cloze used zlib. */
static void every_changed_byte_of_a_compressed_file_is_noticed(void **state)
{
    static const unsigned char changes[] = {0x01, 0x10, 0x80, 0xFF};
    for (int i = 0; i < COMPRESSIONS; i++) {
        char name[16];
        snprintf(name, sizeof name, "text.%s", compression_endings[i]);
        const char *path = write_checked(*state, name, i, checked_text, sizeof checked_text - 1);
        struct buffer bytes = contents_of(path);
        for (size_t place = 0; place < bytes.size; place++)
            for (size_t c = 0; c < sizeof changes; c++) {
                bytes.data[place] = (char)(bytes.data[place] ^ changes[c]);
                scratch_write(*state, name, bytes.data, bytes.size);
                expect_damage_seen(scratch_path(*state, name), true);
                bytes.data[place] = (char)(bytes.data[place] ^ changes[c]);
            }
        buffer_free(&bytes);
    }
}

static void every_cut_of_a_compressed_file_is_noticed(void **state)
{
    for (int i = 0; i < COMPRESSIONS; i++) {
        char name[16];
        snprintf(name, sizeof name, "text.%s", compression_endings[i]);
        const char *path = write_checked(*state, name, i, checked_text, sizeof checked_text - 1);
        struct stat status;
        assert_int_equal(stat(path, &status), 0);
        for (off_t size = status.st_size - 1; size >= 0; size--) {
            assert_int_equal(truncate(path, size), 0);
            expect_damage_seen(path, false);
        }
    }
}

static void what_follows_compressed_data_is_an_error(void **state)
{
    for (int i = 0; i < COMPRESSIONS; i++) {
        const char *path = write_checked(*state, "text", i, checked_text, sizeof checked_text - 1);
        struct error error = {0};
        struct buffer bytes = contents_of(path);
        assert_true(buffer_append(&bytes, "\0more", 5, &error));
        expect_damage_seen(scratch_write(*state, "text", bytes.data, bytes.size), false);
        buffer_free(&bytes);
    }
}

static void zeros_may_follow_gzip(void **state)
{
    static const char zeros[512];
    const char *path = write_compressed(*state, "tape", 0, "one\n", 4);
    struct error error = {0};
    struct buffer bytes = contents_of(path);
    assert_true(buffer_append(&bytes, zeros, sizeof zeros, &error));
    struct buffer out = {0};
    assert_true(read_source(scratch_write(*state, "tape", bytes.data, bytes.size), &out, &error));
    assert_string_equal(out.data, "one\n");
    buffer_free(&out);
    buffer_free(&bytes);
}

/* ---- zstd ---- */

/* A skippable frame, such as pzstd writes at the beginning. */
#define SKIPPABLE "\x5F\x2A\x4D\x18\4\0\0\0skip"

static void expect_read(struct scratch *scratch, const char *name, const struct buffer *bytes,
                        const char *expected)
{
    struct error error = {0};
    struct buffer out = {0};
    if (!read_source(scratch_write(scratch, name, bytes->data, bytes->size), &out, &error))
        fail_msg("%s", error.message);
    assert_string_equal(out.size ? out.data : "", expected);
    buffer_free(&out);
}

/* Before cloze used libzstd, these files were refused: "does not begin as a file of zstd". */
static void skippable_frames_may_stand_anywhere(void **state)
{
    struct error error = {0};
    struct buffer bytes = {0};
    struct buffer frame = contents_of(write_checked(*state, "a.zst", 1, "one\n", 4));
    assert_true(buffer_append(&bytes, SKIPPABLE, sizeof SKIPPABLE - 1, &error));
    expect_read(*state, "b.zst", &bytes, "");
    for (int i = 0; i < 2; i++)
        assert_true(buffer_append(&bytes, frame.data, frame.size, &error) &&
                    buffer_append(&bytes, SKIPPABLE, sizeof SKIPPABLE - 1, &error));
    expect_read(*state, "b.zst", &bytes, "one\none\n");
    expect_read(*state, "b.txt", &bytes, "one\none\n");
    bytes.size -= 2;
    expect_message(scratch_write(*state, "b.zst", bytes.data, bytes.size),
                   "the zstd data are cut off");
    bytes.size += 2;
    assert_true(buffer_append(&bytes, "more", 4, &error));
    expect_message(scratch_write(*state, "b.zst", bytes.data, bytes.size),
                   "something that is not zstd follows the compressed data");
    buffer_free(&frame);
    buffer_free(&bytes);
}

/* ---- lz4 ---- */

/* `lz4 -d` reads these files too. */
static void skippable_frames_may_stand_between_those_of_lz4(void **state)
{
    struct error error = {0};
    struct buffer bytes = {0};
    struct buffer frame = contents_of(write_checked(*state, "a.lz4", 4, "one\n", 4));
    for (int i = 0; i < 3; i++)
        assert_true(buffer_append(&bytes, SKIPPABLE, sizeof SKIPPABLE - 1, &error));
    expect_read(*state, "b.lz4", &bytes, "");
    for (int i = 0; i < 2; i++)
        assert_true(buffer_append(&bytes, frame.data, frame.size, &error) &&
                    buffer_append(&bytes, SKIPPABLE, sizeof SKIPPABLE - 1, &error));
    expect_read(*state, "b.lz4", &bytes, "one\none\n");
    expect_read(*state, "b", &bytes, "one\none\n");
    expect_message(scratch_write(*state, "b.zst", bytes.data, bytes.size),
                   ": the name ends in .zst, but the file is not zstd");
    bytes.size -= 2;
    expect_message(scratch_write(*state, "b.lz4", bytes.data, bytes.size),
                   "the lz4 data are cut off");
    bytes.size += 2;
    assert_true(buffer_append(&bytes, "more text", 9, &error));
    expect_message(scratch_write(*state, "b", bytes.data, bytes.size),
                   "something that is not lz4 follows the compressed data");
    buffer_free(&frame);
    buffer_free(&bytes);
}

/* Shards of a corpus are concatenated, and some are empty. libarchive takes an empty frame of lz4
 * for the end of the data. */
static void empty_parts_may_stand_between_others(void **state)
{
    for (int i = 0; i < COMPRESSIONS; i++) {
        struct error error = {0};
        struct buffer bytes = {0};
        char name[16];
        snprintf(name, sizeof name, "all.%s", compression_endings[i]);
        struct buffer part = contents_of(write_checked(*state, "part", i, "one\n", 4));
        struct buffer empty = contents_of(write_compressed(*state, "empty", i, "", 0));
        const struct buffer *order[] = {&empty, &part, &empty, &empty, &part, &empty};
        for (size_t k = 0; k < sizeof order / sizeof *order; k++)
            assert_true(buffer_append(&bytes, order[k]->data, order[k]->size, &error));
        expect_read(*state, name, &bytes, "one\none\n");
        buffer_free(&empty);
        buffer_free(&part);
        buffer_free(&bytes);
    }
}

/* The frame is longer than the blocks in which the beginning is examined. */
static void a_long_skippable_frame_may_stand_before_lz4(void **state)
{
    enum { LONG = 1 << 20 };
    struct error error = {0};
    struct buffer bytes = {0};
    struct buffer frame = contents_of(write_checked(*state, "a.lz4", 4, "one\n", 4));
    assert_true(buffer_append(&bytes, "\x50\x2A\x4D\x18\0\0\x10\0", 8, &error));
    for (int i = 0; i < LONG / 8; i++)
        assert_true(buffer_append(&bytes, "\x04\x22\x4D\x18skip", 8, &error));
    assert_true(buffer_append(&bytes, frame.data, frame.size, &error));
    expect_read(*state, "b.lz4", &bytes, "one\n");
    buffer_free(&frame);
    buffer_free(&bytes);
}

struct zeros {
    size_t given;
};

/* Gives the header of a frame of 4 GiB - 1 bytes, then zeros: four times the bytes that are
 * examined. */
static bool next_zeros(void *context, const void **bytes, size_t *size, struct error *error)
{
    enum { BLOCK = 1 << 20, BLOCKS = 64 };
    static char block[BLOCK];
    struct zeros *zeros = context;
    (void)error;
    memcpy(block, "\x50\x2A\x4D\x18\xFF\xFF\xFF\xFF", 8);
    *bytes = zeros->given ? block + 8 : block;
    *size = zeros->given < (size_t)BLOCK * BLOCKS ? BLOCK - 8 : 0;
    zeros->given += *size;
    return true;
}

static void a_frame_of_any_size_is_not_read_ahead(void **state)
{
    struct error error = {0};
    struct zeros zeros = {0};
    struct byte_stream stream = {next_zeros, &zeros};
    (void)state;
    struct byte_source *source = byte_source_open_stream(stream, "a.zst", &error);
    assert_non_null(source);
    assert_true(zeros.given <= 2 << 20);
    byte_source_close(source);
}

/* libarchive 3.6 does not read windows above 128 MiB. zstd does not know the size of its standard
 * input, so that the frame needs the whole window of 2 GiB. */
static void the_longest_window_is_read(void **state)
{
    struct scratch *scratch = *state;
    char command[1200];
    snprintf(command, sizeof command, "cd %s && seq 1 1000 | zstd -q --long=31 > long.zst",
             scratch->directory);
    assert_int_equal(system(command), 0);
    struct error error = {0};
    struct buffer out = {0};
    if (!read_source(scratch_path(scratch, "long.zst"), &out, &error))
        fail_msg("%s", error.message);
    assert_int_equal(out.size, 3893);
    assert_string_equal(out.data + out.size - 9, "999\n1000\n");
    buffer_free(&out);
}

static void what_its_name_promises_is_expected(void **state)
{
    expect_message(scratch_write_text(*state, "a.txt.gz", "plain"),
                   ": the name ends in .gz, but the file is not gzip");
    expect_message(scratch_write_text(*state, "a.xz", ""),
                   ": the name ends in .xz, but the file is not xz");
    expect_message(write_compressed(*state, "a.zst", 0, "one\n", 4),
                   ": the name ends in .zst, but the file is not zstd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(every_changed_byte_of_a_compressed_file_is_noticed),
        SCRATCH_TEST(every_cut_of_a_compressed_file_is_noticed),
        SCRATCH_TEST(what_follows_compressed_data_is_an_error),
        SCRATCH_TEST(zeros_may_follow_gzip),
        SCRATCH_TEST(skippable_frames_may_stand_anywhere),
        SCRATCH_TEST(skippable_frames_may_stand_between_those_of_lz4),
        SCRATCH_TEST(empty_parts_may_stand_between_others),
        SCRATCH_TEST(a_long_skippable_frame_may_stand_before_lz4),
        cmocka_unit_test(a_frame_of_any_size_is_not_read_ahead),
        SCRATCH_TEST(the_longest_window_is_read),
        SCRATCH_TEST(what_its_name_promises_is_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
