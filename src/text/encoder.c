#include "base/memory.h"
#include "text/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

/* Words follow Zipf's law: a few thousand make up most of any text. Each thread keeps what it found
 * for the words that it met last, so most words cost one look at one cache line. */
enum {
    CACHE_BITS = 14,   /* 1 MiB a thread, the second-level cache of a core */
    KEY_WORDS = 3,     /* words up to 24 bytes are kept, */
    CACHED_PIECES = 9, /* if they have up to 9 pieces */
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

struct encoder {
    const struct tokenizer *tokenizer;
    struct cached_word *cache; /* [1 << CACHE_BITS] each word has one place */
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

static struct word_key make_key(const char *bytes, size_t size)
{
    struct word_key key = {{0}};
    memcpy(key.words, bytes, size);
    return key;
}

static struct cached_word *cache_place(const struct encoder *encoder, const struct word_key *key)
{
    uint64_t hash = key->words[0] * 0x9E3779B97F4A7C15u;
    hash = (hash ^ hash >> 32 ^ key->words[1]) * 0xD6E8FEB86659FD93u;
    hash = (hash ^ hash >> 32 ^ key->words[2]) * 0x9E3779B97F4A7C15u;
    return &encoder->cache[hash >> (64 - CACHE_BITS)];
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
    struct cached_word *place = cache_place(encoder, &key);
    int32_t *ids = encoder->ids + encoder->id_count;

    if (memcmp(&place->key, &key, sizeof key) == 0) {
        memcpy(ids, place->ids, sizeof place->ids); /* all, since a fixed size is faster */
        encoder->id_count += (size_t)place->count;
        return;
    }
    size_t count = split(encoder, word);
    if (count <= CACHED_PIECES) {
        place->key = key;
        place->count = (int32_t)count;
        memcpy(place->ids, ids, count * sizeof *ids);
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
        if (!grow(&encoder->ids, &encoder->id_capacity, encoder->id_count + WORD_MAX_CHARACTERS,
                  sizeof *encoder->ids, error))
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
