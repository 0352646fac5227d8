#include "text/normalizer_table.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* The longest canonical decomposition of Unicode 15 has 4 code points, each of at most 4 bytes. */
enum { MAX_CODE_POINTS = 4, MAX_BYTES = 4 * MAX_CODE_POINTS };

/* The normalized form of a code point, before it is stored in an entry. */
struct image {
    enum code_point_class class;
    uint32_t code_points[MAX_CODE_POINTS];
    size_t count;
};

int combining_class(uint32_t code_point)
{
    return utf8proc_get_property((utf8proc_int32_t)code_point)->combining_class;
}

static utf8proc_category_t category_of(uint32_t code_point)
{
    return utf8proc_category((utf8proc_int32_t)code_point);
}

static bool is_space(uint32_t code_point)
{
    utf8proc_category_t category = category_of(code_point);
    return code_point == '\t' || code_point == '\n' || code_point == '\r' ||
           category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
           category == UTF8PROC_CATEGORY_ZP;
}

/* Called after is_space. Unassigned code points are kept: a later Unicode may make them letters. */
static bool is_dropped(uint32_t code_point)
{
    utf8proc_category_t category = category_of(code_point);
    return code_point == 0 || code_point == UTF8_REPLACEMENT || category == UTF8PROC_CATEGORY_CC ||
           category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_CO ||
           category == UTF8PROC_CATEGORY_CS;
}

static bool is_punctuation(uint32_t code_point)
{
    utf8proc_category_t category = category_of(code_point);
    return (code_point >= 33 && code_point <= 47) || (code_point >= 58 && code_point <= 64) ||
           (code_point >= 91 && code_point <= 96) || (code_point >= 123 && code_point <= 126) ||
           (category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO);
}

/* The ranges of Hugging Face tokenizers. Their sixth one begins at U+2B920; in Google's BERT it
 * begins 256 code points earlier, at U+2B820. Published models are used with theirs. */
