#include "base/memory.h"
#include "text/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

/* Words follow Zipf's law: a few thousand make up most of any text. Each thread keeps what it found
 * for the words that it met last, so most words cost one look at one line of the processor's cache.
 * Of English words 5 in 100 are not found, of which one could not be kept; places for one word
 * instead of two make it 8. */
enum {
    CACHE_BITS = 14,   /* 1 MiB a thread, the second-level cache of a core */
    WAYS = 2,          /* places for a word, the last one found first: a line */
    KEY_WORDS = 2,     /* words up to 16 bytes are kept, */
    CACHED_PIECES = 3, /* if they have up to 3 pieces */
};

/* A word's bytes behind one another, then zeros: no two words have the same key, since no word
 * holds a zero byte. */
struct word_key {
    uint64_t words[KEY_WORDS];
};

struct cached_word {
    struct word_key key;
    int32_t count; /* 0 in a free entry */
    int32_t ids[CACHED_PIECES];
};

_Static_assert(WAYS == 2 && KEY_WORDS == 2, "what find_cached and has_key are written for");
_Static_assert(sizeof(struct cached_word[WAYS]) == MEMORY_ALIGNMENT,
               "the places of a word are a line");
_Static_assert(sizeof(struct word_key) <= WORD_SLACK, "what may be read behind a word");

struct encoder {
    const struct tokenizer *tokenizer;
    struct cached_word (*cache)[WAYS]; /* [1 << CACHE_BITS] */
    int32_t *ids;
    size_t id_count, id_capacity;
    struct word_reader reader;
};

struct encoder *encoder_create(const struct tokenizer *tokenizer, struct error *error)
{
    struct encoder *encoder = allocate(1, sizeof *encoder, error);

    if (!encoder)
        return NULL;
    encoder->tokenizer = tokenizer;
    encoder->cache = allocate((size_t)1 << CACHE_BITS, sizeof *encoder->cache, error);
    if (!encoder->cache) {
        encoder_free(encoder);
        return NULL;
    }
    return encoder;
}

void encoder_free(struct encoder *encoder)
{
    if (!encoder)
        return;
    free(encoder->cache);
    free(encoder->ids);
    free(encoder);
}

/* A word of up to the key's size. What follows it, which may be read (text/normalizer.h), is
 * masked: copies of a fixed size are faster. */
static struct word_key make_key(const char *bytes, size_t size)
{
    static const unsigned char masks[2 * sizeof(struct word_key)] = {
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    };
    struct word_key key, mask;
    memcpy(key.words, bytes, sizeof key);
    memcpy(mask.words, masks + sizeof key - size, sizeof mask);
    for (int i = 0; i < KEY_WORDS; i++)
        key.words[i] &= mask.words[i];
    return key;
}

/* The places of a word. */
static struct cached_word *cache_places(const struct encoder *encoder, const struct word_key *key)
{
    uint64_t hash = key->words[0] * 0x9E3779B97F4A7C15u;
    hash = (hash ^ hash >> 32 ^ key->words[1]) * 0xD6E8FEB86659FD93u;
    return encoder->cache[hash >> (64 - CACHE_BITS)];
}

static bool has_key(const struct cached_word *place, const struct word_key *key)
{
    return place->key.words[0] == key->words[0] && place->key.words[1] == key->words[1];
}

/* The word's place, which is then the first of its places; NULL if it has none. */
static const struct cached_word *find_cached(struct cached_word places[WAYS],
                                             const struct word_key *key)
{
    if (has_key(&places[0], key))
        return &places[0];
    if (!has_key(&places[1], key))
        return NULL;
    const struct cached_word found = places[1];
    places[1] = places[0];
    places[0] = found;
    return &places[0];
}

/* Splits a word of which the cache knows nothing, to the end of the ids. */
static size_t split(struct encoder *encoder, const struct word *word)
{
    size_t count = wordpiece_split(encoder->tokenizer->wordpiece, word->bytes, word->size,
                                   encoder->ids + encoder->id_count);
    encoder->id_count += count;
    return count;
}

static void encode_word(struct encoder *encoder, const struct word *word)
{
    if (word->size > sizeof(struct word_key)) {
        split(encoder, word);
        return;
    }
    struct word_key key = make_key(word->bytes, word->size);
    struct cached_word *places = cache_places(encoder, &key);
    const struct cached_word *found = find_cached(places, &key);
    int32_t *ids = encoder->ids + encoder->id_count;

    if (found) {
        memcpy(ids, found->ids, sizeof found->ids); /* all, since a fixed size is faster */
        encoder->id_count += (size_t)found->count;
        return;
    }
    size_t count = split(encoder, word);
    if (count <= CACHED_PIECES) {
        places[1] = places[0];
        places[0].key = key;
        places[0].count = (int32_t)count;
        memcpy(places[0].ids, ids, count * sizeof *ids);
    }
}

static void append_special(struct encoder *encoder, enum special_token token)
{
    encoder->ids[encoder->id_count++] = vocabulary_special(encoder->tokenizer->vocabulary, token);
}

bool encoder_encode(struct encoder *encoder, const char *text, size_t size, const int32_t **ids,
                    size_t *count, struct error *error)
{
    struct word word;

    encoder->id_count = 0;
    word_reader_begin(&encoder->reader, encoder->tokenizer->normalizer, text, size);
    while (word_reader_next(&encoder->reader, &word)) {
        const size_t needed = encoder->id_count + WORD_MAX_CHARACTERS;
        if (needed > encoder->id_capacity &&
            !grow(&encoder->ids, &encoder->id_capacity, needed, sizeof *encoder->ids, error))
            return false;
        if (word.kind == WORD_PLAIN)
            encode_word(encoder, &word);
        else
            append_special(encoder, word.kind == WORD_SPECIAL ? word.special : SPECIAL_UNK);
    }
    *ids = encoder->ids;
    *count = encoder->id_count;
    return true;
}
