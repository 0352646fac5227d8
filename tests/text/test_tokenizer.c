#include "text/tokenizer.h"

#include "base/file.h"
#include "base/random.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- support ---- */

static const char *const tokens[] = {"[PAD]",  "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##aff",
                                     "##able", "the",   ".",     ",",     "'",      "t",  "don",
                                     "##ing",  "go",    "q",     "##q",   "中",     "[",  "]",
                                     "?",      "s",     "'s",    "!",     "n't",    "##."};

enum { TOKEN_COUNT = sizeof tokens / sizeof *tokens };

struct fixture {
    struct tokenizer *tokenizer;
    struct encoder *encoder;
};

static struct fixture open_vocabulary(struct vocabulary *vocabulary, bool lowercase)
{
    struct error error = {0};
    struct tokenizer_options options = tokenizer_default_options;
    struct fixture fixture;

    options.lowercase = lowercase;
    assert_non_null(vocabulary);
    fixture.tokenizer = tokenizer_create(vocabulary, options, &error);
    assert_non_null(fixture.tokenizer);
    fixture.encoder = encoder_create(fixture.tokenizer, &error);
    assert_non_null(fixture.encoder);
    return fixture;
}

static struct fixture open_small(void)
{
    struct error error = {0};
    return open_vocabulary(vocabulary_create(tokens, TOKEN_COUNT, "test", &error), true);
}

/* Skips the test when the published vocabulary is not there. */
static struct fixture open_published(const char *name, bool lowercase)
{
    struct error error = {0};
    char path[512];

    snprintf(path, sizeof path, "%s/vocab/bert-base-%s.txt", TEST_SHARED, name);
    if (!path_exists(path)) {
        print_message("%s is absent: skipped\n", path);
        skip();
    }
    return open_vocabulary(vocabulary_load(path, &error), lowercase);
}

static void release(struct fixture fixture)
{
    encoder_free(fixture.encoder);
    tokenizer_free(fixture.tokenizer);
}

static size_t encode(struct fixture fixture, const char *text, size_t size, const int32_t **ids)
{
    struct error error = {0};
    size_t count = 0;
    assert_true(encoder_encode(fixture.encoder, text, size, ids, &count, &error));
    return count;
}

static void expect_sized(struct fixture fixture, const char *text, size_t size,
                         const char *expected)
{
    const struct vocabulary *vocabulary = tokenizer_vocabulary(fixture.tokenizer);
    struct error error = {0};
    struct buffer found = {0};
    const int32_t *ids;
    size_t count = encode(fixture, text, size, &ids);

    assert_true(buffer_append(&found, "", 0, &error));
    for (size_t i = 0; i < count; i++)
        assert_true(buffer_print(&found, &error, "%s%s", i ? " " : "",
                                 vocabulary_token(vocabulary, ids[i])));
    assert_string_equal(found.data, expected);
    buffer_free(&found);
}

static void expect(struct fixture fixture, const char *text, const char *expected)
{
    expect_sized(fixture, text, strlen(text), expected);
}

/* ---- encoding ---- */

static void words_become_pieces(void **state)
{
    struct fixture fixture = open_small();

    (void)state;
    expect(fixture, "", "");
    expect(fixture, " \n ", "");
    expect(fixture, "The Unaffable, going.", "the un ##aff ##able , go ##ing .");
    expect(fixture, "DON'T", "don ' t");
    expect(fixture, "the xyz 中the", "the [UNK] 中 the");
    release(fixture);
}

static void special_tokens_are_recognized_before_normalization(void **state)
{
    struct fixture fixture = open_small();

    (void)state;
    expect(fixture, "the[MASK]go [SEP] [CLS][PAD][UNK]", "the [MASK] go [SEP] [CLS] [PAD] [UNK]");
    expect(fixture, "[mask]", "[ [UNK] ]");
    expect(fixture, "[[MASK]]", "[ [MASK] ]");
    release(fixture);
}

