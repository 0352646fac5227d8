/* Tests text in other forms and encodings (text/text_form.h), and other contents later in a
 * file. */
#include "support/compressed.h"
#include "support/corpus_text.h"

#include "base/memory.h"
#include "text/content.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define REPEAT4(text) text text text text
#define REPEAT8(text) REPEAT4(text) REPEAT4(text)

/* ---- what is said ---- */

static void forms_are_recognized(void **state)
{
    static const struct {
        const char *text;
        enum text_form form;
    } cases[] = {
        {"From: a@b.c\nSubject: Re: x\n\nThe text.\n", FORM_MAIL},
        {"Path: x!y\nNewsgroups: comp.lang.c\nReceived: by z\n\tid 1\n\nText\n", FORM_MAIL},
        {"From a@b.c Sat Jan  3 01:05:34 1996\nDate: today\nTo: x\n\nText\n", FORM_MAIL},
        {"From here on\nit rains.\n", FORM_PROSE},
        {"Subject: the novel\n\nFrom: nobody\n", FORM_PROSE},
        {"ROMEO: Ay me.\nJULIET: O Romeo.\n\n", FORM_PROSE},
        {"1\n00:00:01,000 --> 00:00:02,000\nHello.\n\n2\n00:00:03,000 --> 00:00:04,000\nYes.\n",
         FORM_SUBTITLES},
        {"WEBVTT is a format of subtitles.\nIt has times.\n", FORM_PROSE},
        {"WEBVTT - Some title\r\n\r\n00:01.000 --> 00:02.000\r\nHello.\r\n", FORM_SUBTITLES},
        {"WEBVTTs\n\n00:01.000 --> 00:02.000\nHello.\n", FORM_PROSE},
        {"WEBVTT\n\n00:01.000 --> 00:02.000\nHello.\n", FORM_SUBTITLES},
        {"{'text': 'one'}\n{'text': 'two'}\n", FORM_DICTS},
        {"[{'text': \"it's\"}]\n", FORM_DICTS},
        {"{'tis said}\n", FORM_PROSE},
        {"id,text\n1,one\n2,two\n3,\"three, four\n\"\n4,five\n", FORM_TABLE},
        {REPEAT8("a sentence\tein Satz\n"), FORM_TABLE},
        {"a;b;c\n1;2;3\n1;2;3\n1;2;3\n1;2;3\n", FORM_TABLE},
        {"a,b,c\n1,2,\n1,,\n1,2,3\n1,2,\n", FORM_TABLE},
        {REPEAT8("a\tb\t\r\n"), FORM_TABLE},
        {REPEAT8("One, two, three.\n"), FORM_PROSE},
        {REPEAT8("\tA paragraph of a novel.\n"), FORM_PROSE},
        {REPEAT8("\t\tA paragraph of a novel.\r\n"), FORM_PROSE},
        {REPEAT8("A verse that goes on,\n"), FORM_PROSE},
        {REPEAT8("int x;\r\n"), FORM_PROSE},
        {REPEAT8("|\n"), FORM_PROSE},
        {"id,text\n1,one\n2,two\n", FORM_PROSE},
        {REPEAT8("+ZeVnLIqe- "), FORM_UTF7},
        {REPEAT8("gr+APwA3w-n "), FORM_UTF7},
        {REPEAT8("a +foo- +b 1+1 +49151-2 "), FORM_PROSE},
        {REPEAT8("Gr=C3=BCn "), FORM_QUOTED_PRINTABLE},
        {REPEAT8("Gr=FCn und=\n bl=E4u\n"), FORM_QUOTED_PRINTABLE},
        {REPEAT8("=D0=9F=D1=80=D0=B8=\r\n"), FORM_QUOTED_PRINTABLE},
        {REPEAT8("a=b x=1F "), FORM_PROSE},
        {REPEAT8("N=85, M=92, n=80 (x=AB)\n=====\n"), FORM_PROSE},
        {REPEAT8("~{VPND~} "), FORM_HZ},
        {REPEAT4("\x1B[31mred\x1B[0m "), FORM_ESCAPES},
        {"He wrote \x1B$BF|K\\8l\x1B(B: caf\xC3\xA9.\n", FORM_ISO_2022},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (text_form_recognize(cases[i].text, strlen(cases[i].text)) != cases[i].form)
            fail_msg("case %zu is not %s: %s", i, text_form_what(cases[i].form), cases[i].text);
}

static void expect_said(struct scratch *scratch, const char *name, const char *text,
                        const char *what, const char *remedy)
{
    char said[1000] = "", expected[1000];
    const char *path = scratch_write_text(scratch, name, text);
    struct error error = {0};
    struct corpus_counts counts, sum = {0};
    struct buffer out = {0};
    assert_true(read_files(&path, 1, NO_LIMIT, false, &out, &counts, &error));
    corpus_counts_add(&sum, &counts);
    FILE *stream = fmemopen(said, sizeof said, "w");
    struct log log = log_open(stream);
    corpus_counts_log(&sum, &log);
    fclose(stream);
    snprintf(expected, sizeof expected,
             "warning: %s read as text in 1 file, the first:\n  %s\n  %s\n", what, path, remedy);
    assert_string_equal(said, expected);
    buffer_free(&out);
}

static void forms_are_said_with_the_remedy(void **state)
{
    static const char mail[] = "From: a@b\nTo: c\n\nText\n",
                      table[] = "id,text\n1,one\n2,two\n3,x\n4,five\n",
                      column[] = "write the column with the text to a .txt or .jsonl";
    expect_said(*state, "a.txt", mail, "mail with headers is",
                "take the bodies out first: Python's mailbox and email modules");
    expect_said(*state, "b.txt", table, "CSV or TSV is", column);
    expect_said(*state, "b.csv", "a,b\n", "CSV or TSV is", column);
    expect_said(*state, "c.csv", mail, "CSV or TSV is", column);
    for (enum text_form form = FORM_TABLE; form < FORM_COUNT; form++)
        assert_true(strlen(text_form_remedy(form)) <= 78 && strlen(text_form_what(form)) <= 32);
}

/* ---- what is refused ---- */

static void expect_refused(struct scratch *scratch, const char *bytes, size_t size,
                           const char *message)
{
    expect_error(scratch_write(scratch, "a.txt", bytes, size), false, message);
}

/* Expects this message for ASCII text in units of `unit` bytes, in the given byte order. */
static void expect_wide(struct scratch *scratch, int unit, bool little, const char *message)
{
    static const char text[] = "The cat sat on the mat.\nIt was a good mat.\n";
    char bytes[4 * sizeof text] = {0};
    for (size_t i = 0; i < sizeof text - 1; i++)
        bytes[i * (size_t)unit + (little ? 0 : (size_t)unit - 1)] = text[i];
    expect_refused(scratch, bytes, (sizeof text - 1) * (size_t)unit, message);
}

static void other_encodings_are_named(void **state)
{
    expect_wide(*state, 4, true,
                ": is UTF-32LE text, not UTF-8 text; convert it: iconv -f "
                "UTF-32LE -t UTF-8 IN > OUT");
    expect_wide(*state, 4, false,
                ": is UTF-32BE text, not UTF-8 text; convert it: iconv -f "
                "UTF-32BE -t UTF-8 IN > OUT");
    expect_wide(*state, 2, true,
                ": is UTF-16LE text, not UTF-8 text; convert it: iconv -f "
                "UTF-16LE -t UTF-8 IN > OUT");
    expect_wide(*state, 2, false,
                ": is UTF-16BE text, not UTF-8 text; convert it: iconv -f "
                "UTF-16BE -t UTF-8 IN > OUT");
    /* Cyrillic: U+041F U+0440 U+0438 and a space. */
    static const char cyrillic[] = REPEAT8("\x1F\x04\x40\x04\x38\x04 \0");
    expect_refused(*state, cyrillic, sizeof cyrillic - 1,
                   ": is UTF-16LE text, not UTF-8 text; convert it: iconv -f UTF-16LE -t UTF-8 IN "
                   "> OUT");
    static const char big_endian[] = REPEAT8("\x04\x1F\x04\x40\x04\x38\0 ");
    expect_refused(*state, big_endian, sizeof big_endian - 1,
                   ": is UTF-16BE text, not UTF-8 text; convert it: iconv -f UTF-16BE -t UTF-8 IN "
                   "> OUT");
    static const char web[] = "WARC/1.0\r\nWARC-Type: response\r\n\r\n";
    expect_refused(*state, web, sizeof web - 1,
                   ": is WARC, an archive of web pages, not UTF-8 text; extract their text first, "
                   "for example with Python's warcio and trafilatura");
}

static void iso_2022_is_named_as_iconv_knows_it(void **state)
{
    static const struct {
        const char *text, *name;
    } cases[] = {
        {REPEAT4("\x1B$BF|K\\8l\x1B(B\n"), "ISO-2022-JP"},
        {REPEAT4("\x1B$@F|K\\8l\x1B(J\n"), "ISO-2022-JP"},
        {REPEAT4("\x1B$BF|K\x1B$(D\"/\x1B(B\n"), "ISO-2022-JP-2"},
        {REPEAT4("\x1B(I16\x1B(B\n") "\x1B$BF|\x1B(B\n", "ISO-2022-JP-2"},
        {REPEAT4("\x1B$(O\"/\x1B(B\n"), "ISO-2022-JP-3"},
        {"\x1B$)C" REPEAT8("\x0EGQ\x0F "), "ISO-2022-KR"}, /* has more SO than a text */
        {REPEAT4("\x1B$)A\x0EVPND\x0F\n"), "ISO-2022-CN"},
        {REPEAT4("\x1B$)G\x0EGEGE\x0F\n"), "ISO-2022-CN"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char message[200];
        snprintf(message, sizeof message,
                 ": is %s text, not UTF-8 text; convert it: iconv -f %s -t UTF-8 IN > OUT",
                 cases[i].name, cases[i].name);
        expect_refused(*state, cases[i].text, strlen(cases[i].text), message);
    }
}

/* Text outside ASCII is UTF-8, not ISO 2022. A quotation in ASCII has only one or two changes of
 * the character set. */
static void text_with_a_few_escapes_of_iso_2022_is_read(void **state)
{
    static const char *const texts[] = {"A line: \x1B$BF|K\\8l\x1B(B, pasted.", "\x1B$)", "\x1B$",
                                        "\x1B",
                                        "caf\xC3\xA9 " REPEAT8("\x1B$BF|K\\8l\x1B(B \x1B(J")};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char expected[256];
        snprintf(expected, sizeof expected, "[%s]", texts[i]);
        expect_contents(*state, "a.txt", texts[i], expected);
    }
    /* A sanitizer notices if a byte after the end is read. */
    char *end = malloc(3);
    assert_non_null(end);
    memcpy(end, "\x1B$)", 3);
    assert_int_equal(content_recognize(end, 3).kind, CONTENT_TEXT);
    free(end);
}

/* ---- later in a file ---- */

enum { LINES = 10000, LINE = 30 }; /* 300 KB: more than a block */

/* Writes lines of text, then `count` times the bytes. */
static const char *write_after_text(struct scratch *scratch, const char *bytes, size_t size,
                                    size_t count)
{
    struct error error = {0};
    struct buffer text = {0};
    for (int i = 0; i < LINES; i++)
        assert_true(buffer_append(&text, "The cat sat on the black mat.\n", LINE, &error));
    for (size_t i = 0; i < count; i++)
        assert_true(buffer_append(&text, bytes, size, &error));
    const char *path = scratch_write(scratch, "a.txt", text.data, text.size);
    buffer_free(&text);
    return path;
}

static void what_is_no_text_further_on_is_refused_there(void **state)
{
    struct scratch *scratch = *state;
    expect_error(write_after_text(scratch, "\0\1\2x", 4, 20000), false,
                 ":10001: is binary data from here on, not UTF-8 text; leave it out");
    expect_error(write_after_text(scratch, "\0", 1, 70000), false,
                 ":10001: is binary data from here on, not UTF-8 text; leave it out");
    expect_error(write_after_text(scratch, "two\n\x1B$BF|K\\8l\x1B(B\n", 17, 9), false,
                 ":10002: is ISO-2022-JP text from here on, not UTF-8 text; convert it: iconv -f "
                 "ISO-2022-JP -t UTF-8 IN > OUT");
}

static void another_encoding_further_on_is_refused_there(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    struct corpus_counts counts;
    struct buffer out = {0};
    const char *path = write_after_text(scratch, "\xCF\xF0\xE8\xE2 \xE5\xF2\n", 8, 20000);
    assert_false(read_files(&path, 1, NO_LIMIT, false, &out, &counts, &error));
    assert_memory_equal(error.message, path, strlen(path));
    assert_non_null(strstr(error.message, "a.txt:10001: is text in another encoding or binary "
                                          "data from here on ("));
    buffer_free(&out);
}

static void expect_all_read(const char *path)
{
    struct error error = {0};
    struct corpus_counts counts;
    struct buffer out = {0};
    if (!read_files(&path, 1, NO_LIMIT, false, &out, &counts, &error))
        fail_msg("%s", error.message);
    buffer_free(&out);
}

/* A few odd bytes are accepted, as at the beginning; also if the last piece of 64 KiB has only
 * these. */
static void a_few_odd_bytes_are_accepted(void **state)
{
    static const struct {
        const char *line;
        size_t counts[2];
    } cases[] = {{"caf\xE9 au lait in Paris\n", {20, 9000}},
                 {"a\x01 b\x02\n", {8, 20}},
                 {"\xCF\xF0\xE8\xE2 \xE5\xF2\n", {20, 100}},
                 {"\x1B[1mbold\x1B[0m text\n", {20, 9000}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int j = 0; j < 2; j++)
            expect_all_read(
                write_after_text(*state, cases[i].line, strlen(cases[i].line), cases[i].counts[j]));
}

/* The odd bytes are alone in a short last piece: a piece of 64 KiB ends just before them. */
static void a_short_last_piece_is_accepted(void **state)
{
    enum { LINES_OF_A_PIECE = (CONTENT_SAMPLE + LINE - 1) / LINE };
    static const char *const rests[] = {REPEAT8("\xCF\xF0\xE8\xE2 \xE5\xF2\n"),
                                        REPEAT8("\x01\x02 \x03\n")};
    for (int pieces = 1; pieces < 6; pieces++)
        for (size_t i = 0; i < sizeof rests / sizeof *rests; i++) {
            struct error error = {0};
            struct buffer text = {0};
            for (int j = 0; j < pieces * LINES_OF_A_PIECE; j++)
                assert_true(buffer_append(&text, "The cat sat on the black mat.\n", LINE, &error));
            assert_true(buffer_append(&text, rests[i], strlen(rests[i]), &error));
            expect_all_read(scratch_write(*state, "a.txt", text.data, text.size));
            buffer_free(&text);
        }
}

/* Expects to read a text of that many bytes with padding after it. */
static void expect_padding_read(struct scratch *scratch, size_t text_size, char padding,
                                size_t padding_size)
{
    struct error error = {0};
    struct buffer text = {0};
    while (text.size < text_size)
        assert_true(buffer_append(&text, "The cat sat on the black mat.\n", LINE, &error));
    text.size = text_size;
    for (size_t i = 0; i < padding_size; i++)
        assert_true(buffer_append(&text, &padding, 1, &error));
    expect_all_read(scratch_write(scratch, "a.txt", text.data, text.size));
    for (int i = 0; i < COMPRESSIONS; i++) {
        char name[32];
        snprintf(name, sizeof name, "a.txt.%s", compression_endings[i]);
        expect_all_read(write_compressed(scratch, name, i, text.data, text.size));
    }
    buffer_free(&text);
}

static void padding_is_no_reason(void **state)
{
    expect_padding_read(*state, 65616, '\x1A', 20);
    expect_padding_read(*state, 100000, 0, 500);
    expect_padding_read(*state, 131072, 0, 100);
    expect_padding_read(*state, 262144, '\x1A', 128);
    expect_padding_read(*state, 3000, 0, 1096);
    expect_padding_read(*state, 100, 0, 3996);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_are_recognized),
        SCRATCH_TEST(forms_are_said_with_the_remedy),
        SCRATCH_TEST(other_encodings_are_named),
        SCRATCH_TEST(iso_2022_is_named_as_iconv_knows_it),
        SCRATCH_TEST(text_with_a_few_escapes_of_iso_2022_is_read),
        SCRATCH_TEST(what_is_no_text_further_on_is_refused_there),
        SCRATCH_TEST(another_encoding_further_on_is_refused_there),
        SCRATCH_TEST(a_few_odd_bytes_are_accepted),
        SCRATCH_TEST(a_short_last_piece_is_accepted),
        SCRATCH_TEST(padding_is_no_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
