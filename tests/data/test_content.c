#include "text/content.h"

#include "data/text_name.h"
#include "support/compressed.h"
#include "support/corpus_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- what is refused ---- */

#define BYTES(text) text, sizeof text - 1

/* The files have names of text, but the contents decide. */
static void what_is_no_text_is_refused_by_its_kind(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *message;
    } cases[] = {
        {BYTES("PAR1\x15\x04"),
         ": is Parquet, not UTF-8 text; write it as .jsonl, for example with pandas: "
         "to_json(orient=\"records\", lines=True)"},
        {BYTES("ARROW1\0\0"),
         ": is Arrow (Feather), not UTF-8 text; write it as .jsonl, for example with pandas: "
         "to_json(orient=\"records\", lines=True)"},
        {BYTES("\xFF\xFF\xFF\xFF\x10\1\0\0"),
         ": is an Arrow stream, not UTF-8 text; write it as .jsonl, for example with pandas: "
         "to_json(orient=\"records\", lines=True)"},
        {BYTES("PK\3\4\x14\0"), ": is a ZIP archive (as .docx, .odt, .epub and .npz are), not "
                                "UTF-8 text; unpack it, or write its text to a .txt file"},
        {BYTES("%PDF-1.7\n"),
         ": is PDF, not UTF-8 text; extract its text first: pdftotext IN.pdf OUT.txt"},
        {BYTES("\x89PNG\r\n\x1A\n\0"), ": is a PNG image, not UTF-8 text; leave it out"},
        {BYTES("\xFF\xD8\xFF\xE0"), ": is a JPEG image, not UTF-8 text; leave it out"},
        {BYTES("GIF89a\1\0\1\0"), ": is a GIF image, not UTF-8 text; leave it out"},
        {BYTES("RIFF\x24\0\0\0WAVEfmt "), ": is WAVE audio, not UTF-8 text; leave it out"},
        {BYTES("\0\0\0\x18"
               "ftypmp42"),
         ": is a video or an image (MP4, HEIF), not UTF-8 text; leave it out"},
        {BYTES("\x7F"
               "ELF\2\1\1"),
         ": is a program (ELF), not UTF-8 text; leave it out"},
        {BYTES("SQLite format 3\0"),
         ": is an SQLite database, not UTF-8 text; write it as .jsonl, for example with pandas: "
         "to_json(orient=\"records\", lines=True)"},
        {BYTES("\x89HDF\r\n\x1A\n"),
         ": is HDF5, not UTF-8 text; write it as .jsonl, for example with pandas: "
         "to_json(orient=\"records\", lines=True)"},
        {BYTES("\x93NUMPY\1\0"),
         ": is a NumPy array, not UTF-8 text; write it as .jsonl, for example with pandas: "
         "to_json(orient=\"records\", lines=True)"},
        {BYTES("\x40\0\0\0\0\0\0\0{\"__metadata__\""),
         ": is safetensors, not UTF-8 text; leave it out"},
        {BYTES("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"),
         ": is an old Office document (.doc, .xls), not UTF-8 text; write its text to a .txt file, "
         "or to .jsonl, one object a document"},
        {BYTES("{\\rtf1\\ansi"), ": is RTF, not UTF-8 text; write its text to a .txt file, or to "
                                 ".jsonl, one object a document"},
        {BYTES("7z\xBC\xAF\x27\x1C"), ": is a 7z archive, not UTF-8 text; unpack it first"},
        {BYTES("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
         ": is a Git LFS pointer, not UTF-8 text; fetch it: git lfs pull"},
        {BYTES("\xFF\xFE"
               "a\0\n\0"),
         ": is UTF-16 text, not UTF-8 text; convert it: iconv -f UTF-16 -t UTF-8 IN > OUT"},
        {BYTES("\xFE\xFF\0a\0\n"),
         ": is UTF-16 text, not UTF-8 text; convert it: iconv -f UTF-16 -t UTF-8 IN > OUT"},
        {BYTES("a\0b\0c\0d\0e\0\n\0"),
         ": is UTF-16LE text, not UTF-8 text; convert it: iconv -f UTF-16LE -t UTF-8 IN > OUT"},
        {BYTES("GGUF\3\0\0\0"), ": is GGUF, not UTF-8 text; leave it out"},
        {BYTES("WARC/0.18\nWARC-Type: warcinfo\n"), ": is WARC, an archive of web pages, not UTF-8 "
                                                    "text; extract their text first, for example "
                                                    "with Python's warcio and trafilatura"},
        {BYTES("\xFF\xFE\0\0a\0\0\0"),
         ": is UTF-32 text, not UTF-8 text; convert it: iconv -f UTF-32 -t UTF-8 IN > OUT"},
        {BYTES("\x1F\x9D\x90"), ": is compressed with compress, not UTF-8 text; unpack it first"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_error(scratch_write(*state, "a.txt", cases[i].bytes, cases[i].size), false,
                     cases[i].message);
}

static void text_that_begins_alike_is_read(void **state)
{
    static const char *const texts[] = {"PK was here",
                                        "PAR",
                                        "BZh",
                                        "BZh9 is a name",
                                        "RIFF and WAVE",
                                        "it ftyped",
                                        "GIF",
                                        "GIF89a is a format of images",
                                        "PAR1 begins a file of Parquet",
                                        "ARROW1",
                                        "GGUF, and GGML",
                                        "WARC/1.0 is the format of web archives.",
                                        "MZ",
                                        "%PDF",
                                        "7z",
                                        "ID3",
                                        "Objects",
                                        "{rtf}",
                                        "ustar",
                                        "version https://example.com",
                                        "BM",
                                        "PARENTS AND CHILDREN"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char expected[64];
        snprintf(expected, sizeof expected, "[%s]", texts[i]);
        expect_contents(*state, "a.txt", texts[i], expected);
    }
}

/* The archives are like those of `cpio -H newc`, `-H crc` and `-H odc`; in the old form an archive
 * of a small text is only ASCII. */
static void archives_of_cpio_are_refused(void **state)
{
    char archive[400];
    static const char *const magics[] = {"070701", "070702", "070707"};
    for (size_t i = 0; i < 3; i++) {
        bool old = i == 2;
        size_t digits = old ? 70 : 104;
        memset(archive, 0, sizeof archive);
        memcpy(archive, magics[i], 6);
        memset(archive + 6, old ? '7' : 'F', digits);
        strcpy(archive + 6 + digits, "in.txt");
        strcpy(archive + 6 + digits + 8, "The cat sat on the mat.\n");
        size_t size = 6 + digits + 8 + 24;
        expect_error(scratch_write(*state, "a.txt", archive, size), false,
                     ": is a cpio archive, not UTF-8 text; unpack it first");
        expect_error(scratch_write(*state, "a.txt", archive, 6 + digits), false,
                     ": is a cpio archive, not UTF-8 text; unpack it first");
        /* A text may begin with such a number. */
        archive[5 + digits] = 'g';
        archive[6 + digits] = 0;
        char expected[200];
        snprintf(expected, sizeof expected, "[%s]", archive);
        expect_contents(*state, "a.txt", archive, expected);
    }
}

static void what_is_packed_twice_is_refused(void **state)
{
    struct scratch *scratch = *state;
    FILE *file = fopen(write_compressed(scratch, "inner", 0, "one\n", 4), "rb");
    char bytes[200];
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    expect_error(write_compressed(scratch, "outer.xz", 2, bytes, size), false,
                 ": is gzip, not UTF-8 text; unpack it first");
}

/* ---- shares ---- */

/* Writes 1,000 bytes, of which `count` are `bad`, evenly spread, and the others are letters. */
static const char *write_mixed(struct scratch *scratch, char bad, int count)
{
    char text[1000];
    for (int i = 0; i < 1000; i++)
        text[i] = (i + 1) * count / 1000 > i * count / 1000 ? bad : 'x';
    return scratch_write(scratch, "a.txt", text, sizeof text);
}

static void expect_read(const char *path, uint64_t invalid)
{
    struct error error = {0};
    struct corpus_counts counts;
    struct buffer out = {0};
    if (!read_files(&path, 1, NO_LIMIT, false, &out, &counts, &error))
        fail_msg("%s", error.message);
    assert_int_equal(counts.invalid_utf8, invalid);
    buffer_free(&out);
}

/* In Latin-1 text, fewer than one in four characters are outside ASCII. */
static void text_that_is_mostly_no_utf8_is_refused(void **state)
{
    expect_read(write_mixed(*state, '\xE9', 250), 250);
    expect_error(write_mixed(*state, '\xE9', 260), false,
                 ": is text in another encoding (26 % of its first 1000 bytes are not UTF-8), not "
                 "UTF-8 text; convert it from its encoding, such as CP1251 or GB18030: iconv -f "
                 "CP1251 -t UTF-8 IN > OUT");
}

static void what_is_full_of_control_characters_is_refused(void **state)
{
    expect_read(write_mixed(*state, '\x01', 100), 0);
    expect_error(
        write_mixed(*state, '\x01', 110), false,
        ": is binary data (11 % of its first 1000 bytes are control characters), not UTF-8 "
        "text; leave it out");
    expect_error(
        write_mixed(*state, 0, 400), false,
        ": is binary data (40 % of its first 1000 bytes are control characters), not UTF-8 "
        "text; leave it out");
    expect_read(write_mixed(*state, '\x1B', 400), 0); /* ESC, as for the colours of a terminal */
}

/* ---- what is said ---- */

static void markup_is_noted(void **state)
{
    static const char *const texts[] = {"<!DOCTYPE html>\n<p>x", "<?xml version=\"1.0\"?>",
                                        "\xEF\xBB\xBF\n<html>", "<doc id=\"1\">"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_true(content_recognize(texts[i], strlen(texts[i])).marked);
    assert_false(content_recognize("x < y", 5).marked);
    assert_int_equal(expect_contents(*state, "a.txt", "<html>", "[<html>]").notes.marked.count, 1);
    assert_int_equal(expect_contents(*state, "a.CSV", "a,b", "[a,b]").notes.forms[FORM_TABLE].count,
                     1);
    assert_int_equal(expect_contents(*state, "a.txt", "a,b", "[a,b]").notes.marked.count, 0);
}

/* ---- names ---- */

static void names_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum compression compression;
        bool json, tar;
    } cases[] = {
        {"a.txt", COMPRESSION_NONE, false, false},
        {"a.gz", COMPRESSION_GZIP, false, false},
        {"x.json/a", COMPRESSION_NONE, false, false},
        {"x/a.JSONL.Zst", COMPRESSION_ZSTD, true, false},
        {".json", COMPRESSION_NONE, false, false},
        {"json", COMPRESSION_NONE, false, false},
        {"a.tar", COMPRESSION_NONE, false, true},
        {"a.TGZ", COMPRESSION_GZIP, false, true},
        {"a.json.tgz", COMPRESSION_GZIP, false, true},
        {"a.tar.xz", COMPRESSION_XZ, false, true},
        {"a.tbz2", COMPRESSION_BZIP2, false, true},
        {"a.tar.lz4", COMPRESSION_LZ4, false, true},
        {"a.tar.txt", COMPRESSION_NONE, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct text_name name = text_name_read(cases[i].path);
        assert_int_equal(name.compression, cases[i].compression);
        assert_int_equal(name.json, cases[i].json);
        assert_int_equal(name.tar, cases[i].tar);
    }
    assert_true(text_name_read("x/._a.txt").metadata);
    assert_false(text_name_read("._x/a.txt").metadata);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(what_is_no_text_is_refused_by_its_kind),
        SCRATCH_TEST(text_that_begins_alike_is_read),
        SCRATCH_TEST(archives_of_cpio_are_refused),
        SCRATCH_TEST(what_is_packed_twice_is_refused),
        SCRATCH_TEST(text_that_is_mostly_no_utf8_is_refused),
        SCRATCH_TEST(what_is_full_of_control_characters_is_refused),
        SCRATCH_TEST(markup_is_noted),
        cmocka_unit_test(names_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