static void words_over_100_characters_are_unknown(void **state)
{
    struct fixture fixture = open_small();
    struct error error = {0};
    struct buffer expected = {0};
    char word[101];

    (void)state;
    memset(word, 'q', sizeof word);
    assert_true(buffer_append(&expected, "q", 1, &error));
    for (int i = 1; i < 100; i++)
        assert_true(buffer_append(&expected, " ##q", 4, &error));
    expect_sized(fixture, word, 100, expected.data);
    expect_sized(fixture, word, 101, "[UNK]");
    buffer_free(&expected);
    release(fixture);
}

static void invalid_utf8_is_dropped(void **state)
{
    struct fixture fixture = open_small();

    (void)state;
    expect(fixture,
           "th\xFF"
           "e \xC3",
           "the");
    expect_sized(fixture, "th\0e", 4, "the");
    release(fixture);
}

/* A word found again gives what it gave when it was new: one encoder for all texts against a new
 * one for each. */
static void the_cache_changes_nothing(void **state)
{
    enum { TEXTS = 300, TEXT_BYTES = 400 };
    struct error error = {0};
    struct fixture fixture = open_small();
    static const char *const parts[] = {"un",  "aff", "able", "q", "go", "ing", "the",
                                        "don", " ",   " ",    ".", "中", "zz"};

    (void)state;
    for (uint64_t i = 0; i < TEXTS; i++) {
        struct random random = random_begin(5, RANDOM_TEST, i % (TEXTS / 2), 0);
        char text[TEXT_BYTES] = "";
        const int32_t *warm, *cold;
        size_t cold_count;

        while (strlen(text) < TEXT_BYTES - 8)
            strcat(text, parts[random_below(&random, sizeof parts / sizeof *parts)]);
        struct encoder *fresh = encoder_create(fixture.tokenizer, &error);
        assert_non_null(fresh);
        assert_true(encoder_encode(fresh, text, strlen(text), &cold, &cold_count, &error));
        assert_int_equal(encode(fixture, text, strlen(text), &warm), cold_count);
        assert_memory_equal(warm, cold, cold_count * sizeof *cold);
        encoder_free(fresh);
    }
    release(fixture);
}

/* 15 to 18 and 31 to 33 bytes, 2 to 4 and 7 to 8 pieces: at and around what the cache holds, with
 * the same beginnings. Asked twice, in one order and in the other. */
static void words_at_the_limits_of_the_cache(void **state)
{
    static const char *const words[][2] = {
        {"qq", "q ##q"},
        {"qqq", "q ##q ##q"},
        {"qqqq", "q ##q ##q ##q"},
        {"unableableablea", "[UNK]"},
        {"unableableableab", "[UNK]"},
        {"unableableableabl", "[UNK]"},
        {"unableableableable", "un ##able ##able ##able ##able"},
        {"goableableableaff", "go ##able ##able ##able ##aff"},
        {"unaffaffaffaffq", "un ##aff ##aff ##aff ##aff ##q"},
        {"qqqqqqq", "q ##q ##q ##q ##q ##q ##q"},
        {"qqqqqqqq", "q ##q ##q ##q ##q ##q ##q ##q"},
        {"unableableableableableableablea", "[UNK]"},
        {"unableableableableableableableaf", "[UNK]"},
        {"unableableableableableableableaff",
         "un ##able ##able ##able ##able ##able ##able ##able ##aff"},
    };
    enum { WORDS = sizeof words / sizeof *words };
    (void)state;
    for (int backwards = 0; backwards < 2; backwards++) {
        struct fixture fixture = open_small();
        for (int i = 0; i < 2 * WORDS; i++) {
            const int at = backwards ? 2 * WORDS - 1 - i : i;
            expect(fixture, words[at % WORDS][0], words[at % WORDS][1]);
        }
        release(fixture);
    }
}

/* Of more words than the cache has places for, met for the first time: every fourth is one of 84
 * with up to four pieces, the others are unknown. */
