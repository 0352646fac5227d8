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

/* The files are like those of save_pretrained of transformers 5.23; tests/interop loads them
 * there. */
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

/* Loads the directory and asserts that it fails with "DIRECTORY/NAME: MESSAGE". */
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

/* A change to a valid file: the value of a key with dots is replaced by the JSON, or removed if
 * that is NULL. */
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

static void other_tokenizers_are_refused_by_key(void **state)
{
    static const struct change changes[] = {
        {"model.type", "\"BPE\"", "model.type is \"BPE\"; expected WordPiece"},
        {"model", "1", "model.unk_token is missing; expected [UNK]"},
        {"model.unk_token", "7", "model.unk_token is 7; expected [UNK]"},
        {"post_processor.type", "\"RobertaProcessing\"",
         "post_processor.type is \"RobertaProcessing\"; expected TemplateProcessing or "
         "BertProcessing"},
        {"model.continuing_subword_prefix", "\"@\"",
         "model.continuing_subword_prefix is \"@\"; expected ##"},
        {"model.max_input_chars_per_word", "200",
         "model.max_input_chars_per_word is 200; expected 100"},
        {"normalizer", "null", "normalizer.type is missing; expected BertNormalizer"},
        {"normalizer.type", "\"NFC\"", "normalizer.type is \"NFC\"; expected BertNormalizer"},
        {"normalizer",
         "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"BertNormalizer\"},"
         "{\"type\":\"Replace\"}]}",
         "the Sequence of normalizer holds Replace; expected BertNormalizer alone"},
        {"normalizer", "{\"type\":\"Sequence\",\"normalizers\":[7]}",
         "the Sequence of normalizer holds no type; expected BertNormalizer alone"},
        {"normalizer", "{\"type\":\"Sequence\",\"normalizers\":[]}",
         "the Sequence of normalizer has 0 parts; expected BertNormalizer alone"},
        {"pre_tokenizer",
         "{\"type\":\"Sequence\",\"pretokenizers\":["
         "{\"type\":\"WhitespaceSplit\"},{\"type\":\"BertPreTokenizer\"}]}",
         "the Sequence of pre_tokenizer holds WhitespaceSplit; expected BertPreTokenizer alone"},
        {"pre_tokenizer",
         "{\"type\":\"Sequence\",\"pretokenizers\":["
         "{\"type\":\"BertPreTokenizer\"},{\"type\":\"BertPreTokenizer\"}]}",
         "the Sequence of pre_tokenizer has 2 parts; expected BertPreTokenizer alone"},
        {"post_processor",
         "{\"type\":\"Sequence\",\"processors\":["
         "{\"type\":\"ByteLevel\"},{\"type\":\"TemplateProcessing\"}]}",
         "post_processor.type is \"Sequence\"; expected TemplateProcessing or BertProcessing"},
        {"normalizer.clean_text", "false", "normalizer.clean_text is false; expected true"},
        {"normalizer.lowercase", "1", "normalizer.lowercase is 1; expected true or false"},
        {"normalizer.strip_accents", NULL,
         "normalizer.strip_accents is missing; expected null, true or false"},
        {"normalizer.handle_chinese_chars", NULL,
         "normalizer.handle_chinese_chars is missing; expected true or false"},
        {"pre_tokenizer.type", "\"Whitespace\"",
         "pre_tokenizer.type is \"Whitespace\"; expected BertPreTokenizer"},
        {"model.vocab", "[]", "model.vocab is []; expected an object of tokens and their ids"},
        {"model.vocab.the", "16",
         "model.vocab gives the token \"the\" an id that is not an integer from 0 to 15"},
        {"model.vocab.the", "-1",
         "model.vocab gives the token \"the\" an id that is not an integer from 0 to 15"},
        {"model.vocab.the", "\"5\"",
         "model.vocab gives the token \"the\" an id that is not an integer from 0 to 15"},
        {"model.vocab.the", "4",
         "model.vocab gives the tokens \"[MASK]\" and \"the\" the same id 4"},
        {"added_tokens", "[{\"id\":3,\"content\":\"[PAD]\",\"special\":true}]",
         "the added token \"[PAD]\" has the id 3, which is the token \"[SEP]\""},
        {"added_tokens", "[{\"id\":3}]",
         "added_tokens is {\"id\":3}; expected a token with \"content\" and an id"},
    };

    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        change_file(*state, "tokenizer.json", &changes[i]);
        expect_refusal(*state, "tokenizer.json", changes[i].message);
    }
}

/* Other files of a model that a user may give by mistake. */
static void json_that_is_no_tokenizer_is_named_as_such(void **state)
{
    static const char *const texts[] = {
        "{\"model_type\": \"bert\", \"vocab_size\": 100}", /* config.json */
        "{\"tokenizer_class\": \"BertTokenizer\"}",        /* tokenizer_config.json */
        "{\"unk_token\": \"[UNK]\"}",                      /* special_tokens_map.json */
        "{\"the\": 0}",                                    /* vocab.json */
        "{}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct error error = {0};
        const char *path = scratch_write_text(*state, "some.json", texts[i]);
        assert_null(tokenizer_open(path, NULL, &error));
        assert_int_equal(error.kind, ERROR_INPUT);
        assert_non_null(strstr(error.message,
                               "some.json: is not a tokenizer.json: it has no \"model\"; expected "
                               "a tokenizer.json, a vocab.txt or the directory of a model"));
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
        {"mask_token", "7", "mask_token is 7; expected a token"},
        {"tokenizer_class", "\"BertJapaneseTokenizer\"",
         "tokenizer_class is \"BertJapaneseTokenizer\"; expected BertTokenizer"},
        {"word_tokenizer_type", "\"mecab\"", "word_tokenizer_type is \"mecab\"; expected basic"},
        {"subword_tokenizer_type", "\"character\"",
         "subword_tokenizer_type is \"character\"; expected wordpiece"},
        {"split_special_tokens", "true", "split_special_tokens is true; expected false"},
    };

    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        change_file(*state, "tokenizer_config.json", &changes[i]);
        remove_file(*state, "tokenizer.json");
        expect_refusal(*state, "tokenizer_config.json", changes[i].message);
    }
}

