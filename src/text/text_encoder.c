#include "text/text_encoder.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

/* Words follow Zipf's law: a few thousand make up most of any text. Each thread keeps what it found
 * for the words that it met last, so most words cost one look at one line of the processor's cache.
 * Of English words 5 in 100 are not found among the short ones; one place for each word instead of
 * two makes it 8. Of languages whose letters are 2 or 3 bytes more words are long. */
enum {
    SHORT_BYTES = 16, /* a short word's, at most, */
    SHORT_PIECES = 3, /* and its pieces */
    WAYS = 2,         /* places for a short word, the last one found first: together a line */
    SHORT_BITS = 14,  /* 1 MiB a thread, the second-level cache of a core */
    LONG_BYTES = 32,  /* a long word's; its one place is a line */
    LONG_PIECES = 7,
    LONG_BITS = 12,
};

/* A word's bytes one after another, then zeros: no two words have the same key, since no word
 * holds a zero byte. A short word's is the first half. */
struct word_key {
    uint64_t words[LONG_BYTES / sizeof(uint64_t)];
};

struct short_word {
    uint64_t key[SHORT_BYTES / sizeof(uint64_t)];
    int32_t count; /* 0 in a free place, as its key is */
    int32_t ids[SHORT_PIECES];
};

struct long_word {
    struct word_key key;
    int32_t count;
    int32_t ids[LONG_PIECES];
};

_Static_assert(sizeof(struct short_word[WAYS]) == MEMORY_ALIGNMENT, "places that are a line");
_Static_assert(WAYS == 2, "what find_short is written for");
_Static_assert(sizeof(struct long_word) == MEMORY_ALIGNMENT, "a place that is a line");
_Static_assert(sizeof(struct word_key) <= WORD_SLACK, "what may be read after a word");

struct text_encoder {
    const struct tokenizer *tokenizer;
    struct short_word (*short_words)[WAYS]; /* [1 << SHORT_BITS] */
    struct long_word *long_words;           /* [1 << LONG_BITS] each word has one place */
    int32_t *ids;
    size_t id_count, id_capacity;
    int32_t unknown; /* id of [UNK] */
    struct text_encoder_loss loss;
    struct buffer normalized; /* text in which added tokens are looked for */
    struct word_reader reader;
};

struct text_encoder *text_encoder_create(const struct tokenizer *tokenizer, struct error *error)
{
    struct text_encoder *encoder = allocate(1, sizeof *encoder, error);

    if (!encoder)
        return NULL;
    encoder->tokenizer = tokenizer;
    encoder->unknown = vocabulary_special(tokenizer->vocabulary, SPECIAL_UNK);
    encoder->short_words = allocate((size_t)1 << SHORT_BITS, sizeof *encoder->short_words, error);
    encoder->long_words = encoder->short_words
                              ? allocate((size_t)1 << LONG_BITS, sizeof *encoder->long_words, error)
                              : NULL;
    if (!encoder->long_words) {
        text_encoder_free(encoder);
        return NULL;
    }
    return encoder;
}

void text_encoder_free(struct text_encoder *encoder)
{
    if (!encoder)
        return;
    free(encoder->short_words);
    free(encoder->long_words);
    free(encoder->ids);
    buffer_free(&encoder->normalized);
    free(encoder);
}

/* A word of up to LONG_BYTES. What follows it, which may be read (text/normalizer.h), is masked:
 * copies of a fixed size are faster. */
static struct word_key make_key(const char *bytes, size_t size)
{
    static const struct word_key masks[2] = {{{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}}};
    struct word_key key, mask;
    memcpy(&key, bytes, sizeof key);
    memcpy(&mask, (const char *)masks + sizeof key - size, sizeof mask);
    for (size_t i = 0; i < sizeof key.words / sizeof *key.words; i++)
        key.words[i] &= mask.words[i];
    return key;
}

static uint64_t hash_halves(uint64_t first, uint64_t second)
{
    const uint64_t hash = first * 0x9E3779B97F4A7C15u;
    return (hash ^ hash >> 32 ^ second) * 0xD6E8FEB86659FD93u;
}

static struct short_word *short_places(const struct text_encoder *encoder,
                                       const struct word_key *key)
{
    return encoder->short_words[hash_halves(key->words[0], key->words[1]) >> (64 - SHORT_BITS)];
}

static struct long_word *long_place(const struct text_encoder *encoder, const struct word_key *key)
{
    const uint64_t first = hash_halves(key->words[0], key->words[1]);
    const uint64_t all = hash_halves(first ^ key->words[2], key->words[3]);
    return &encoder->long_words[all >> (64 - LONG_BITS)];
}

static bool has_key(const struct short_word *place, const struct word_key *key)
{
    return place->key[0] == key->words[0] && place->key[1] == key->words[1];
}

/* The word's place, which is then the first of its places; NULL if it has none. */
static const struct short_word *find_short(struct short_word places[WAYS],
                                           const struct word_key *key)
{
    if (has_key(&places[0], key))
        return &places[0];
    if (!has_key(&places[1], key))
        return NULL;
    const struct short_word found = places[1];
    places[1] = places[0];
    places[0] = found;
    return &places[0];
}

/* Splits a word of which nothing is known, to the end of the ids. */
static size_t split(struct text_encoder *encoder, const struct word *word)
{
    size_t count = wordpiece_split(encoder->tokenizer->wordpiece, word->bytes, word->size,
                                   encoder->ids + encoder->id_count);
    encoder->id_count += count;
    return count;
}

