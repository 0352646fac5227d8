/* Tests added tokens and special tokens with other names. The expected ids are those of
 * transformers 5.24 with tokenizers 0.23.3 for the same directories. */
#include "base/file.h"
#include "support/scratch.h"
#include "text/text_encoder.h"
#include "text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIDDLE                                                                                     \
    "the\ncat\nsat\na\n##b\nc\n##c\n##o\n##v\n##i\n##d\n##1\n##9\nsee\non\nu\n##r\n##l\n[\n]"      \
    "\nurl\n"                                                                                      \
    "covid\n1\n9\né\n##s\n.\n"
#define LINES       "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n" MIDDLE
#define OTHER_LINES "[PAD]\n<unk>\n[CLS]\n[SEP]\n<mask>\n" MIDDLE
#define LOWER       "{\"do_lower_case\": true"
#define DECODER(flags)                                                                             \
    LOWER ", \"added_tokens_decoder\": {\"32\": {\"content\": \"[URL]\", \"normalized\": false, "  \
          "\"special\": true}, \"33\": {" flags "}}}"

static void write(struct scratch *scratch, const char *name, const char *text)
{
    if (text)
        scratch_write_text(scratch, name, text);
}

static void expect_ids(const struct tokenizer *tokenizer, const char *text, const char *expected)
{
    struct error error = {0};
    struct buffer found = {0};
    struct text_encoder *encoder = text_encoder_create(tokenizer, &error);
    const int32_t *ids;
    size_t count;

    assert_non_null(encoder);
    assert_true(text_encoder_encode(encoder, text, strlen(text), &ids, &count, &error));
    for (size_t i = 0; i < count; i++)
        assert_true(buffer_print(&found, &error, i ? " %d" : "%d", ids[i]));
    assert_string_equal(found.size ? found.data : "", expected);
    buffer_free(&found);
    text_encoder_free(encoder);
}

/* Expects the ids of all cases, from the tokenizer as it was read and after it was saved and read
 * again. */
static void expect_all(struct scratch *scratch, const char *const (*cases)[2], size_t count)
{
    struct error error = {0};
    for (int round = 0; round < 2; round++) {
        struct tokenizer *tokenizer = tokenizer_load(scratch->directory, &error);
        assert_string_equal(error.message, "");
        for (size_t i = 0; i < count; i++)
            expect_ids(tokenizer, cases[i][0], cases[i][1]);
        assert_true(tokenizer_save(tokenizer, scratch->directory, 512, &error));
        tokenizer_free(tokenizer);
    }
}

#define EXPECT_ALL(cases) expect_all(*state, cases, sizeof(cases) / sizeof *(cases))

static void added_tokens_json_is_read(void **state)
{
    static const char *const cases[][2] = {
        {"see [URL] on covid19", "18 32 19 33"},
        {"see [url] on COVID19", "18 32 19 33"},
        {"a[URL][URL] b", "8 32 32 1"},
    };
    write(*state, "vocab.txt", LINES);
    write(*state, "tokenizer_config.json", LOWER "}");
    write(*state, "added_tokens.json", "{\"covid19\": 33, \"[URL]\": 32}");
    EXPECT_ALL(cases);
}

static void special_added_tokens_keep_their_case(void **state)
{
    static const char *const cases[][2] = {
        {"see [URL] on covid19", "18 32 19 33"},
        {"see [url] on COVID19", "18 23 25 24 19 33"},
        {"cat covid19cat", "6 33 6"},
        {"[MASK] covid199", "4 33 28"},
    };
    write(*state, "vocab.txt", LINES);
    write(*state, "tokenizer_config.json", DECODER("\"content\": \"covid19\""));
    EXPECT_ALL(cases);
}

static void a_single_word_is_not_found_within_another(void **state)
{
    static const char *const cases[][2] = {
        {"see covid19.", "18 33 31"},
        {"cat covid199", "6 26 16 17 17"},
        {"cat covid19cat", "6 1"},
        {"COVID19", "33"},
    };
    write(*state, "vocab.txt", LINES);
    write(*state, "tokenizer_config.json",
          DECODER("\"content\": \"covid19\", \"single_word\": true"));
    EXPECT_ALL(cases);
}