/* If the two files disagree, transformers follows the configuration of a BertTokenizer. */
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

/* tokenizers writes such files if a program has put one part into a Sequence. */
static void sequences_of_one_part_are_that_part(void **state)
{
    static const struct change changes[] = {
        {"normalizer",
         "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Sequence\",\"normalizers\":["
         "{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":false,"
         "\"strip_accents\":null,\"lowercase\":false}]}]}",
         NULL},
        {"pre_tokenizer",
         "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"BertPreTokenizer\"}]}", NULL},
        {"post_processor",
         "{\"type\":\"Sequence\",\"processors\":[{\"type\":\"TemplateProcessing\"}]}", NULL},
    };
    struct tokenizer_options options[3] = {tokenizer_default_options, tokenizer_default_options,
                                           tokenizer_default_options};
    options[0].lowercase = options[0].tokenize_chinese_chars = false;
    for (int i = 0; i < 3; i++) {
        change_file(*state, "tokenizer.json", &changes[i]);
        remove_file(*state, "tokenizer_config.json");
        expect_loaded(*state, options[i]);
    }
}

/* Python code may encode a text in any way; a tokenizer.json is complete without it. */
static void code_is_not_ignored(void **state)
{
    static const struct change changes[] = {
        {"auto_map", "{\"AutoTokenizer\":[\"x.XTokenizer\",null]}",
         "auto_map.AutoTokenizer is [\"x.XTokenizer\",null]; expected no code of its own; remove "
         "the key if the vocab.txt is BERT's, or save a tokenizer.json with transformers"},
        {"auto_map", "[\"x.XTokenizer\",null]",
         "auto_map is [\"x.XTokenizer\",null]; expected no code of its own; remove the key if the "
         "vocab.txt is BERT's, or save a tokenizer.json with transformers"},
    };
    static const struct change other = {"auto_map", "{\"AutoModel\":\"x.X\"}", NULL};
    struct error error = {0};
    for (int i = 0; i < 2; i++) {
        change_file(*state, "tokenizer_config.json", &changes[i]);
        struct tokenizer *tokenizer = tokenizer_load(((struct scratch *)*state)->directory, &error);
        assert_string_equal(tokenizer_note(tokenizer),
                            "auto_map names code, which is not run; tokenizer.json is used");
        tokenizer_free(tokenizer);
        remove_file(*state, "tokenizer.json");
        expect_refusal(*state, "tokenizer_config.json", changes[i].message);
    }
    change_file(*state, "tokenizer_config.json", &other);
    remove_file(*state, "tokenizer.json");
    expect_loaded(*state, tokenizer_default_options);
    scratch_write_text(*state, "config.json",
                       "{\"model_type\": \"bert\", \"auto_map\": {\"AutoTokenizer\": \"y.Y\"}}");
    expect_refusal(*state, "config.json",
                   "auto_map.AutoTokenizer is \"y.Y\"; expected no code of its own; remove the key "
                   "if the vocab.txt is BERT's, or save a tokenizer.json with transformers");
}

static void pointers_of_git_lfs_are_named(void **state)
{
    struct scratch *scratch = *state;
    save(scratch, tokenizer_default_options);
    scratch_write_text(scratch, "tokenizer.json",
                       "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n");
    expect_refusal(scratch, "tokenizer.json",
                   "is a Git LFS pointer, not JSON; fetch it: git lfs pull");
}

/* tokenizer_config.json has no class; the model type in config.json does not decide instead. */
static void a_class_that_only_the_configuration_names_counts(void **state)
{
    static const struct change none = {"tokenizer_class", NULL, NULL};
    scratch_write_text(*state, "config.json",
                       "{\"model_type\": \"bert\", \"tokenizer_class\": \"RobertaTokenizer\"}");
    change_file(*state, "tokenizer_config.json", &none);
    expect_refusal(*state, "config.json",
                   "tokenizer_class is \"RobertaTokenizer\"; expected BertTokenizer");
    scratch_write_text(
        *state, "config.json",
        "{\"model_type\": \"bert\", \"tokenizer_class\": \"BertJapaneseTokenizer\"}");
    expect_refusal(*state, "config.json",
                   "tokenizer_class is \"BertJapaneseTokenizer\"; expected BertTokenizer");
}

static void older_forms_are_read(void **state)
{
    /* tokenizers before 0.8 wrote no model type; transformers 4 wrote tokens as objects and
     * "Fast". */
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
        SCRATCH_TEST(sequences_of_one_part_are_that_part),
        SCRATCH_TEST(code_is_not_ignored),
        SCRATCH_TEST(pointers_of_git_lfs_are_named),
        SCRATCH_TEST(json_that_is_no_tokenizer_is_named_as_such),
        SCRATCH_TEST(a_class_that_only_the_configuration_names_counts),
        SCRATCH_TEST(older_forms_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
