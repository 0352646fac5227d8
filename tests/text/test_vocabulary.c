#include "text/vocabulary.h"

#include "base/file.h"
#include "base/hash.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SPECIAL "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"

static void expect_tokens(const struct vocabulary *vocabulary, const char *const *tokens,
                          int32_t count)
{
    assert_int_equal(vocabulary_size(vocabulary), count);
    for (int32_t id = 0; id < count; id++) {
        size_t size = strlen(tokens[id]);

        assert_string_equal(vocabulary_token(vocabulary, id), tokens[id]);
        assert_int_equal(vocabulary_token_size(vocabulary, id), size);
        assert_int_equal(vocabulary_find(vocabulary, tokens[id], size), id);
    }
}

static void lines_are_numbered_from_zero(void **state)
{
    static const char *const tokens[] = {"the",   "[MASK]", "[SEP]", "##é",
                                         "[UNK]", "[CLS]",  "[PAD]", " a b"};
    static const char *const texts[] = {
        "the\n[MASK]\n[SEP]\n##é\n[UNK]\n[CLS]\n[PAD]\n a b\n",
        "the\r\n[MASK]\r\n[SEP]\r\n##é\r\n[UNK]\r\n[CLS]\r\n[PAD]\r\n a b\r\n",
        "the\n[MASK]\n[SEP]\n##é\n[UNK]\n[CLS]\n[PAD]\n a b", /* no newline at the end */
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct error error = {0};
        struct vocabulary *vocabulary =
            vocabulary_load(scratch_write_text(*state, "vocab.txt", texts[i]), &error);

        assert_non_null(vocabulary);
        expect_tokens(vocabulary, tokens, 8);
        vocabulary_free(vocabulary);
    }
}

static void special_tokens_are_found_wherever_they_stand(void **state)
{
    struct error error = {0};
    const char *path =
        scratch_write_text(*state, "vocab.txt", "x\n[MASK]\n[SEP]\n[UNK]\n[CLS]\n[PAD]\n");
    struct vocabulary *vocabulary = vocabulary_load(path, &error);

    assert_non_null(vocabulary);
    assert_int_equal(vocabulary_special(vocabulary, SPECIAL_PAD), 5);
    assert_int_equal(vocabulary_special(vocabulary, SPECIAL_UNK), 3);
    assert_int_equal(vocabulary_special(vocabulary, SPECIAL_CLS), 4);
    assert_int_equal(vocabulary_special(vocabulary, SPECIAL_SEP), 2);
    assert_int_equal(vocabulary_special(vocabulary, SPECIAL_MASK), 1);
    assert_false(vocabulary_is_special(vocabulary, 0));
    for (int32_t id = 1; id < 6; id++)
        assert_true(vocabulary_is_special(vocabulary, id));
    vocabulary_free(vocabulary);
}

static void only_whole_tokens_are_found(void **state)
{
    struct error error = {0};
    struct vocabulary *vocabulary =
        vocabulary_load(scratch_write_text(*state, "vocab.txt", SPECIAL "the\n##m\n"), &error);

    assert_non_null(vocabulary);
    assert_int_equal(vocabulary_find(vocabulary, "the", 3), 5);
    assert_int_equal(vocabulary_find(vocabulary, "the", 2), -1);
    assert_int_equal(vocabulary_find(vocabulary, "them", 4), -1);
    assert_int_equal(vocabulary_find(vocabulary, "m", 1), -1);
    assert_int_equal(vocabulary_find(vocabulary, "", 0), -1);
    vocabulary_free(vocabulary);
}

static void many_tokens_keep_their_ids(void **state)
{
    enum { COUNT = 100000, TOKEN_BYTES = 12 };
    static char text[COUNT][TOKEN_BYTES];
    static const char *tokens[COUNT];
    struct error error = {0};

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        snprintf(text[i], TOKEN_BYTES, "%s", i < SPECIAL_COUNT ? special_token_names[i] : "");
        if (i >= SPECIAL_COUNT)
            snprintf(text[i], TOKEN_BYTES, "t%d", i);
        tokens[i] = text[i];
    }
    struct vocabulary *vocabulary = vocabulary_create(tokens, COUNT, "memory", &error);
    assert_non_null(vocabulary);
    expect_tokens(vocabulary, tokens, COUNT);
    vocabulary_free(vocabulary);
}