static void spaces_around_a_token_change_no_id(void **state)
{
    static const char *const cases[][2] = {
        {"see  covid19  on", "18 33 19"},
        {"see [URL] covid19", "18 32 33"},
    };
    write(*state, "vocab.txt", LINES);
    write(*state, "tokenizer_config.json",
          DECODER("\"content\": \"covid19\", \"lstrip\": true, \"rstrip\": true"));
    EXPECT_ALL(cases);
}

static void special_tokens_have_the_names_of_the_files(void **state)
{
    static const char *const cases[][2] = {
        {"the <mask> sat <unk>", "5 4 7 1"},
        {"[MASK]", "23 1 24"},
        {"see\xE4\xB8\xAD", "18 1"},
    };
    static const char *const maps[][2] = {
        {LOWER "}", "{\"mask_token\": \"<mask>\", \"unk_token\": {\"content\": \"<unk>\"}}"},
        {LOWER ", \"mask_token\": \"<mask>\", \"unk_token\": \"<unk>\"}", NULL},
        /* Without added_tokens_decoder, the map is read last. */
        {LOWER ", \"mask_token\": \"[MASK]\", \"unk_token\": \"<unk>\"}",
         "{\"mask_token\": \"<mask>\"}"},
    };
    static const char *const files[] = {"tokenizer.json", "special_tokens_map.json"};
    struct scratch *scratch = *state;
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        for (size_t j = 0; j < 2; j++)
            remove(scratch_path(scratch, files[j]));
        write(scratch, "vocab.txt", OTHER_LINES);
        write(scratch, "tokenizer_config.json", maps[i][0]);
        write(scratch, "special_tokens_map.json", maps[i][1]);
        EXPECT_ALL(cases);
    }
}

static void a_special_token_that_is_no_token_is_named(void **state)
{
    struct error error = {0};
    write(*state, "vocab.txt", LINES);
    write(*state, "tokenizer_config.json", "{\"mask_token\": \"<mask>\"}");
    assert_null(tokenizer_load(((struct scratch *)*state)->directory, &error));
    assert_non_null(strstr(error.message, "the special token <mask> is not among its 32 tokens"));
}

static void more_special_tokens_are_lines(void **state)
{
    static const char *const cases[][2] = {{"xcovidx", "1 26 1"}};
    write(*state, "vocab.txt", LINES);
    write(*state, "tokenizer_config.json",
          LOWER ", \"additional_special_tokens\": [\"covid\", \"absent\"]}");
    EXPECT_ALL(cases);
}

/* A repeated token has one id in tokenizer.json; the other one is in vocab.txt. */
static void odd_lines_come_back_from_a_saved_directory(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    struct buffer written = {0};
    write(scratch, "vocab.txt", LINES "\nthe\n\n");
    write(scratch, "tokenizer_config.json", LOWER "}");
    struct tokenizer *first = tokenizer_load(scratch->directory, &error);
    assert_non_null(first);
    assert_true(tokenizer_save(first, scratch->directory, 512, &error));
    struct tokenizer *second = tokenizer_load(scratch->directory, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(vocabulary_hash(tokenizer_vocabulary(first)),
                     vocabulary_hash(tokenizer_vocabulary(second)));
    expect_ids(second, "the", "33");
    assert_true(file_read(scratch_path(scratch, "vocab.txt"), 1 << 20, &written, &error));
    assert_string_equal(written.data, LINES "\nthe\n\n");
    buffer_free(&written);
    tokenizer_free(first);
    tokenizer_free(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(added_tokens_json_is_read),
        SCRATCH_TEST(special_added_tokens_keep_their_case),
        SCRATCH_TEST(a_single_word_is_not_found_within_another),
        SCRATCH_TEST(spaces_around_a_token_change_no_id),
        SCRATCH_TEST(special_tokens_have_the_names_of_the_files),
        SCRATCH_TEST(a_special_token_that_is_no_token_is_named),
        SCRATCH_TEST(more_special_tokens_are_lines),
        SCRATCH_TEST(odd_lines_come_back_from_a_saved_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
