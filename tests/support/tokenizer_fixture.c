#include "support/tokenizer_fixture.h"

#include "text/text_encoder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct tokenizer_fixture tokenizer_fixture_open(struct vocabulary *vocabulary, bool lowercase)
{
    struct error error = {0};
    struct tokenizer_options options = tokenizer_default_options;
    struct tokenizer_fixture fixture;

    options.lowercase = lowercase;
    assert_non_null(vocabulary);
    fixture.tokenizer = tokenizer_create(vocabulary, options, &error);
    assert_non_null(fixture.tokenizer);
    fixture.encoder = text_encoder_create(fixture.tokenizer, &error);
    assert_non_null(fixture.encoder);
    return fixture;
}

void tokenizer_fixture_close(struct tokenizer_fixture fixture)
{
    text_encoder_free(fixture.encoder);
    tokenizer_free(fixture.tokenizer);
}

size_t tokenizer_fixture_encode(struct tokenizer_fixture fixture, const char *text, size_t size,
                                const int32_t **ids)
{
    struct error error = {0};
    size_t count = 0;
    assert_true(text_encoder_encode(fixture.encoder, text, size, ids, &count, &error));
    return count;
}