static void the_hash_is_that_of_the_lines(void **state)
{
    struct error error = {0};
    const char *lines = SPECIAL "the\n";
    struct vocabulary *unix_lines = vocabulary_load(scratch_write_text(*state, "a", lines), &error);
    struct vocabulary *dos_lines = vocabulary_load(
        scratch_write_text(*state, "b", "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\nthe"),
        &error);

    assert_non_null(unix_lines);
    assert_non_null(dos_lines);
    assert_int_equal(vocabulary_hash(unix_lines), hash_bytes(lines, strlen(lines)));
    assert_int_equal(vocabulary_hash(dos_lines), hash_bytes(lines, strlen(lines)));
    vocabulary_free(unix_lines);
    vocabulary_free(dos_lines);
}

static void saving_writes_the_lines(void **state)
{
    struct error error = {0};
    struct buffer written = {0};
    const char *lines = SPECIAL "the\n##é\n";
    struct vocabulary *vocabulary =
        vocabulary_load(scratch_write_text(*state, "vocab.txt", lines), &error);
    const char *path = scratch_path(*state, "saved.txt");

    assert_non_null(vocabulary);
    assert_true(vocabulary_save(vocabulary, path, &error));
    assert_true(file_read(path, 1 << 20, &written, &error));
    assert_string_equal(written.data, lines);
    assert_false(vocabulary_save(vocabulary, scratch_path(*state, "absent/vocab.txt"), &error));
    assert_non_null(strstr(error.message, "absent/vocab.txt"));
    buffer_free(&written);
    vocabulary_free(vocabulary);
}

