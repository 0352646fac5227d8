#include "text/tokenizer.h"

#include "base/file.h"
#include "base/json.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const tokens[] = {"[PAD]",  "[UNK]", "[CLS]", "[SEP]",
                                     "[MASK]", "the",   "##é",   "\"\\"};

enum { TOKEN_COUNT = sizeof tokens / sizeof *tokens };

static struct tokenizer *create(struct tokenizer_options options)
{
    struct error error = {0};
    struct vocabulary *vocabulary = vocabulary_create(tokens, TOKEN_COUNT, "test", &error);
    assert_non_null(vocabulary);
    struct tokenizer *tokenizer = tokenizer_create(vocabulary, options, &error);
    assert_non_null(tokenizer);
    return tokenizer;
}

static void save(struct scratch *scratch, struct tokenizer_options options)
{
    struct error error = {0};
    struct tokenizer *tokenizer = create(options);
    assert_true(tokenizer_save(tokenizer, scratch->directory, 512, &error));
    tokenizer_free(tokenizer);
}

static void expect_loaded(struct scratch *scratch, struct tokenizer_options expected)
{
    struct error error = {0};
    struct tokenizer *tokenizer = tokenizer_load(scratch->directory, &error);

    assert_string_equal(error.message, "");
    assert_non_null(tokenizer);
    struct tokenizer_options options = tokenizer_get_options(tokenizer);
    assert_int_equal(options.lowercase, expected.lowercase);
    assert_int_equal(options.strip_accents, expected.strip_accents);
    assert_int_equal(options.tokenize_chinese_chars, expected.tokenize_chinese_chars);
    assert_int_equal(vocabulary_size(tokenizer_vocabulary(tokenizer)), TOKEN_COUNT);
    for (int32_t id = 0; id < TOKEN_COUNT; id++)
        assert_string_equal(vocabulary_token(tokenizer_vocabulary(tokenizer), id), tokens[id]);
    tokenizer_free(tokenizer);
}

static void remove_file(struct scratch *scratch, const char *name)
{
    assert_int_equal(remove(scratch_path(scratch, name)), 0);
}

static void what_is_saved_loads(void **state)
{
    for (int bits = 0; bits < 12; bits++) {
        struct tokenizer_options options = {bits & 1, (enum strip_accents)(bits / 4), bits & 2};

        save(*state, options);
        expect_loaded(*state, options); /* from tokenizer.json */
        remove_file(*state, "tokenizer.json");
        expect_loaded(*state, options); /* from vocab.txt and tokenizer_config.json */
    }
}

static void a_vocabulary_alone_has_the_default_settings(void **state)
{
    save(*state, (struct tokenizer_options){false, STRIP_ACCENTS_NO, false});
    remove_file(*state, "tokenizer.json");
    remove_file(*state, "tokenizer_config.json");
    expect_loaded(*state, tokenizer_default_options);
}

/* As save_pretrained of transformers 5.23 writes them: tests/interop loads them there. */
static void small_files_are_written_in_full(void **state)
{
    struct error error = {0};
    struct buffer written = {0};

    save(*state, tokenizer_default_options);
    assert_true(file_read(scratch_path(*state, "tokenizer_config.json"), 4096, &written, &error));
    assert_string_equal(written.data, "{\n  \"tokenizer_class\": \"BertTokenizer\",\n"
                                      "  \"backend\": \"tokenizers\",\n"
                                      "  \"do_lower_case\": true,\n"
                                      "  \"strip_accents\": null,\n"
                                      "  \"tokenize_chinese_chars\": true,\n"
                                      "  \"model_max_length\": 512,\n"
                                      "  \"pad_token\": \"[PAD]\",\n"
                                      "  \"unk_token\": \"[UNK]\",\n"
                                      "  \"cls_token\": \"[CLS]\",\n"
                                      "  \"sep_token\": \"[SEP]\",\n"
                                      "  \"mask_token\": \"[MASK]\"\n}\n");
    written.size = 0;
    assert_true(file_read(scratch_path(*state, "special_tokens_map.json"), 4096, &written, &error));
    assert_string_equal(written.data, "{\n  \"pad_token\": \"[PAD]\",\n"
                                      "  \"unk_token\": \"[UNK]\",\n"
                                      "  \"cls_token\": \"[CLS]\",\n"
                                      "  \"sep_token\": \"[SEP]\",\n"
                                      "  \"mask_token\": \"[MASK]\"\n}\n");
    buffer_free(&written);
}

