#include "text/text_encoder.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

/* Words follow Zipf's law: a few thousand make up most of any text. Each thread caches the pieces
 * of the words that it met last, so that most words need one line of the processor's cache. Of
 * English words 5 in 100 are not found among the short ones; with one entry in a set instead of two
 * these are 8. In languages whose letters take 2 or 3 bytes more words are long. */
enum {
    SHORT_BYTES = 16, /* max bytes of a short word */
    SHORT_PIECES = 3, /* max pieces of a short word */
    WAYS = 2,         /* entries of a set, the last one found first: together a cache line */
    SHORT_BITS = 14,  /* logarithm of the number of sets: 1 MiB, the second-level cache of a core */
    LONG_BYTES = 32,  /* max bytes of a long word; its set is one entry of a cache line */
    LONG_PIECES = 7,
    LONG_BITS = 12,
};

/* The bytes of a word, then zeros: no two words have the same key, because no word has a zero byte.
 * The key of a short word is the first half. */
struct word_key {
    uint64_t words[LONG_BYTES / sizeof(uint64_t)];
};

struct short_word {
    uint64_t key[SHORT_BYTES / sizeof(uint64_t)];
    int32_t count; /* number of ids; 0 in a free entry, whose key is 0, too */
    int32_t ids[SHORT_PIECES];
};

struct long_word {
    struct word_key key;
    int32_t count;
    int32_t ids[LONG_PIECES];
};

_Static_assert(sizeof(struct short_word[WAYS]) == MEMORY_ALIGNMENT, "a set is a cache line");
_Static_assert(WAYS == 2, "find_short is written for two ways");
_Static_assert(sizeof(struct long_word) == MEMORY_ALIGNMENT, "an entry is a cache line");
_Static_assert(sizeof(struct word_key) <= WORD_SLACK, "a key can be read from any word");

struct text_encoder {
    const struct tokenizer *tokenizer;
    struct short_word (*short_words)[WAYS]; /* [1 << SHORT_BITS] */
    struct long_word *long_words;           /* [1 << LONG_BITS] */
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

/* Returns the key of a word of up to LONG_BYTES. It copies a fixed size, which is faster, and masks
 * the bytes after the word, which may be read (text/normalizer.h). */
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

static struct short_word *short_set(const struct text_encoder *encoder, const struct word_key *key)
{
    return encoder->short_words[hash_halves(key->words[0], key->words[1]) >> (64 - SHORT_BITS)];
}

static struct long_word *long_entry(const struct text_encoder *encoder, const struct word_key *key)
{
    const uint64_t first = hash_halves(key->words[0], key->words[1]);
    const uint64_t all = hash_halves(first ^ key->words[2], key->words[3]);
    return &encoder->long_words[all >> (64 - LONG_BITS)];
}

static bool has_key(const struct short_word *entry, const struct word_key *key)
{
    return entry->key[0] == key->words[0] && entry->key[1] == key->words[1];
}

/* Returns the entry of the word, and moves it to the front of its set; NULL if there is none. */
static const struct short_word *find_short(struct short_word set[WAYS], const struct word_key *key)
{
    if (has_key(&set[0], key))
        return &set[0];
    if (!has_key(&set[1], key))
        return NULL;
    const struct short_word found = set[1];
    set[1] = set[0];
    set[0] = found;
    return &set[0];
}

/* Splits a word that is not cached and appends its ids. */
static size_t split(struct text_encoder *encoder, const struct word *word)
{
    size_t count = wordpiece_split(encoder->tokenizer->wordpiece, word->bytes, word->size,
                                   encoder->ids + encoder->id_count);
    encoder->id_count += count;
    return count;
}

/* Encodes a word that is not cached as a short one, and caches it; `set` is NULL if it is long. */
static void encode_unknown(struct text_encoder *encoder, const struct word *word,
                           const struct word_key *key, struct short_word *set)
{
    struct long_word *entry = long_entry(encoder, key);
    int32_t *ids = encoder->ids + encoder->id_count;

    if (memcmp(&entry->key, key, sizeof *key) == 0) {
        memcpy(ids, entry->ids, sizeof entry->ids);
        encoder->id_count += (size_t)entry->count;
        return;
    }
    const size_t count = split(encoder, word);
    if (set && count <= SHORT_PIECES) {
        set[1] = set[0];
        memcpy(set[0].key, key->words, sizeof set[0].key);
        set[0].count = (int32_t)count;
        memcpy(set[0].ids, ids, count * sizeof *ids);
    } else if (count <= LONG_PIECES) {
        entry->key = *key;
        entry->count = (int32_t)count;
        memcpy(entry->ids, ids, count * sizeof *ids);
    }
}

static void encode_word(struct text_encoder *encoder, const struct word *word)
{
    if (word->size > LONG_BYTES) {
        split(encoder, word);
        return;
    }
    const struct word_key key = make_key(word->bytes, word->size);
    struct short_word *set = word->size <= SHORT_BYTES ? short_set(encoder, &key) : NULL;
    const struct short_word *found = set ? find_short(set, &key) : NULL;

    if (!found) {
        encode_unknown(encoder, word, &key, set);
        return;
    }
    /* Copies all ids of the entry, because a fixed size is faster. */
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

/* Encodes the words of the text from the reader's position on. */
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

/* Appends the ids of the added tokens of one kind and encodes the text between them. */
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
    /* Allocates the buffer even if the text is empty: offsets are added to its address. */
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
