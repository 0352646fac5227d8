#include "model/config.h"

#include "base/json.h"
#include "model/heads.h"
#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct model_config tiny(void)
{
    struct model_config config;
    assert_true(model_config_size("tiny", &config));
    return config;
}

/* ---- sizes ---- */

static void sizes_are_those_of_the_published_models(void **state)
{
    (void)state;
    const struct {
        const char *name;
        int layers, hidden, heads;
    } expected[] = {{"tiny", 2, 128, 2},   {"mini", 4, 256, 4},   {"small", 4, 512, 8},
                    {"medium", 8, 512, 8}, {"base", 12, 768, 12}, {"large", 24, 1024, 16}};
    struct error error = {0};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct model_config config;
        assert_true(model_config_size(expected[i].name, &config));
        assert_int_equal(config.num_hidden_layers, expected[i].layers);
        assert_int_equal(config.hidden_size, expected[i].hidden);
        assert_int_equal(config.num_attention_heads, expected[i].heads);
        assert_int_equal(config.intermediate_size, 4 * expected[i].hidden);
        assert_int_equal(config.vocab_size, 30522);
        assert_int_equal(config.max_position_embeddings, 512);
        assert_int_equal(config.type_vocab_size, 2);
        assert_true(config.layer_norm_eps == 1e-12);
        assert_true(model_config_check(&config, "size", &error));
        assert_string_equal(model_config_size_of(&config), expected[i].name);
    }
}

static void a_size_has_all_its_numbers(void **state)
{
    (void)state;
    struct model_config config = tiny();
    config.intermediate_size = 256;
    assert_null(model_config_size_of(&config));
    config = tiny();
    config.hidden_size = 32;
    assert_null(model_config_size_of(&config));
    config = tiny();
    config.num_hidden_layers = 4;
    assert_null(model_config_size_of(&config));
    config = tiny();
    config.num_attention_heads = 4;
    assert_null(model_config_size_of(&config));
    config = tiny();
    config.hidden_dropout_prob = 0;
    config.vocab_size = 300;
    assert_string_equal(model_config_size_of(&config), "tiny");
}

static void an_unknown_size_is_refused(void **state)
{
    (void)state;
    struct model_config config;
    assert_false(model_config_size("huge", &config));
    assert_false(model_config_size("", &config));
}

/* ---- checks ---- */

