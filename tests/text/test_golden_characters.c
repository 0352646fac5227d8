/* Every Unicode scalar value, alone, within a word and between spaces, with a vocabulary of all of
 * them: checksums of the ids that Hugging Face's tokenizers gives (tests/golden/characters.json,
 * made by tests/interop/make_golden.py). Lines with characters that the two treat differently
 * because of their Unicode versions are left out; tests/interop lists them. */
#include "base/buffer.h"
#include "base/utf8.h"
#include "support/golden.h"
#include "text/text_encoder.h"
#include "text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LAST = 0x10FFFF, A_LINE = 32, LINES_A_BLOCK = 128, TOKEN_ROOM = 8 };

static bool is_scalar(uint32_t c)
{
    return c <= LAST && (c < 0xD800 || c > 0xDFFF) && c != '\n';
}

/* The special tokens, then every character except NUL and CR, without and with ##. */
static struct vocabulary *full_alphabet(void)
{
    static const char *const specials[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    const size_t room = 2 * (size_t)LAST;
    struct error error = {0};
    const char **tokens = calloc(room, sizeof *tokens);
    char(*texts)[TOKEN_ROOM] = calloc(room, sizeof *texts);
    assert_true(tokens && texts);
    size_t count = 0;
    for (; count < 5; count++)
        tokens[count] = specials[count];
    for (uint32_t c = 1; c <= LAST; c++) {
        if (!is_scalar(c) || c == '\r')
            continue;
        char character[5] = {0};
        utf8_encode(c, character);
        snprintf(texts[count], TOKEN_ROOM, "%s", character);
        snprintf(texts[count + 1], TOKEN_ROOM, "##%s", character);
        for (int i = 0; i < 2; i++, count++)
            tokens[count] = texts[count];
    }
    struct vocabulary *vocabulary = vocabulary_create(tokens, count, "alphabet", &error);
    if (!vocabulary)
        fail_msg("%s", error.message);
    free(texts);
    free(tokens);
    return vocabulary;
}

static uint32_t crc32_of(uint32_t crc, int32_t id)
{
    /* The CRC of zlib and Python over the number's four bytes in little-endian order, computed bit
     * by bit. */
    crc = ~crc ^ (uint32_t)id;
    for (int bit = 0; bit < 32; bit++)
        crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
    return ~crc;
}

/* "c . acb . a c b" */
static void put_contexts(struct buffer *line, uint32_t c)
{
    static const char *const around[] = {"", " . a", "b . a ", " b"};
    struct error error = {0};
    char character[4];
    size_t size = utf8_encode(c, character);
    if (line->size)
        assert_true(buffer_append(line, " ", 1, &error));
    for (int i = 0; i < 4; i++)
        assert_true(buffer_append(line, around[i], strlen(around[i]), &error) &&
                    (i == 3 || buffer_append(line, character, size, &error)));
}

static uint32_t add_line(struct text_encoder *encoder, const struct buffer *line, uint32_t crc)
{
    struct error error = {0};
    const int32_t *ids;
    size_t count;
    assert_true(text_encoder_encode(encoder, line->data, line->size, &ids, &count, &error));
    for (size_t i = 0; i < count; i++)
        crc = crc32_of(crc, ids[i]);
    return crc32_of(crc, -1);
}

struct comparison {
    struct text_encoder *encoder;
    const json_t *listed, *expected;
    size_t next_listed; /* index in `listed` */
    size_t line, blocks;
    uint32_t crc;
};

static void end_block(struct comparison *comparison)
{
    json_int_t expected =
        json_integer_value(json_array_get(comparison->expected, comparison->blocks));
    if (comparison->crc != expected)
        fail_msg("the ids of the %d lines before line %zu have the checksum %u, expected %lld",
                 LINES_A_BLOCK, comparison->line, comparison->crc, (long long)expected);
    comparison->blocks++;
    comparison->crc = 0;
}

static void end_line(struct comparison *comparison, struct buffer *line)
{
    const json_t *listed = json_array_get(comparison->listed, comparison->next_listed);
    if (listed && (size_t)json_integer_value(listed) == comparison->line)
        comparison->next_listed++;
    else
        comparison->crc = add_line(comparison->encoder, line, comparison->crc);
    line->size = 0;
    if (++comparison->line % LINES_A_BLOCK == 0)
        end_block(comparison);
}

static void compare(struct comparison *comparison)
{
    struct buffer line = {0};
    size_t characters = 0;
    for (uint32_t c = 0; c <= LAST; c++) {
        if (!is_scalar(c))
            continue;
        put_contexts(&line, c);
        if (++characters % A_LINE == 0)
            end_line(comparison, &line);
    }
    if (line.size)
        end_line(comparison, &line);
    if (comparison->line % LINES_A_BLOCK)
        end_block(comparison);
    buffer_free(&line);
    assert_int_equal(comparison->blocks, json_array_size(comparison->expected));
    assert_int_equal(comparison->next_listed, json_array_size(comparison->listed));
}

static void compare_with(const json_t *golden, size_t which, bool lowercase)
{
    struct error error = {0};
    struct tokenizer_options options = tokenizer_default_options;
    options.lowercase = lowercase;
    struct tokenizer *tokenizer = tokenizer_create(full_alphabet(), options, &error);
    assert_non_null(tokenizer);
    struct comparison comparison = {
        .encoder = text_encoder_create(tokenizer, &error),
        .listed = golden_member(golden, "listed_lines"),
        .expected = json_array_get(golden_member(golden, "crc32"), which),
    };
    assert_non_null(comparison.encoder);
    compare(&comparison);
    text_encoder_free(comparison.encoder);
    tokenizer_free(tokenizer);
}

static void every_character_has_the_ids_of_hugging_face(void **state)
{
    (void)state;
    json_t *golden = golden_json("characters.json");
    compare_with(golden, 0, true);
    compare_with(golden, 1, false);
    json_decref(golden);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character_has_the_ids_of_hugging_face),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