/* A word that is not among the short ones; it may become one of them, in one of its places. */
static void encode_unknown(struct text_encoder *encoder, const struct word *word,
                           const struct word_key *key, struct short_word *places)
{
    struct long_word *place = long_place(encoder, key);
    int32_t *ids = encoder->ids + encoder->id_count;

    if (memcmp(&place->key, key, sizeof *key) == 0) {
        memcpy(ids, place->ids, sizeof place->ids);
        encoder->id_count += (size_t)place->count;
        return;
    }
    const size_t count = split(encoder, word);
    if (places && count <= SHORT_PIECES) {
        places[1] = places[0];
        memcpy(places[0].key, key->words, sizeof places[0].key);
        places[0].count = (int32_t)count;
        memcpy(places[0].ids, ids, count * sizeof *ids);
    } else if (count <= LONG_PIECES) {
        place->key = *key;
        place->count = (int32_t)count;
        memcpy(place->ids, ids, count * sizeof *ids);
    }
}

static void encode_word(struct text_encoder *encoder, const struct word *word)
{
    if (word->size > LONG_BYTES) {
        split(encoder, word);
        return;
    }
    const struct word_key key = make_key(word->bytes, word->size);
    struct short_word *places = word->size <= SHORT_BYTES ? short_places(encoder, &key) : NULL;
    const struct short_word *found = places ? find_short(places, &key) : NULL;

    if (!found) {
        encode_unknown(encoder, word, &key, places);
        return;
    }
    /* All ids, since a fixed size is faster. */
    memcpy(encoder->ids + encoder->id_count, found->ids, sizeof found->ids);
    encoder->id_count += (size_t)found->count;
}

static void append_special(struct text_encoder *encoder, enum special_token token)
{
    encoder->ids[encoder->id_count++] = vocabulary_special(encoder->tokenizer->vocabulary, token);
}

static bool reserve(struct text_encoder *encoder, size_t more, struct error *error)
{
    const size_t needed = encoder->id_count + more;
    return needed <= encoder->id_capacity ||
           grow(&encoder->ids, &encoder->id_capacity, needed, sizeof *encoder->ids, error);
}

static void count_loss(struct text_encoder *encoder, const struct word *word)
{
    encoder->loss.characters += utf8_count_printing(word->source, word->source_size);
    encoder->loss.long_words += word->kind == WORD_TOO_LONG;
}

/* Encodes the words of a text that the reader stands before. */
static bool encode_words(struct text_encoder *encoder, struct error *error)
{
    struct word word;
    while (word_reader_next(&encoder->reader, &word)) {
        if (!reserve(encoder, WORD_MAX_CHARACTERS, error))
            return false;
        if (word.kind == WORD_SPECIAL) {
            append_special(encoder, word.special);
            continue;
        }
        if (word.kind == WORD_PLAIN)
            encode_word(encoder, &word);
        else
            append_special(encoder, SPECIAL_UNK);
        if (encoder->ids[encoder->id_count - 1] == encoder->unknown)
            count_loss(encoder, &word);
    }
    return true;
}

struct text_encoder_loss text_encoder_get_loss(const struct text_encoder *encoder)
{
    return encoder->loss;
}

/* ---- texts with other added tokens than the five of BERT ---- */

static bool encode_plain(struct text_encoder *encoder, const char *text, size_t size,
                         struct error *error)
{
    word_reader_begin_plain(&encoder->reader, encoder->tokenizer->normalizer, text, size);
    return encode_words(encoder, error);
}

typedef bool encode_between(struct text_encoder *encoder, const char *text, size_t size,
                            struct error *error);

/* Appends the ids of the added tokens of one kind and encodes what is between them. */
static bool encode_added(struct text_encoder *encoder, enum added_tokens_kind kind,
                         const char *text, size_t size, encode_between *between,
                         struct error *error)
{
    const struct added_tokens *tokens = encoder->tokenizer->added;
    struct added_match match;
    size_t from = 0;
    while (added_tokens_find(tokens, kind, text, size, from, &match)) {
        if (!between(encoder, text + from, match.start - from, error) ||
            !reserve(encoder, 1, error))
            return false;
        encoder->ids[encoder->id_count++] = match.id;
        from = match.end;
    }
    return between(encoder, text + from, size - from, error);
}

static bool encode_normalized(struct text_encoder *encoder, const char *text, size_t size,
                              struct error *error)
{
    const struct tokenizer *tokenizer = encoder->tokenizer;
    if (!added_tokens_have(tokenizer->added, ADDED_TOKENS_NORMALIZED))
        return encode_plain(encoder, text, size, error);
    struct buffer *normalized = &encoder->normalized;
    normalized->size = 0;
    /* An empty text has an address as well, to which offsets may be added. */
    return buffer_append(normalized, "", 0, error) &&
           normalize_text(tokenizer->normalizer, text, size, normalized, error) &&
           encode_added(encoder, ADDED_TOKENS_NORMALIZED, normalized->data, normalized->size,
                        encode_plain, error);
}

bool text_encoder_encode(struct text_encoder *encoder, const char *text, size_t size,
                         const int32_t **ids, size_t *count, struct error *error)
{
    bool done;

    encoder->id_count = 0;
    if (encoder->tokenizer->added)
        done = encode_added(encoder, ADDED_TOKENS_WRITTEN, text, size, encode_normalized, error);
    else {
        word_reader_begin(&encoder->reader, encoder->tokenizer->normalizer, text, size);
        done = encode_words(encoder, error);
    }
    *ids = encoder->ids;
    *count = encoder->id_count;
    return done;
}