static void expect_refusal(struct model_config config, const char *message)
{
    struct error error = {0};
    assert_false(model_config_check(&config, "model", &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_string_equal(error.message, message);
}

#define REFUSES(member, value, message)                                                            \
    do {                                                                                           \
        struct model_config changed = tiny();                                                      \
        changed.member = value;                                                                    \
        expect_refusal(changed, message);                                                          \
    } while (0)

static void sizes_are_bounded(void **state)
{
    (void)state;
    REFUSES(vocab_size, 0, "model: vocab_size is 0; expected 1 to 1073741824");
    REFUSES(hidden_size, -8, "model: hidden_size is -8; expected 1 to 1073741824");
    REFUSES(num_hidden_layers, 0, "model: num_hidden_layers is 0; expected 1 to 4096");
    REFUSES(num_hidden_layers, 4097, "model: num_hidden_layers is 4097; expected 1 to 4096");
    REFUSES(num_attention_heads, 0, "model: num_attention_heads is 0; expected 1 to 65536");
    REFUSES(intermediate_size, 0, "model: intermediate_size is 0; expected 1 to 1073741824");
    REFUSES(max_position_embeddings, 65537,
            "model: max_position_embeddings is 65537; expected 1 to 65536");
    REFUSES(type_vocab_size, 0, "model: type_vocab_size is 0; expected 1 to 1073741824");
    REFUSES(num_attention_heads, 3,
            "model: hidden_size 128 is not a multiple of num_attention_heads 3");
    REFUSES(pad_token_id, 30522,
            "model: pad_token_id is 30522; expected 0 to 30521 (vocab_size - 1)");
    REFUSES(pad_token_id, -1, "model: pad_token_id is -1; expected 0 to 30521 (vocab_size - 1)");
}

static void matrices_stay_below_two_to_the_31(void **state)
{
    (void)state;
    REFUSES(vocab_size, 16777216,
            "model: a matrix of vocab_size (16777216) x hidden_size (128) elements is too large; "
            "expected less than 2^31");
    REFUSES(hidden_size, 32768,
            "model: a matrix of three times hidden_size (98304) x hidden_size (32768) elements is "
            "too large; expected less than 2^31");
    struct model_config largest = tiny();
    struct error error = {0};
    largest.vocab_size = 16777215;
    assert_true(model_config_check(&largest, "model", &error));
}

static void numbers_are_bounded(void **state)
{
    (void)state;
    REFUSES(hidden_dropout_prob, 1,
            "model: hidden_dropout_prob is 1; expected at least 0 and below 1");
    REFUSES(hidden_dropout_prob, (double)NAN,
            "model: hidden_dropout_prob is nan; expected at least 0 and below 1");
    REFUSES(attention_probs_dropout_prob, -0.1,
            "model: attention_probs_dropout_prob is -0.1; expected at least 0 and below 1");
    REFUSES(initializer_range, 0, "model: initializer_range is 0; expected a positive number");
    REFUSES(initializer_range, (double)INFINITY,
            "model: initializer_range is inf; expected a positive number");
    REFUSES(layer_norm_eps, 0, "model: layer_norm_eps is 0; expected at least 1.2e-38 and below 1");
    REFUSES(layer_norm_eps, 1e-50, /* 0 as a float */
            "model: layer_norm_eps is 1e-50; expected at least 1.2e-38 and below 1");
    REFUSES(layer_norm_eps, (double)NAN,
            "model: layer_norm_eps is nan; expected at least 1.2e-38 and below 1");
    REFUSES(layer_norm_eps, 1, "model: layer_norm_eps is 1; expected at least 1.2e-38 and below 1");
}

static void the_activation_is_found_by_name(void **state)
{
    (void)state;
    struct error error = {0};
    struct model_config config = tiny();
    strcpy(config.hidden_act, "gelu_pytorch_tanh");
    assert_true(model_config_check(&config, "model", &error));
    assert_int_equal(config.activation, ACTIVATION_GELU_TANH);
    strcpy(config.hidden_act, "swish");
    expect_refusal(config, "model: hidden_act is \"swish\"; expected gelu, gelu_new, "
                           "gelu_pytorch_tanh or relu");
}

/* ---- files ---- */

static void a_file_is_read_as_it_was_written(void **state)
{
    struct error error = {0};
    struct model_config config = {
        .heads = &pretraining_heads,
        .vocab_size = 1001,
        .hidden_size = 60,
        .num_hidden_layers = 3,
        .num_attention_heads = 5,
        .intermediate_size = 77,
        .hidden_act = "gelu_new",
        .activation = ACTIVATION_GELU_TANH,
        .hidden_dropout_prob = 0.1234567890123456789,
        .attention_probs_dropout_prob = 0,
        .max_position_embeddings = 33,
        .type_vocab_size = 4,
        .initializer_range = 1.0 / 3,
        .layer_norm_eps = 1e-12,
        .pad_token_id = 1000,
    };
    struct model_config loaded = {0};
    const char *path = scratch_path(*state, "config.json");
    assert_true(model_config_save_as(path, &config, config.heads->architecture, &error));
    assert_true(model_config_load(path, &loaded, &error));
    assert_memory_equal(loaded.hidden_act, "gelu_new", sizeof "gelu_new");
    assert_int_equal(loaded.activation, ACTIVATION_GELU_TANH);
    assert_int_equal(loaded.vocab_size, 1001);
    assert_int_equal(loaded.hidden_size, 60);
    assert_int_equal(loaded.num_hidden_layers, 3);
    assert_int_equal(loaded.num_attention_heads, 5);
    assert_int_equal(loaded.intermediate_size, 77);
    assert_int_equal(loaded.max_position_embeddings, 33);
    assert_int_equal(loaded.type_vocab_size, 4);
    assert_int_equal(loaded.pad_token_id, 1000);
    assert_true(loaded.hidden_dropout_prob == config.hidden_dropout_prob);
    assert_true(loaded.attention_probs_dropout_prob == 0);
    assert_true(loaded.initializer_range == config.initializer_range);
    assert_true(loaded.layer_norm_eps == 1e-12);
}

/* The keys that transformers writes, with its values for a BERT-tiny. */
static void the_file_holds_what_transformers_writes(void **state)
{
    struct error error = {0};
    struct model_config config = tiny();
    const char *path = scratch_path(*state, "config.json");
    assert_true(model_config_save_as(path, &config, config.heads->architecture, &error));
    json_t *found = json_read_file(path, &error);
    json_t *expected = json_loads(
        "{\"architectures\": [\"BertForPreTraining\"], \"model_type\": \"bert\","
        "\"attention_probs_dropout_prob\": 0.1, \"classifier_dropout\": null,"
        "\"hidden_act\": \"gelu\", \"hidden_dropout_prob\": 0.1, \"hidden_size\": 128,"
        "\"initializer_range\": 0.02, \"intermediate_size\": 512, \"layer_norm_eps\": 1e-12,"
        "\"max_position_embeddings\": 512, \"num_attention_heads\": 2, \"num_hidden_layers\": 2,"
        "\"pad_token_id\": 0, \"position_embedding_type\": \"absolute\", \"type_vocab_size\": 2,"
        "\"use_cache\": true, \"vocab_size\": 30522, \"tie_word_embeddings\": true,"
        "\"dtype\": \"float32\"}",
        0, NULL);
    assert_non_null(expected);
    assert_true(json_equal(found, expected));
    json_decref(found);
    json_decref(expected);
}

#define SIZES                                                                                      \
    "\"vocab_size\": 100, \"hidden_size\": 8, \"num_hidden_layers\": 1,"                           \
    "\"num_attention_heads\": 2, \"intermediate_size\": 16, \"max_position_embeddings\": 10"

static void optional_keys_have_the_defaults_of_transformers(void **state)
{
    struct error error = {0};
    struct model_config config;
    const char *path = scratch_write_text(*state, "config.json", "{" SIZES "}");
    assert_true(model_config_load(path, &config, &error));
    assert_string_equal(config.hidden_act, "gelu");
    assert_int_equal(config.activation, ACTIVATION_GELU);
    assert_int_equal(config.type_vocab_size, 2);
    assert_int_equal(config.pad_token_id, 0);
    assert_true(config.hidden_dropout_prob == 0.1);
    assert_true(config.attention_probs_dropout_prob == 0.1);
    assert_true(config.initializer_range == 0.02);
    assert_true(config.layer_norm_eps == 1e-12);
}

static void harmless_keys_are_accepted(void **state)
{
    struct error error = {0};
    struct model_config config;
    const char *path = scratch_write_text(
        *state, "config.json",
        "{" SIZES ", \"_name_or_path\": \"x\", \"gradient_checkpointing\": true,"
        "\"architectures\": [\"BertForMaskedLM\"], \"torch_dtype\": \"float16\","
        "\"is_decoder\": false, \"add_cross_attention\": false, \"pruned_heads\": {},"
        "\"position_embedding_type\": \"absolute\", \"model_type\": \"bert\","
        "\"quantization_config\": null, \"hidden_act\": null, \"hidden_dropout_prob\": 0}");
    assert_true(model_config_load(path, &config, &error));
    assert_string_equal(config.hidden_act, "gelu");
    assert_true(config.hidden_dropout_prob == 0);
}

/* Expects `message` after the path of a file that holds `text`. */
static void expect_unreadable(void **state, const char *text, const char *message)
{
    struct error error = {0};
    struct model_config config = tiny(), before = config;
    const char *path = scratch_write_text(*state, "config.json", text);
    assert_false(model_config_load(path, &config, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_memory_equal(error.message, path, strlen(path));
    assert_string_equal(error.message + strlen(path), message);
    assert_memory_equal(&config, &before, sizeof config);
}

static void unsupported_values_are_refused(void **state)
{
    expect_unreadable(state, "{" SIZES ", \"model_type\": \"roberta\"}",
                      ": model_type is \"roberta\"; expected \"bert\": cloze has no other "
                      "architecture. Start from a BERT, or set model.size to start from nothing");
    expect_unreadable(state, "{\"model_type\": \"distilbert\", \"dim\": 768}",
                      ": model_type is \"distilbert\"; expected \"bert\": cloze has no other "
                      "architecture. Start from a BERT, or set model.size to start from nothing");
    expect_unreadable(
        state, "{\"architectures\": [\"AlbertModel\"], " SIZES "}",
        ": architectures is \"AlbertModel\"; expected a class of BERT: cloze has no "
        "other architecture. Start from a BERT, or set model.size to start from nothing");
    expect_unreadable(state, "{" SIZES ", \"is_decoder\": true}",
                      ": is_decoder is true; expected false");
    expect_unreadable(state, "{" SIZES ", \"add_cross_attention\": true}",
                      ": add_cross_attention is true; expected false");
    expect_unreadable(state, "{" SIZES ", \"position_embedding_type\": \"relative_key\"}",
                      ": position_embedding_type is \"relative_key\"; expected \"absolute\"");
    expect_unreadable(state, "{" SIZES ", \"tie_word_embeddings\": false}",
                      ": tie_word_embeddings is false; expected true");
    expect_unreadable(state, "{" SIZES ", \"pruned_heads\": {\"0\": [1]}}",
                      ": pruned_heads is {\"0\":[1]}; expected {}");
    expect_unreadable(state, "{" SIZES ", \"quantization_config\": {\"bits\": 8}}",
                      ": quantization_config is {\"bits\":8}; expected null");
}

static void values_of_a_wrong_type_are_refused(void **state)
{
    expect_unreadable(state, "{\"vocab_size\": 100}",
                      ": hidden_size is missing; expected an integer");
    expect_unreadable(state, "{" SIZES ", \"type_vocab_size\": 2.5}",
                      ": type_vocab_size is 2.5; expected a 32-bit integer");
    expect_unreadable(state, "{" SIZES ", \"type_vocab_size\": 4294967298}",
                      ": type_vocab_size is 4294967298; expected a 32-bit integer");
    expect_unreadable(state, "{\"hidden_size\": null}",
                      ": hidden_size is null; expected a 32-bit integer");
    expect_unreadable(state, "{" SIZES ", \"layer_norm_eps\": \"small\"}",
                      ": layer_norm_eps is \"small\"; expected a number");
    expect_unreadable(state, "{" SIZES ", \"hidden_act\": 1}",
                      ": hidden_act is 1; expected the name of an activation");
    expect_unreadable(state, "{" SIZES ", \"hidden_act\": \"an_activation_with_a_very_long_name\"}",
                      ": hidden_act is \"an_activation_with_a_very_long_name\"; expected the name "
                      "of an activation");
    expect_unreadable(state, "{" SIZES ", \"hidden_dropout_prob\": 2}",
                      ": hidden_dropout_prob is 2; expected at least 0 and below 1");
}

static void a_missing_file_is_named(void **state)
{
    struct error error = {0};
    struct model_config config;
    const char *path = scratch_path(*state, "config.json");
    assert_false(model_config_load(path, &config, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_non_null(strstr(error.message, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_those_of_the_published_models),
        cmocka_unit_test(a_size_has_all_its_numbers),
        cmocka_unit_test(an_unknown_size_is_refused),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(matrices_stay_below_two_to_the_31),
        cmocka_unit_test(numbers_are_bounded),
        cmocka_unit_test(the_activation_is_found_by_name),
        SCRATCH_TEST(a_file_is_read_as_it_was_written),
        SCRATCH_TEST(the_file_holds_what_transformers_writes),
        SCRATCH_TEST(optional_keys_have_the_defaults_of_transformers),
        SCRATCH_TEST(harmless_keys_are_accepted),
        SCRATCH_TEST(unsupported_values_are_refused),
        SCRATCH_TEST(values_of_a_wrong_type_are_refused),
        SCRATCH_TEST(a_missing_file_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