static size_t nth_word(int n, char word[32])
{
    static const char *const pieces[] = {"q", "able", "ing", "aff"};
    if (n % 4 != 0)
        return (size_t)snprintf(word, 32, "zz%d", n);
    int left = n / 4 % 84, count = left < 4 ? 1 : left < 20 ? 2 : 3;
    left -= count == 1 ? 0 : count == 2 ? 4 : 20;
    size_t size = (size_t)snprintf(word, 32, "un");
    for (int i = 0; i < count; i++, left /= 4)
        size += (size_t)snprintf(word + size, 32 - size, "%s", pieces[left % 4]);
    return size;
}

static void words_push_each_other_out_of_the_cache(void **state)
{
    enum { WORDS = 50000, MOST_IDS = 4 };
    static int32_t expected[WORDS][MOST_IDS];
    static size_t counts[WORDS];
    struct fixture fixture = open_small();
    char word[32];
    (void)state;
    for (int i = 0; i < 2 * WORDS; i++) {
        const int n = i < WORDS ? i : 2 * WORDS - 1 - i;
        const int32_t *ids;
        const size_t size = nth_word(n, word), count = encode(fixture, word, size, &ids);
        assert_in_range(count, 1, MOST_IDS);
        if (i < WORDS) {
            counts[n] = count;
            memcpy(expected[n], ids, count * sizeof *ids);
        }
        assert_int_equal(count, counts[n]);
        assert_memory_equal(ids, expected[n], count * sizeof *ids);
        if (n >= 4 * 84) /* what the same word was, or another unknown one */
            assert_int_equal(count, counts[n % 4 ? 1 : n - 4 * 84]);
    }
    release(fixture);
}

/* ---- golden files ---- */

static json_t *read_records(const char *path)
{
    struct error error = {0};
    struct buffer file = {0};
    json_t *records = json_array();

    if (!path_exists(path)) {
        print_message("%s is absent: skipped\n", path);
        skip();
    }
    assert_true(file_read(path, 1 << 24, &file, &error));
    for (char *line = strtok(file.data, "\n"); line; line = strtok(NULL, "\n"))
        assert_int_equal(json_array_append_new(records, json_loads(line, 0, NULL)), 0);
    buffer_free(&file);
    return records;
}

static void expect_ids(struct fixture fixture, const char *text, size_t size,
                       const json_t *expected)
{
    const int32_t *ids;
    size_t count = encode(fixture, text, size, &ids);

    assert_int_equal(count, json_array_size(expected));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ids[i], json_integer_value(json_array_get(expected, i)));
}

/* Texts and ids from the golden file of Hugging Face tokenizers. */
static void golden_texts_of_hugging_face(void **state)
{
    struct fixture fixture = open_published("uncased", true);
    json_t *records = read_records(TEST_SHARED "/tokenization/hf_golden_uncased.jsonl");
    size_t index, checked = 0;
    const json_t *record;

    (void)state;
    json_array_foreach(records, index, record)
    {
        const json_t *text = json_object_get(record, "text");
        const json_t *ids = json_object_get(record, "ids_no_specials");
        if (!text || !ids)
            continue;
        expect_ids(fixture, json_string_value(text), json_string_length(text), ids);
        checked++;
    }
    assert_in_range(checked, 10, 1000);
    json_decref(records);
    release(fixture);
}

/* Texts between separators and a line of ids for each, from llama.cpp's tests of the uncased
 * vocabulary. */