bool is_chinese(uint32_t code_point)
{
    static const uint32_t ranges[][2] = {
        {0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
        {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (code_point >= ranges[i][0] && code_point <= ranges[i][1])
            return true;
    return false;
}

/* Decomposes the code point (NFD) and drops characters of category Mn. */
static void strip_accents(struct image *image, uint32_t code_point)
{
    utf8proc_int32_t decomposition[MAX_CODE_POINTS];
    int boundary_class = 0;
    utf8proc_ssize_t count =
        utf8proc_decompose_char((utf8proc_int32_t)code_point, decomposition, MAX_CODE_POINTS,
                                UTF8PROC_DECOMPOSE, &boundary_class);
    CHECK(count >= 1 && count <= MAX_CODE_POINTS);

    bool starter_dropped = false;
    image->count = 0;
    for (utf8proc_ssize_t i = 0; i < count; i++) {
        uint32_t decomposed = (uint32_t)decomposition[i];
        if (category_of(decomposed) != UTF8PROC_CATEGORY_MN)
            image->code_points[image->count++] = decomposed;
        else if (combining_class(decomposed) == 0)
            starter_dropped = true;
    }
    if (image->count == 0)
        image->class = starter_dropped ? CLASS_BARRIER : CLASS_DROP;
    else if (combining_class(image->code_points[0]) != 0) {
        CHECK(image->count == 1); /* so that a mark can be moved alone */
        image->class = CLASS_MARK;
    }
}

/* U+0130 is the only character whose full lower case is longer than its simple one
 * (SpecialCasing.txt). */
static void lowercase(struct image *image)
{
    enum { CAPITAL_I_WITH_DOT_ABOVE = 0x130, COMBINING_DOT_ABOVE = 0x307 };
    if (image->count == 1 && image->code_points[0] == CAPITAL_I_WITH_DOT_ABOVE) {
        image->code_points[0] = 'i';
        image->code_points[image->count++] = COMBINING_DOT_ABOVE;
        return;
    }
    for (size_t i = 0; i < image->count; i++)
        image->code_points[i] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)image->code_points[i]);
}

/* True for a punctuation character. Only a single code point can be one: no decomposition contains
 * a punctuation character. */
static bool stands_alone(const struct image *image)
{
    if (image->count == 1)
        return is_punctuation(image->code_points[0]);
    for (size_t i = 0; i < image->count; i++)
        CHECK(!is_punctuation(image->code_points[i]));
    return false;
}

bool has_accent(uint32_t code_point)
{
    utf8proc_int32_t parts[MAX_CODE_POINTS];
    int unused = 0;
    utf8proc_ssize_t count = utf8proc_decompose_char((utf8proc_int32_t)code_point, parts,
                                                     MAX_CODE_POINTS, UTF8PROC_DECOMPOSE, &unused);
    for (utf8proc_ssize_t i = 0; i < count && i < MAX_CODE_POINTS; i++)
        if (utf8proc_category(parts[i]) == UTF8PROC_CATEGORY_MN)
            return true;
    return false;
}

bool strips_accents(struct tokenizer_options options)
{
    return options.strip_accents == STRIP_ACCENTS_AS_LOWERCASE
               ? options.lowercase
               : options.strip_accents == STRIP_ACCENTS_YES;
}

static struct image image_of(uint32_t code_point, struct tokenizer_options options)
{
    struct image image = {CLASS_LETTER, {code_point}, 1};
    bool strip = strips_accents(options);

    if (is_space(code_point))
        return (struct image){.class = CLASS_SPACE};
    if (is_dropped(code_point))
        return (struct image){.class = CLASS_DROP};
    if (strip)
        strip_accents(&image, code_point);
    if (options.lowercase)
        lowercase(&image);
    if (stands_alone(&image) || (options.tokenize_chinese_chars && is_chinese(code_point)))
        image.class = CLASS_ALONE;
    return image;
}

static bool pack(struct normalizer *normalizer, uint32_t code_point, const struct image *image,
                 table_entry *entry, struct error *error)
{
    char bytes[MAX_BYTES];
    size_t size = 0;

    *entry = image->class;
    if (image->count == 0 || (image->count == 1 && image->code_points[0] == code_point))
        return true;
    for (size_t i = 0; i < image->count; i++)
        size += utf8_encode(image->code_points[i], bytes + size);
    *entry |= (table_entry)(size << 3 | normalizer->expansion_size << 8);
    if (!grow(&normalizer->expansions, &normalizer->expansion_capacity,
              normalizer->expansion_size + size, 1, error))
        return false;
    memcpy(normalizer->expansions + normalizer->expansion_size, bytes, size);
    normalizer->expansion_size += size;
    CHECK(normalizer->expansion_size < 1 << 24); /* the offset has 24 bits in an entry */
    return true;
}

/* Appends the block unless it equals the previous one. */
static bool add_block(struct normalizer *normalizer, size_t block,
                      const table_entry entries[BLOCK_SIZE], struct error *error)
{
    size_t size = BLOCK_SIZE * sizeof *entries;
    size_t count = normalizer->entry_count;

    if (count == 0 || memcmp(normalizer->entries + count - BLOCK_SIZE, entries, size) != 0) {
        if (!grow(&normalizer->entries, &normalizer->entry_capacity, count + BLOCK_SIZE,
                  sizeof *entries, error))
            return false;
        memcpy(normalizer->entries + count, entries, size);
        normalizer->entry_count += BLOCK_SIZE;
    }
    normalizer->blocks[block] = (uint16_t)(normalizer->entry_count / BLOCK_SIZE - 1);
    return true;
}

static bool fill(struct normalizer *normalizer, struct tokenizer_options options,
                 struct error *error)
{
    table_entry entries[BLOCK_SIZE];

    for (uint32_t code_point = 0; code_point < UTF8_CODE_POINTS; code_point++) {
        struct image image = image_of(code_point, options);
        uint32_t column = code_point % BLOCK_SIZE;

        if (!pack(normalizer, code_point, &image, &entries[column], error))
            return false;
        if (column == BLOCK_SIZE - 1 &&
            !add_block(normalizer, code_point / BLOCK_SIZE, entries, error))
            return false;
        if (code_point < 0x80 && image.class == CLASS_LETTER)
            normalizer->letters[code_point] = (unsigned char)image.code_points[0];
    }
    return true;
}

struct normalizer *normalizer_create(struct tokenizer_options options, struct error *error)
{
    struct normalizer *normalizer = allocate(1, sizeof *normalizer, error);
    if (normalizer && !fill(normalizer, options, error)) {
        normalizer_free(normalizer);
        return NULL;
    }
    return normalizer;
}

void normalizer_free(struct normalizer *normalizer)
{
    if (!normalizer)
        return;
    free(normalizer->entries);
    free(normalizer->expansions);
    free(normalizer);
}
