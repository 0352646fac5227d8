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

    EXPECT_REFUSAL(SPECIAL "\nx\n", ":6: the token is empty");
    EXPECT_REFUSAL(SPECIAL "a\n\n", ":7: the token is empty");
    EXPECT_REFUSAL(SPECIAL "a\r\n\r\n", ":7: the token is empty");
    EXPECT_REFUSAL(SPECIAL "a\nb\na\n", ":8: the token \"a\" stands already in line 6");
    EXPECT_REFUSAL(SPECIAL "a\xC3\n", ":6: the token is not valid UTF-8 from its byte 2 on");
    /* Saved, the token "a\r" would have been read back as "a". */
    EXPECT_REFUSAL(SPECIAL "a\r\r\n", ":6: the token holds a line break");
    EXPECT_REFUSAL(SPECIAL "a\0b\n", ":6: the token holds a zero byte");
    EXPECT_REFUSAL("[PAD]\n[UNK]\n[CLS]\n[SEP]\nx\n",
                   ": the special token [MASK] is not among its 5 tokens; a BERT vocabulary has "
                   "[PAD] [UNK] [CLS] [SEP] [MASK]");
    EXPECT_REFUSAL("", ": the special token [PAD] is not among its 0 tokens; a BERT vocabulary has "
                       "[PAD] [UNK] [CLS] [SEP] [MASK]");
    assert_null(vocabulary_load(scratch_path(*state, "absent.txt"), &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_non_null(strstr(error.message, "absent.txt"));
}

static void errors_of_tokens_in_memory_name_their_origin(void **state)
{
    const char *tokens[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[CLS]"};
    struct error error = {0};

    (void)state;
    assert_null(vocabulary_create(tokens, 6, "model.json", &error));
    assert_string_equal(error.message,
                        "model.json:6: the token \"[CLS]\" stands already in line 3");
    tokens[5] = "a\nb";
    assert_null(vocabulary_create(tokens, 6, "model.json", &error));
    assert_string_equal(error.message, "model.json:6: the token holds a line break");
}

static void published_vocabularies_load(void **state)
{
    static const struct {
        const char *name;
        int32_t size, mask;
    } published[] = {{"uncased", 30522, 103},
                     {"cased", 28996, 103},
                     {"multilingual-cased", 119547, 103},
                     {"chinese", 21128, 103}};

    (void)state;
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        struct error error = {0};
        char path[512];

        snprintf(path, sizeof path, "%s/vocab/bert-base-%s.txt", TEST_SHARED, published[i].name);
        if (!path_exists(path)) {
            print_message("%s is absent: skipped\n", path);
            skip();
        }
        struct vocabulary *vocabulary = vocabulary_load(path, &error);
        assert_non_null(vocabulary);
        assert_int_equal(vocabulary_size(vocabulary), published[i].size);
        assert_int_equal(vocabulary_special(vocabulary, SPECIAL_MASK), published[i].mask);
        vocabulary_free(vocabulary);
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
        cmocka_unit_test(errors_of_tokens_in_memory_name_their_origin),
        cmocka_unit_test(published_vocabularies_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