static void golden_texts_of_llama_cpp(void **state)
{
    static const char separator[] = "\n__ggml_vocab_test__\n";
    struct fixture fixture = open_published("uncased", true);
    struct error error = {0};
    struct buffer texts = {0}, lines = {0};
    size_t checked = 0;

    (void)state;
    assert_true(file_read(TEST_SHARED "/tokenization/ggml-vocab-bert-bge.gguf.inp", 1 << 20, &texts,
                          &error));
    assert_true(file_read(TEST_SHARED "/tokenization/ggml-vocab-bert-bge.gguf.out", 1 << 20, &lines,
                          &error));
    const char *text = texts.data, *line = lines.data;
    for (const char *end; (end = strstr(text, separator)) != NULL;
         text = end + sizeof separator - 1, checked++) {
        const int32_t *ids;
        size_t count = encode(fixture, text, (size_t)(end - text), &ids);

        for (size_t i = 0; i < count; i++) {
            char *next;
            assert_int_equal(ids[i], strtol(line, &next, 10));
            line = next;
        }
        assert_int_equal(*line++, '\n');
    }
    assert_int_equal(checked, 46);
    buffer_free(&texts);
    buffer_free(&lines);
    release(fixture);
}

/* ---- decoding ---- */

static void expect_text(struct fixture fixture, const char *text, bool with_special_tokens,
                        const char *expected)
{
    struct error error = {0};
    const int32_t *ids;
    size_t count = encode(fixture, text, strlen(text), &ids);
    char *decoded = tokenizer_decode(fixture.tokenizer, ids, count, with_special_tokens, &error);

    assert_non_null(decoded);
    assert_string_equal(decoded, expected);
    free(decoded);
}

/* The expected texts are those of BertTokenizer.decode(skip_special_tokens=True),
 * transformers 5.23. */
static void decoding_joins_pieces_and_punctuation(void **state)
{
    struct fixture fixture = open_small();

    (void)state;
    expect_text(fixture, "", false, "");
    expect_text(fixture, "[CLS] The unaffable, going! [MASK] the?[SEP]", false,
                "the unaffable, going! the?");
    expect_text(fixture, "don't . 's", false, "don ' t. ' s");
    expect_text(fixture, "[CLS] . the [PAD]", false, ". the");
    expect_text(fixture, "[MASK]", false, "");
    release(fixture);
}

/* As decode(skip_special_tokens=False) of what is left without [PAD], which the fill-mask pipeline
 * takes out first. */
static void decoding_may_keep_special_tokens(void **state)
{
    struct fixture fixture = open_small();

    (void)state;
    expect_text(fixture, "[CLS] the [MASK], going[SEP]", true, "[CLS] the [MASK], going [SEP]");
    expect_text(fixture, "[PAD] the [PAD] [UNK].[PAD]", true, "the [UNK].");
    release(fixture);
}

/* Tokens that no encoding of this vocabulary gives, but another may. */
static void decoding_treats_each_token_alone(void **state)
{
    struct fixture fixture = open_small();
    const struct vocabulary *vocabulary = tokenizer_vocabulary(fixture.tokenizer);
    struct error error = {0};
    const int32_t ids[] = {
        vocabulary_find(vocabulary, "##ing", 5), vocabulary_find(vocabulary, "'s", 2),
        vocabulary_find(vocabulary, "n't", 3), vocabulary_find(vocabulary, "##.", 3)};
    char *decoded = tokenizer_decode(fixture.tokenizer, ids, 4, false, &error);

    (void)state;
    assert_string_equal(decoded, "##ing'sn't.");
    free(decoded);
    release(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_become_pieces),
        cmocka_unit_test(special_tokens_are_recognized_before_normalization),
        cmocka_unit_test(words_over_100_characters_are_unknown),
        cmocka_unit_test(invalid_utf8_is_dropped),
        cmocka_unit_test(the_cache_changes_nothing),
        cmocka_unit_test(words_at_the_limits_of_the_cache),
        cmocka_unit_test(words_push_each_other_out_of_the_cache),
        cmocka_unit_test(golden_texts_of_hugging_face),
        cmocka_unit_test(golden_texts_of_llama_cpp),
        cmocka_unit_test(decoding_joins_pieces_and_punctuation),
        cmocka_unit_test(decoding_may_keep_special_tokens),
        cmocka_unit_test(decoding_treats_each_token_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