static void expect_refusal(void **state, const char *text, size_t size, const char *message)
{
    struct error error = {0};
    char expected[1024];
    const char *path = scratch_write(*state, "vocab.txt", text, size);

    assert_null(vocabulary_load(path, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    snprintf(expected, sizeof expected, "%s%s", path, message);
    assert_string_equal(error.message, expected);
}

#define EXPECT_REFUSAL(text, message) expect_refusal(state, text, sizeof(text) - 1, message)

static void errors_name_the_line(void **state)
{
    struct error error = {0};

    EXPECT_REFUSAL(SPECIAL "a\xC3\n", ":6: the token is not valid UTF-8 from its byte 2 on");
    EXPECT_REFUSAL(SPECIAL "a\0b\n", ":6: the token contains a zero byte");
    EXPECT_REFUSAL("[PAD]\n[UNK]\n[CLS]\n[SEP]\nx\n",
                   ": the special token [MASK] is not among its 5 tokens; a BERT vocabulary has "
                   "[PAD] [UNK] [CLS] [SEP] [MASK], or a model directory that names others");
    EXPECT_REFUSAL("", ": the special token [PAD] is not among its 0 tokens; a BERT vocabulary has "
                       "[PAD] [UNK] [CLS] [SEP] [MASK], or a model directory that names others");
    assert_null(vocabulary_load(scratch_path(*state, "absent.txt"), &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_non_null(strstr(error.message, "absent.txt"));
}

#define NO_LINES(what) ": is " what ", not a vocabulary with a token on each line; "

static void what_is_no_vocabulary_is_named(void **state)
{
    EXPECT_REFUSAL("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 231508\n",
                   NO_LINES("a Git LFS pointer") "fetch it: git lfs pull");
    EXPECT_REFUSAL("/annex/objects/SHA256E-s231508\n",
                   NO_LINES("a git-annex pointer") "fetch it: git annex get");
    EXPECT_REFUSAL("\xFF\xFE[\0P\0A\0D\0]\0\n\0",
                   NO_LINES("UTF-16 text") "convert it: iconv -f UTF-16 -t UTF-8 IN > OUT");
    EXPECT_REFUSAL("[\0P\0A\0D\0]\0\n\0[\0U\0N\0K\0]\0\n\0",
                   NO_LINES("UTF-16LE text") "convert it: iconv -f UTF-16LE -t UTF-8 IN > OUT");
    EXPECT_REFUSAL("<!DOCTYPE html>\n<html><head></head></html>\n",
                   NO_LINES("HTML or XML") "download the file itself, not its page");
    EXPECT_REFUSAL("<!doctype html>\n", NO_LINES("HTML or XML") "download the file itself, not "
                                                                "its page");
    EXPECT_REFUSAL("{\"[PAD]\": 0, \"[UNK]\": 1}\n",
                   NO_LINES("JSON") "a tokenizer.json needs a name that ends in .json");
    EXPECT_REFUSAL("[\"[PAD]\", \"[UNK]\"]",
                   NO_LINES("JSON") "a tokenizer.json needs a name that ends in .json");
    EXPECT_REFUSAL("\x1F\x8B\x08\0\0\0", NO_LINES("gzip") "unpack it first");
}

static void errors_of_tokens_in_memory_name_their_origin(void **state)
{
    const char *tokens[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a\nb"};
    struct error error = {0};

    (void)state;
    assert_null(vocabulary_create(tokens, 6, "model.json", &error));
    assert_string_equal(error.message, "model.json:6: the token contains a line break");
}

static struct vocabulary *load(struct scratch *scratch, const char *text)
{
    struct error error = {0};
    struct vocabulary *vocabulary =
        vocabulary_load(scratch_write_text(scratch, "odd.txt", text), &error);
    assert_string_equal(error.message, "");
    assert_non_null(vocabulary);
    return vocabulary;
}

static void expect_saved(struct scratch *scratch, const struct vocabulary *vocabulary,
                         const char *text)
{
    struct error error = {0};
    struct buffer written = {0};
    const char *path = scratch_path(scratch, "saved.txt");
    assert_true(vocabulary_save(vocabulary, path, &error));
    assert_true(file_read(path, 1 << 20, &written, &error));
    assert_string_equal(written.data, text);
    buffer_free(&written);
}

static void expect_note(struct scratch *scratch, const struct vocabulary *vocabulary,
                        const char *note)
{
    char expected[1024];
    snprintf(expected, sizeof expected, "%s/odd.txt:%s", scratch->directory, note);
    assert_string_equal(vocabulary_note(vocabulary), expected);
}

/* load_vocab of transformers 5.24 gives each token the number of its last line. */
static void ids_are_line_numbers_whatever_the_lines_hold(void **state)
{
    const char *empty = SPECIAL "a\n\nb\n", *twice = SPECIAL "a\nb\na\n##c\n";
    struct vocabulary *vocabulary = load(*state, empty);

    assert_int_equal(vocabulary_size(vocabulary), 8);
    assert_int_equal(vocabulary_find(vocabulary, "b", 1), 7);
    assert_int_equal(vocabulary_find(vocabulary, "", 0), -1);
    assert_string_equal(vocabulary_token(vocabulary, 6), "");
    expect_note(*state, vocabulary, " from id 6 on: ids without a token: 1, repeated tokens: 0");
    expect_saved(*state, vocabulary, empty);
    vocabulary_free(vocabulary);

    vocabulary = load(*state, twice);
    assert_int_equal(vocabulary_size(vocabulary), 9);
    assert_int_equal(vocabulary_find(vocabulary, "a", 1), 7);
    assert_string_equal(vocabulary_token(vocabulary, 5), "a");
    assert_int_equal(vocabulary_find(vocabulary, "##c", 3), 8);
    expect_note(*state, vocabulary, " from id 7 on: ids without a token: 0, repeated tokens: 1");
    expect_saved(*state, vocabulary, twice);
    vocabulary_free(vocabulary);
}

/* A model has no rows for such lines. */
static void empty_lines_at_the_end_are_kept_but_have_no_ids(void **state)
{
    struct vocabulary *vocabulary = load(*state, SPECIAL "a\n\n\n");
    struct vocabulary *without = load(*state, SPECIAL "a\n");

    assert_int_equal(vocabulary_size(vocabulary), 6);
    assert_int_equal(vocabulary_hash(vocabulary), vocabulary_hash(without));
    assert_string_equal(vocabulary_note(vocabulary), "");
    expect_saved(*state, vocabulary, SPECIAL "a\n\n\n");
    vocabulary_free(vocabulary);
    vocabulary_free(without);

    vocabulary = load(*state, "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\na\r\n\r\n");
    assert_int_equal(vocabulary_size(vocabulary), 6);
    vocabulary_free(vocabulary);
}

static void a_byte_order_mark_is_left_out_and_said(void **state)
{
    struct vocabulary *vocabulary = load(*state, "\xEF\xBB\xBF" SPECIAL "a\n");

    assert_int_equal(vocabulary_size(vocabulary), 6);
    assert_int_equal(vocabulary_special(vocabulary, SPECIAL_PAD), 0);
    expect_note(*state, vocabulary, " the byte-order mark is left out");
    expect_saved(*state, vocabulary, SPECIAL "a\n");
    vocabulary_free(vocabulary);
}

static void a_lone_carriage_return_ends_a_line(void **state)
{
    struct vocabulary *vocabulary = load(*state, "[PAD]\r[UNK]\r[CLS]\r[SEP]\r[MASK]\ra\rb");

    assert_int_equal(vocabulary_size(vocabulary), 7);
    assert_int_equal(vocabulary_find(vocabulary, "b", 1), 6);
    vocabulary_free(vocabulary);
}

static void cased_vocabularies_are_told_from_their_tokens(void **state)
{
    static const struct {
        const char *tokens;
        bool cased;
    } cases[] = {{"a\nthe\n", false}, {"a\nThe\n", true},
                 {"a\n##X\n", true},  {"a\n[unused0]\n<S>\n", false},
                 {"\u4e00\n", false}, {"\u0434\n\u0414\n", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        snprintf(text, sizeof text, SPECIAL "%s", cases[i].tokens);
        struct vocabulary *vocabulary = load(*state, text);
        assert_int_equal(vocabulary_looks_cased(vocabulary), cases[i].cased);
        vocabulary_free(vocabulary);
    }
}

static void accents_are_told_from_the_tokens(void **state)
{
    static const struct {
        const char *tokens;
        bool accented;
    } cases[] = {{"a\nthe\n", false},           {"a\n##\u00F3\n", true}, /* o with an acute */
                 {"o\u0301\n", true},           {"\uAC01\n", false},     /* a Korean syllable */
                 {"[\u00F3]\n\u00F8\n", false}, {"\u1EA5\n", true}}; /* two accents on one letter */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        snprintf(text, sizeof text, SPECIAL "%s", cases[i].tokens);
        struct vocabulary *vocabulary = load(*state, text);
        assert_int_equal(vocabulary_looks_accented(vocabulary), cases[i].accented);
        vocabulary_free(vocabulary);
    }
}

static void added_tokens_follow_the_lines(void **state)
{
    const struct added_token added[] = {{.content = "a", .id = 5, .normalized = true},
                                        {.content = "[URL]", .id = 6, .special = true},
                                        {.content = "covid19", .id = 8, .normalized = true}};
    const struct vocabulary_additions additions = {.added = added, .count = 3};
    struct error error = {0};
    struct vocabulary *vocabulary = vocabulary_load_with(
        scratch_write_text(*state, "vocab.txt", SPECIAL "a\n"), &additions, &error);
    size_t count;

    assert_non_null(vocabulary);
    assert_false(vocabulary_is_plain(vocabulary));
    assert_int_equal(vocabulary_size(vocabulary), 9);
    assert_int_equal(vocabulary_line_count(vocabulary), 6);
    assert_string_equal(vocabulary_token(vocabulary, 6), "[URL]");
    assert_string_equal(vocabulary_token(vocabulary, 7), "");
    assert_true(vocabulary_is_special(vocabulary, 6));
    assert_false(vocabulary_is_special(vocabulary, 8));
    assert_string_equal(vocabulary_added(vocabulary, &count)[7].content, "covid19");
    assert_int_equal(count, 8);
    expect_saved(*state, vocabulary, SPECIAL "a\n");
    vocabulary_free(vocabulary);
}

static void added_tokens_that_contradict_the_lines_are_refused(void **state)
{
    static const struct {
        struct added_token token;
        const char *message;
    } cases[] = {
        {{.content = "b", .id = 5}, "the added token \"b\" has the id 5, which is the token \"a\""},
        {{.content = "b", .id = 1000000},
         "the added token \"b\" has the id 1000000, after 6 tokens"},
    };
    const char *path = scratch_write_text(*state, "vocab.txt", SPECIAL "a\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct vocabulary_additions additions = {.added = &cases[i].token, .count = 1};
        struct error error = {0};
        assert_null(vocabulary_load_with(path, &additions, &error));
        assert_non_null(strstr(error.message, cases[i].message));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(lines_are_numbered_from_zero),
        SCRATCH_TEST(special_tokens_are_found_wherever_they_stand),
        SCRATCH_TEST(only_whole_tokens_are_found),
        cmocka_unit_test(many_tokens_keep_their_ids),
        SCRATCH_TEST(the_hash_is_that_of_the_lines),
        SCRATCH_TEST(saving_writes_the_lines),
        SCRATCH_TEST(errors_name_the_line),
        SCRATCH_TEST(what_is_no_vocabulary_is_named),
        cmocka_unit_test(errors_of_tokens_in_memory_name_their_origin),
        SCRATCH_TEST(ids_are_line_numbers_whatever_the_lines_hold),
        SCRATCH_TEST(empty_lines_at_the_end_are_kept_but_have_no_ids),
        SCRATCH_TEST(a_byte_order_mark_is_left_out_and_said),
        SCRATCH_TEST(a_lone_carriage_return_ends_a_line),
        SCRATCH_TEST(cased_vocabularies_are_told_from_their_tokens),
        SCRATCH_TEST(accents_are_told_from_the_tokens),
        SCRATCH_TEST(added_tokens_follow_the_lines),
        SCRATCH_TEST(added_tokens_that_contradict_the_lines_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