static void saving_into_no_directory_fails(void **state)
{
    struct error error = {0};
    struct tokenizer *tokenizer = create(tokenizer_default_options);

    assert_false(tokenizer_save(tokenizer, scratch_path(*state, "absent"), 512, &error));
    assert_non_null(strstr(error.message, "absent/vocab.txt"));
    tokenizer_free(tokenizer);
}

/* Loads the directory, which must fail with "DIRECTORY/NAME: MESSAGE". */
static void expect_refusal(struct scratch *scratch, const char *name, const char *message)
{
    struct error error = {0};
    char expected[2048];

    assert_null(tokenizer_load(scratch->directory, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    snprintf(expected, sizeof expected, "%s/%s: %s", scratch->directory, name, message);
    assert_string_equal(error.message, expected);
}

static void an_empty_directory_is_refused(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};

    assert_null(tokenizer_load(scratch->directory, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_non_null(strstr(error.message, scratch->directory));
    assert_non_null(strstr(error.message, "holds neither tokenizer.json nor vocab.txt; expected a "
                                          "model directory with a tokenizer"));
}

/* A change to a good file: the value of a key with dots becomes the JSON given, or goes when that
 * is NULL. */
struct change {
    const char *key, *json, *message;
};

static void apply(json_t *root, const char *key, const char *json)
{
    const char *dot = strchr(key, '.');

    if (dot) {
        apply(json_object_getn(root, key, (size_t)(dot - key)), dot + 1, json);
    } else if (json) {
        assert_int_equal(json_object_set_new(root, key, json_loads(json, JSON_DECODE_ANY, NULL)),
                         0);
    } else {
        assert_int_equal(json_object_del(root, key), 0);
    }
}

static void change_file(struct scratch *scratch, const char *name, const struct change *change)
{
    struct error error = {0};

    save(scratch, tokenizer_default_options);
    json_t *root = json_read_file(scratch_path(scratch, name), &error);
    assert_non_null(root);
    apply(root, change->key, change->json);
    assert_true(json_write_file(scratch_path(scratch, name), root, &error));
    json_decref(root);
}

#define FIVE                                                                                       \
    "expected only [PAD] [UNK] [CLS] [SEP] [MASK], with their ids in model.vocab, special, "       \
    "without single_word, lstrip, rstrip, normalized"
#define NUMBERED "; the ids must be numbered without gaps"

static void other_tokenizers_are_refused_by_key(void **state)
{
    static const struct change changes[] = {
        {"model.type", "\"BPE\"", "model.type is \"BPE\"; expected WordPiece"},
        {"model", "1", "model.unk_token is missing; expected [UNK]"},
        {"model.unk_token", "\"<unk>\"", "model.unk_token is \"<unk>\"; expected [UNK]"},
        {"model.continuing_subword_prefix", "\"@\"",
         "model.continuing_subword_prefix is \"@\"; expected ##"},
        {"model.max_input_chars_per_word", "200",
         "model.max_input_chars_per_word is 200; expected 100"},
        {"normalizer", "null", "normalizer.type is missing; expected BertNormalizer"},
        {"normalizer.type", "\"NFC\"", "normalizer.type is \"NFC\"; expected BertNormalizer"},
        {"normalizer.clean_text", "false", "normalizer.clean_text is false; expected true"},
        {"normalizer.lowercase", "1", "normalizer.lowercase is 1; expected true or false"},
        {"normalizer.strip_accents", NULL,
         "normalizer.strip_accents is missing; expected null, true or false"},
        {"normalizer.handle_chinese_chars", NULL,
         "normalizer.handle_chinese_chars is missing; expected true or false"},
        {"pre_tokenizer.type", "\"Whitespace\"",
         "pre_tokenizer.type is \"Whitespace\"; expected BertPreTokenizer"},
        {"model.vocab", "[]", "model.vocab is []; expected an object of tokens and their ids"},
        {"model.vocab.the", "9",
         "model.vocab gives the token \"the\" an id that is not an integer from 0 to 7" NUMBERED},
        {"model.vocab.the", "-1",
         "model.vocab gives the token \"the\" an id that is not an integer from 0 to 7" NUMBERED},
        {"model.vocab.the", "\"5\"",
         "model.vocab gives the token \"the\" an id that is not an integer from 0 to 7" NUMBERED},
        {"model.vocab.the", "4",
         "model.vocab gives the tokens \"[MASK]\" and \"the\" the same id 4"},
        {"model.vocab.[MASK]", NULL,
         "model.vocab gives the token \"\"\\\" an id that is not an integer from 0 to 6" NUMBERED},
        {"model.vocab", "{\"[PAD]\": 0, \"[UNK]\": 1, \"[CLS]\": 2, \"[SEP]\": 3}",
         "the special token [MASK] is not among its 4 tokens; a BERT vocabulary has [PAD] [UNK] "
         "[CLS] [SEP] [MASK]"},
        {"added_tokens", "[]",
         "added_tokens does not hold [PAD]; expected the five special tokens of BERT"},
        {"added_tokens", "[{\"id\":5,\"content\":\"the\",\"special\":true}]",
         "added_tokens is {\"id\":5,\"content\":\"the\",\"special\":true}; " FIVE},
        {"added_tokens", "[{\"id\":3,\"content\":\"[PAD]\",\"special\":true}]",
         "added_tokens is {\"id\":3,\"content\":\"[PAD]\",\"special\":true}; " FIVE},
        {"added_tokens", "[{\"id\":4,\"content\":\"[MASK]\",\"special\":true,\"lstrip\":true}]",
         "added_tokens is "
         "{\"id\":4,\"content\":\"[MASK]\",\"special\":true,\"lstrip\":true}; " FIVE},
    };

    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        change_file(*state, "tokenizer.json", &changes[i]);
        expect_refusal(*state, "tokenizer.json", changes[i].message);
    }
}

static void other_configurations_are_refused_by_key(void **state)
{
    static const struct change changes[] = {
        {"tokenizer_class", "\"RobertaTokenizer\"",
         "tokenizer_class is \"RobertaTokenizer\"; expected BertTokenizer"},
        {"do_lower_case", "\"yes\"", "do_lower_case is \"yes\"; expected true or false"},
        {"tokenize_chinese_chars", "null",
         "tokenize_chinese_chars is null; expected true or false"},
        {"strip_accents", "0", "strip_accents is 0; expected null, true or false"},
        {"do_basic_tokenize", "false", "do_basic_tokenize is false; expected true"},
        {"mask_token", "\"<mask>\"", "mask_token is \"<mask>\"; expected [MASK]"},
        {"mask_token", "{\"content\": \"<mask>\"}",
         "mask_token is {\"content\":\"<mask>\"}; expected [MASK]"},
    };

    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        change_file(*state, "tokenizer_config.json", &changes[i]);
        remove_file(*state, "tokenizer.json");
        expect_refusal(*state, "tokenizer_config.json", changes[i].message);
    }
}

/* Where the two files disagree, transformers goes by the configuration of a BertTokenizer. */
static void the_configuration_comes_before_tokenizer_json(void **state)
{
    static const struct change lowercase = {"do_lower_case", "false", NULL};
    static const struct change none = {"do_lower_case", NULL, NULL};
    static const struct change bad = {"do_lower_case", "0", NULL};
    static const struct change class = {"tokenizer_class", "\"PreTrainedTokenizerFast\"", NULL};
    struct tokenizer_options cased = tokenizer_default_options;
    cased.lowercase = false;

    change_file(*state, "tokenizer_config.json", &lowercase);
    expect_loaded(*state, cased);
    change_file(*state, "tokenizer_config.json", &none);
    expect_loaded(*state, tokenizer_default_options);
    change_file(*state, "tokenizer_config.json", &bad);
    expect_refusal(*state, "tokenizer_config.json", "do_lower_case is 0; expected true or false");
    change_file(*state, "tokenizer_config.json", &class);
    expect_loaded(*state, tokenizer_default_options);
}

static void older_forms_are_read(void **state)
{
    /* tokenizers before 0.8 wrote no model type; transformers 4 wrote tokens as objects and "Fast".
     */
    static const struct change model = {"model.type", NULL, NULL};
    static const struct change class = {"tokenizer_class", "\"BertTokenizerFast\"", NULL};
    static const struct change token = {"unk_token", "{\"content\": \"[UNK]\"}", NULL};

    change_file(*state, "tokenizer.json", &model);
    expect_loaded(*state, tokenizer_default_options);
    change_file(*state, "tokenizer_config.json", &class);
    remove_file(*state, "tokenizer.json");
    expect_loaded(*state, tokenizer_default_options);
    change_file(*state, "tokenizer_config.json", &token);
    remove_file(*state, "tokenizer.json");
    expect_loaded(*state, tokenizer_default_options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(what_is_saved_loads),
        SCRATCH_TEST(a_vocabulary_alone_has_the_default_settings),
        SCRATCH_TEST(small_files_are_written_in_full),
        SCRATCH_TEST(saving_into_no_directory_fails),
        SCRATCH_TEST(an_empty_directory_is_refused),
        SCRATCH_TEST(other_tokenizers_are_refused_by_key),
        SCRATCH_TEST(other_configurations_are_refused_by_key),
        SCRATCH_TEST(the_configuration_comes_before_tokenizer_json),
        SCRATCH_TEST(older_forms_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
