#include "support/reference_words.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static void append(struct buffer *out, const char *bytes, size_t size)
{
    struct error error = {0};
    CHECK(buffer_append(out, bytes, size, &error));
}

static void append_name(struct buffer *out, const char *name)
{
    append(out, "<", 1);
    append(out, name, strlen(name));
    append(out, ">|", 2);
}

void print_words(const struct normalizer *normalizer, const char *text, size_t size,
                 struct buffer *out)
{
    struct word_reader reader;
    struct word word;

    out->size = 0;
    append(out, "", 0);
    word_reader_begin(&reader, normalizer, text, size);
    while (word_reader_next(&reader, &word)) {
        if (word.kind == WORD_PLAIN) {
            CHECK(word.size >= 1 && word.size <= WORD_MAX_BYTES);
            append(out, word.bytes, word.size);
            append(out, "|", 1);
        } else
            append_name(out,
                        word.kind == WORD_SPECIAL ? special_token_names[word.special] : "long");
    }
}

static bool in_category(int32_t c, utf8proc_category_t first, utf8proc_category_t last)
{
    return utf8proc_category(c) >= first && utf8proc_category(c) <= last;
}

static bool is_chinese(int32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

/* Decodes the text. Ill-formed UTF-8 is left out byte by byte. */
static size_t decode(const char *text, size_t size, int32_t *out)
{
    size_t count = 0;
    for (size_t place = 0; place < size;) {
        int32_t c;
        utf8proc_ssize_t length = utf8proc_iterate((const utf8proc_uint8_t *)text + place,
                                                   (utf8proc_ssize_t)(size - place), &c);
        if (length > 0)
            out[count++] = c;
        place += length > 0 ? (size_t)length : 1;
    }
    return count;
}

/* A code point gives at most three. */
static size_t clean(struct tokenizer_options options, const int32_t *in, size_t count, int32_t *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool space = in[i] == '\t' || in[i] == '\n' || in[i] == '\r' ||
                     in_category(in[i], UTF8PROC_CATEGORY_ZS, UTF8PROC_CATEGORY_ZP);
        bool apart = options.tokenize_chinese_chars && is_chinese(in[i]);
        if (space)
            out[kept++] = ' ';
        else if (in[i] != 0xFFFD &&
                 !in_category(in[i], UTF8PROC_CATEGORY_CC, UTF8PROC_CATEGORY_CO)) {
            if (apart)
                out[kept++] = ' ';
            out[kept++] = in[i];
            if (apart)
                out[kept++] = ' ';
        }
    }
    return kept;
}

/* Decomposes (NFD) and sorts the marks of the whole text by bubble sort. A code point gives at most
 * four. */
static size_t decompose(const int32_t *in, size_t count, int32_t *out)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        int boundary = 0;
        size +=
            (size_t)utf8proc_decompose_char(in[i], out + size, 4, UTF8PROC_DECOMPOSE, &boundary);
    }
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 1; i < size; i++) {
            int before = utf8proc_get_property(out[i - 1])->combining_class;
            int after = utf8proc_get_property(out[i])->combining_class;
            if (after != 0 && before > after) {
                int32_t swapped = out[i];
                out[i] = out[i - 1];
                out[i - 1] = swapped;
                moved = true;
            }
        }
    }
    return size;
}

static size_t drop_marks(int32_t *text, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (utf8proc_category(text[i]) != UTF8PROC_CATEGORY_MN)
            text[kept++] = text[i];
    return kept;
}

/* A code point gives at most two. */
static size_t lower(const int32_t *in, size_t count, int32_t *out)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        out[size++] = in[i] == 0x130 ? 'i' : utf8proc_tolower(in[i]);
        if (in[i] == 0x130)
            out[size++] = 0x307;
    }
    return size;
}

static void end_word(struct buffer *out, size_t start, size_t characters)
{
    if (characters <= WORD_MAX_CHARACTERS && characters > 0) {
        append(out, "|", 1);
    } else if (characters > 0) {
        out->size = start;
        append_name(out, "long");
    }
}

static void split(const int32_t *text, size_t count, struct buffer *out)
{
    size_t start = out->size, characters = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t c = text[i];
        char bytes[4];
        bool alone = in_category(c, UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO) ||
                     (c > 0 && c < 0x80 && strchr("$+<=>^`|~", c));
        if (c == ' ' || alone) {
            end_word(out, start, characters);
            start = out->size;
            characters = 0;
        }
        if (c == ' ')
            continue;
        append(out, bytes, utf8_encode((uint32_t)c, bytes));
        characters++;
        if (alone) {
            end_word(out, start, 1);
            start = out->size;
            characters = 0;
        }
    }
    end_word(out, start, characters);
}

/* Appends the words of a text without special tokens. */
static void print_section(struct tokenizer_options options, const char *text, size_t size,
                          struct buffer *out)
{
    bool strip = options.strip_accents == STRIP_ACCENTS_AS_LOWERCASE
                     ? options.lowercase
                     : options.strip_accents == STRIP_ACCENTS_YES;
    const size_t room = 24 * size + 1; /* the three steps give at most 3 x 4 x 2 for one */
    int32_t *one = calloc(room, sizeof *one), *other = calloc(room, sizeof *other);
    CHECK(one && other);
    size_t count = decode(text, size, one);
    count = clean(options, one, count, other);
    if (strip) {
        count = drop_marks(one, decompose(other, count, one));
        memcpy(other, one, count * sizeof *one);
    }
    if (options.lowercase) {
        count = lower(other, count, one);
        memcpy(other, one, count * sizeof *one);
    }
    split(other, count, out);
    free(one);
    free(other);
}

/* Returns the special token at the text's beginning; SPECIAL_COUNT if there is none. */
static int special_at(const char *text, size_t size)
{
    int special = 0;
    while (special < SPECIAL_COUNT &&
           (size < strlen(special_token_names[special]) ||
            memcmp(text, special_token_names[special], strlen(special_token_names[special])) != 0))
        special++;
    return special;
}

void reference_words(struct tokenizer_options options, const char *text, size_t size,
                     struct buffer *out)
{
    out->size = 0;
    append(out, "", 0);
    size_t start = 0;
    for (size_t place = 0; place < size;) {
        int special = special_at(text + place, size - place);
        if (special == SPECIAL_COUNT) {
            place++;
            continue;
        }
        print_section(options, text + start, place - start, out);
        append_name(out, special_token_names[special]);
        start = place += strlen(special_token_names[special]);
    }
    print_section(options, text + start, size - start, out);
}
