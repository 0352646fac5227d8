/* Text to tokens: UTF-8, normalization, words and WordPiece, with the encoder's cache, against slow
 * references that share no code with them. */
#include "base/utf8.h"
#include "fuzz/support.h"
#include "support/reference_words.h"
#include "text/text_encoder.h"
#include "text/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { MAX_SIZE = 600, VARIANTS = 4 };

static const char *const tokens[] = {
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a",   "b",        "c",          "e",    "i",
    "un",    "the",   "##a",   "##b",   "##c",    "##e", "##aff",    "##able",     "##i",  "A",
    "B",     "##A",   ".",     ",",     "##.",    "é",   "##é",      "日",         "##本", "ß",
    "ab",    "abc",   "##ab",  "1",     "##2",    "ǆ",   "\xCD\xBE", "##\xCC\x87", "가",   "[",
};

enum { TOKENS = sizeof tokens / sizeof *tokens };

static const struct tokenizer_options variants[VARIANTS] = {
    {true, STRIP_ACCENTS_AS_LOWERCASE, true},
    {false, STRIP_ACCENTS_AS_LOWERCASE, true},
    {false, STRIP_ACCENTS_YES, false},
    {true, STRIP_ACCENTS_NO, false},
};

static struct tokenizer *open_tokenizer(unsigned variant)
{
    static struct tokenizer *tokenizers[VARIANTS];
    struct error error = {0};
    if (!tokenizers[variant]) {
        struct vocabulary *vocabulary = vocabulary_create(tokens, TOKENS, "fuzz", &error);
        CHECK(vocabulary);
        tokenizers[variant] = tokenizer_create(vocabulary, variants[variant], &error);
        CHECK(tokenizers[variant]);
    }
    return tokenizers[variant];
}

/* ---- UTF-8 ---- */

/* The length of the sequence at the text's beginning, 0 if it is not well formed. */
static size_t well_formed(const char *text, size_t size)
{
    int32_t c;
    utf8proc_ssize_t length =
        utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size, &c);
    return length > 0 ? (size_t)length : 0;
}

static void check_utf8(const char *text, size_t size)
{
    size_t invalid = 0, first = size, found_first = size, prefix = 0;
    for (size_t place = 0; place < size;) {
        size_t length = well_formed(text + place, size - place), start = place;
        uint32_t c = utf8_decode(text, size, &place);
        CHECK(place > start && place <= size && c < UTF8_CODE_POINTS);
        if (length) {
            char bytes[4];
            CHECK(place == start + length);
            CHECK(utf8_encode(c, bytes) == length && memcmp(bytes, text + start, length) == 0);
            continue;
        }
        CHECK(c == UTF8_REPLACEMENT && place - start <= 3);
        if (invalid++ == 0)
            first = start;
    }
    CHECK(utf8_count_invalid(text, size, &found_first) == invalid && found_first == first);
    while (prefix < size && well_formed(text + prefix, size - prefix))
        prefix += well_formed(text + prefix, size - prefix);
    CHECK(utf8_valid_prefix(text, size) == prefix);
}

/* ---- WordPiece ---- */

/* The ids of a word, trying every end from the longest. */
static size_t reference_pieces(const struct vocabulary *vocabulary, const char *word, size_t size,
                               int32_t *ids)
{
    size_t count = 0;
    for (size_t start = 0; start < size;) {
        char piece[WORD_MAX_BYTES + 2] = "##";
        size_t mark = start ? 2 : 0, length = size - start;
        int32_t id = -1;
        for (; length > 0 && id < 0; length--) {
            memcpy(piece + mark, word + start, length);
            /* A vocabulary entry "##b" is a continuation, never the beginning of a word. */
            if (start || length < 2 || memcmp(piece, "##", 2) != 0)
                id = vocabulary_find(vocabulary, piece, mark + length);
        }
        if (id < 0) {
            ids[0] = vocabulary_special(vocabulary, SPECIAL_UNK);
            return 1;
        }
        ids[count++] = id;
        start += length + 1;
    }
    return count;
}

static int32_t special_id(const struct vocabulary *vocabulary, const char *name, size_t size)
{
    for (int i = 0; i < SPECIAL_COUNT; i++)
        if (strlen(special_token_names[i]) == size &&
            memcmp(special_token_names[i], name, size) == 0)
            return vocabulary_special(vocabulary, (enum special_token)i);
    return vocabulary_special(vocabulary, SPECIAL_UNK); /* "long" */
}

