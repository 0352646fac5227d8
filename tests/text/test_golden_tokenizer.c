/* The ids that Hugging Face's tokenizers gives for texts in many scripts
 * (tests/golden/tokenizer.json). */
#include "support/golden.h"
#include "text/text_encoder.h"
#include "text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct tokenizer *create(const json_t *vocab, const json_t *flags)
{
    struct error error = {0};
    size_t count = json_array_size(vocab), i;
    const char **tokens = calloc(count, sizeof *tokens);
    const json_t *token, *strip = golden_member(flags, "strip_accents");
    assert_non_null(tokens);
    json_array_foreach (vocab, i, token)
        tokens[i] = json_string_value(token);
    struct tokenizer_options options = {
        .lowercase = json_is_true(golden_member(flags, "lowercase")),
        .strip_accents = json_is_null(strip)   ? STRIP_ACCENTS_AS_LOWERCASE
                         : json_is_true(strip) ? STRIP_ACCENTS_YES
                                               : STRIP_ACCENTS_NO,
        .tokenize_chinese_chars = json_is_true(golden_member(flags, "tokenize_chinese_chars")),
    };
    struct vocabulary *vocabulary = vocabulary_create(tokens, count, "golden", &error);
    struct tokenizer *tokenizer = vocabulary ? tokenizer_create(vocabulary, options, &error) : NULL;
    if (!tokenizer)
        fail_msg("%s", error.message);
    free(tokens);
    return tokenizer;
}

static void expect_ids(struct text_encoder *encoder, const json_t *text, const json_t *expected)
{
    struct error error = {0};
    const int32_t *ids;
    size_t count;
    assert_true(text_encoder_encode(encoder, json_string_value(text), json_string_length(text),
                                    &ids, &count, &error));
    if (count != json_array_size(expected))
        fail_msg("\"%s\": %zu ids, expected %zu", json_string_value(text), count,
                 json_array_size(expected));
    for (size_t i = 0; i < count; i++)
        if (ids[i] != json_integer_value(json_array_get(expected, i)))
            fail_msg("\"%s\": id %zu is %d, expected %lld", json_string_value(text), i, ids[i],
                     (long long)json_integer_value(json_array_get(expected, i)));
}

static void ids_are_those_of_hugging_face(void **state)
{
    (void)state;
    json_t *golden = golden_json("tokenizer.json");
    const json_t *texts = golden_member(golden, "texts"), *flags, *text;
    struct error error = {0};
    size_t i, j, compared = 0;
    json_array_foreach (golden_member(golden, "cases"), i, flags) {
        struct tokenizer *tokenizer = create(golden_member(golden, "vocab"), flags);
        struct text_encoder *encoder = text_encoder_create(tokenizer, &error);
        assert_non_null(encoder);
        json_array_foreach (texts, j, text) {
            expect_ids(encoder, text, json_array_get(golden_member(flags, "ids"), j));
            compared++;
        }
        text_encoder_free(encoder);
        tokenizer_free(tokenizer);
    }
    assert_true(compared >= 4 * 40);
    json_decref(golden);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ids_are_those_of_hugging_face)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
