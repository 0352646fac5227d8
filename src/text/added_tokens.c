#include "text/added_tokens.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

struct pattern {
    char *bytes; /* owned */
    size_t size;
    size_t order; /* index in the vocabulary's list; the first of equal patterns is found */
    int32_t id;
    bool single_word;
};

/* The patterns of one kind, sorted by their first byte, then from long to short. */
struct patterns {
    struct pattern *patterns; /* [count] */
    size_t count;
    size_t starts[257]; /* index of the first pattern for each first byte, then the end */
};

struct added_tokens {
    struct patterns kinds[ADDED_TOKENS_KINDS];
};

/* ---- making ---- */

static int compare_patterns(const void *a, const void *b)
{
    const struct pattern *x = a, *y = b;
    unsigned char first_x = (unsigned char)x->bytes[0], first_y = (unsigned char)y->bytes[0];
    if (first_x != first_y)
        return first_x < first_y ? -1 : 1;
    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Adds the pattern of a token, unless it is empty when normalized: then it is never found. */
static bool add_pattern(struct patterns *patterns, const struct added_token *token, size_t order,
                        const struct normalizer *normalizer, struct error *error)
{
    struct buffer bytes = {0};
    size_t size = strlen(token->content);
    bool made = token->normalized ? normalize_text(normalizer, token->content, size, &bytes, error)
                                  : buffer_append(&bytes, token->content, size, error);
    if (!made || bytes.size == 0) {
        buffer_free(&bytes);
        return made;
    }
    patterns->patterns[patterns->count++] = (struct pattern){
        .bytes = bytes.data,
        .size = bytes.size,
        .order = order,
        .id = token->id,
        .single_word = token->single_word,
    };
    return true;
}

static void sort_patterns(struct patterns *patterns)
{
    size_t index = 0;
    qsort(patterns->patterns, patterns->count, sizeof *patterns->patterns, compare_patterns);
    for (int byte = 0; byte <= 256; byte++) {
        while (index < patterns->count && (unsigned char)patterns->patterns[index].bytes[0] < byte)
            index++;
        patterns->starts[byte] = index;
    }
}

static bool fill(struct added_tokens *tokens, const struct vocabulary *vocabulary,
                 const struct normalizer *normalizer, struct error *error)
{
    size_t count;
    const struct added_token *added = vocabulary_added(vocabulary, &count);

    for (int kind = 0; kind < ADDED_TOKENS_KINDS; kind++) {
        struct patterns *patterns = &tokens->kinds[kind];
        patterns->patterns = allocate(count, sizeof *patterns->patterns, error);
        if (!patterns->patterns)
            return false;
        for (size_t i = 0; i < count; i++)
            if (added[i].normalized == (kind == ADDED_TOKENS_NORMALIZED) &&
                !add_pattern(patterns, &added[i], i, normalizer, error))
                return false;
        sort_patterns(patterns);
    }
    return true;
}

struct added_tokens *added_tokens_create(const struct vocabulary *vocabulary,
                                         const struct normalizer *normalizer, struct error *error)
{
    struct added_tokens *tokens = allocate(1, sizeof *tokens, error);
    if (!tokens || fill(tokens, vocabulary, normalizer, error))
        return tokens;
    added_tokens_free(tokens);
    return NULL;
}

void added_tokens_free(struct added_tokens *tokens)
{
    if (!tokens)
        return;
    for (int kind = 0; kind < ADDED_TOKENS_KINDS; kind++) {
        struct patterns *patterns = &tokens->kinds[kind];
        for (size_t i = 0; i < patterns->count; i++)
            free(patterns->patterns[i].bytes);
        free(patterns->patterns);
    }
    free(tokens);
}

bool added_tokens_have(const struct added_tokens *tokens, enum added_tokens_kind kind)
{
    return tokens->kinds[kind].count > 0;
}

/* ---- finding ---- */

/* Returns whether \w of a regular expression matches the character: letters, marks, decimal digits,
 * letter numbers, connecting punctuation and the two joiners (Unicode Technical Standard 18). */
static bool is_word_character(uint32_t code_point)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code_point);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) ||
           category == UTF8PROC_CATEGORY_PC || code_point == 0x200C || code_point == 0x200D;
}

static bool begins_word(const char *text, size_t size)
{
    size_t place = 0;
    return size > 0 && is_word_character(utf8_decode(text, size, &place));
}

static bool ends_word(const char *text, size_t size)
{
    size_t place = size;
    while (place > 0 && size - place < 4 && ((unsigned char)text[place - 1] & 0xC0) == 0x80)
        place--;
    place -= place > 0;
    return size > 0 && is_word_character(utf8_decode(text, size, &place));
}

/* Returns the longest pattern at the text's beginning; NULL if there is none. */
static const struct pattern *match_at(const struct patterns *patterns, const char *text,
                                      size_t size)
{
    unsigned char first = (unsigned char)text[0];
    for (size_t i = patterns->starts[first]; i < patterns->starts[first + 1]; i++) {
        const struct pattern *pattern = &patterns->patterns[i];
        if (pattern->size <= size && memcmp(text, pattern->bytes, pattern->size) == 0)
            return pattern;
    }
    return NULL;
}

bool added_tokens_find(const struct added_tokens *tokens, enum added_tokens_kind kind,
                       const char *text, size_t size, size_t from, struct added_match *match)
{
    for (size_t start = from; start < size;) {
        const struct pattern *pattern = match_at(&tokens->kinds[kind], text + start, size - start);
        if (!pattern) {
            start++;
            continue;
        }
        size_t end = start + pattern->size;
        if (!pattern->single_word ||
            (!ends_word(text, start) && !begins_word(text + end, size - end))) {
            *match = (struct added_match){start, end, pattern->id};
            return true;
        }
        start = end; /* the bytes of a match within a word are not searched again */
    }
    return false;
}