/* The ids of the words that reference_words printed. */
static size_t reference_ids(const struct vocabulary *vocabulary, const struct buffer *words,
                            int32_t *ids)
{
    size_t count = 0;
    for (const char *word = words->data, *end; *word; word = end + 1) {
        end = strchr(word + 1, '|'); /* a word may be "|" itself */
        CHECK(end);
        size_t size = (size_t)(end - word);
        if (word[0] == '<' && size > 1)
            ids[count++] = special_id(vocabulary, word + 1, size - 2);
        else
            count += reference_pieces(vocabulary, word, size, ids + count);
    }
    return count;
}

/* Its cache knows the words of the inputs before: each input is also a test of that. */
static struct text_encoder *open_encoder(const struct tokenizer *tokenizer)
{
    static const struct tokenizer *owners[VARIANTS];
    static struct text_encoder *encoders[VARIANTS];
    struct error error = {0};
    int variant = 0;
    while (owners[variant] && owners[variant] != tokenizer)
        variant++;
    owners[variant] = tokenizer;
    if (!encoders[variant])
        encoders[variant] = text_encoder_create(tokenizer, &error);
    CHECK(encoders[variant]);
    return encoders[variant];
}

static void check_ids(struct tokenizer *tokenizer, const char *text, size_t size,
                      const struct buffer *words)
{
    static int32_t expected[32 * MAX_SIZE];
    struct error error = {0};
    const int32_t *ids;
    size_t count, expected_count = reference_ids(tokenizer->vocabulary, words, expected);
    struct text_encoder *encoder = open_encoder(tokenizer);
    for (int pass = 0; pass < 2; pass++) { /* the second time all words are in the cache */
        CHECK(text_encoder_encode(encoder, text, size, &ids, &count, &error));
        CHECK(count == expected_count);
        CHECK(!count || memcmp(ids, expected, count * sizeof *ids) == 0);
    }
    char *decoded = tokenizer_decode(tokenizer, ids, count, true, &error);
    CHECK(decoded && utf8_valid_prefix(decoded, strlen(decoded)) == strlen(decoded));
    free(decoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tokenizer *tokenizer = open_tokenizer(fuzz_take_byte(&data, &size) % VARIANTS);
    size = size < MAX_SIZE ? size : MAX_SIZE;
    char *text = malloc(size + 1); /* of this very size, for the address sanitizer */
    struct buffer found = {0}, expected = {0};
    CHECK(text);
    text = size ? realloc(text, size) : text;
    if (size)
        memcpy(text, data, size);
    check_utf8(text, size);
    print_words(tokenizer->normalizer, text, size, &found);
    reference_words(tokenizer->options, text, size, &expected);
    CHECK(found.size == expected.size && memcmp(found.data, expected.data, found.size) == 0);
    check_ids(tokenizer, text, size, &expected);
    buffer_free(&found);
    buffer_free(&expected);
    free(text);
    return 0;
}

void fuzz_seeds(void)
{
    fuzz_seed_text("english", "0The unaffable cab, abc. [MASK]abe[SEP] [UNK]x $5 = a|b");
    fuzz_seed_text("cased", "1A\xC3\x89"
                            "B e\xCC\x81 \xC4\xB0 \xC7\x85 [mask] [[CLS]]");
    fuzz_seed_text("marks",
                   "0a\xCC\xA7\xCC\x81\xE1\xAD\x84\xE3\x80\xAE\xCD\x8F\xCC\x87 \xEA\xB0\x80");
    fuzz_seed_text("chinese", "2\xE6\x97\xA5\xE6\x9C\xAC\xEF\xA4\x80\xF0\xA0\x80\x80 ab\xE2\x80\x83"
                              "c");
    fuzz_seed_text("broken",
                   "3\xE2\x80 \xC0\xAF \xED\xA0\x80 \xF4\x90\x80\x80 \xFE\xFF \xEF\xBF\xBD");
    char endless[MAX_SIZE];
    memset(endless, 'q', sizeof endless);
    fuzz_seed("endless", endless, sizeof endless);
}
