#include "text/vocabulary.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

/* More than any vocabulary; less than what a mistaken path to a corpus would read. */
static const size_t MOST_FILE_BYTES = (size_t)1 << 30;

const char *const special_token_names[SPECIAL_COUNT] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]",
                                                        "[MASK]"};

struct vocabulary {
    struct buffer text; /* the tokens in order, each followed by a zero byte */
    size_t *starts; /* [count + 1] where in the text each token begins; the last one is its end */
    size_t count, start_capacity;
    int32_t *slots; /* [slot_count] open addressing: a token's id, -1 where free */
    size_t slot_count;
    int32_t special[SPECIAL_COUNT];
    uint64_t hash;
};

static bool add(struct vocabulary *vocabulary, const char *token, size_t size, const char *origin,
                struct error *error)
{
    size_t line = vocabulary->count + 1;

    if (size == 0)
        return fail_input(error, "%s:%zu: the token is empty", origin, line);
    if (memchr(token, 0, size))
        return fail_input(error, "%s:%zu: the token holds a zero byte", origin, line);
    /* It would be two lines of a vocab.txt, for Python also if it is a lone "\r". */
    if (memchr(token, '\n', size) || memchr(token, '\r', size))
        return fail_input(error, "%s:%zu: the token holds a line break", origin, line);
    if (utf8_valid_prefix(token, size) != size)
        return fail_input(error, "%s:%zu: the token is not valid UTF-8 from its byte %zu on",
                          origin, line, utf8_valid_prefix(token, size) + 1);
    if (vocabulary->count == INT32_MAX)
        return fail_input(error, "%s:%zu: more than %d tokens", origin, line, INT32_MAX);
    if (!grow(&vocabulary->starts, &vocabulary->start_capacity, vocabulary->count + 2,
              sizeof *vocabulary->starts, error) ||
        !buffer_append(&vocabulary->text, token, size, error) ||
        !buffer_append(&vocabulary->text, "", 1, error))
        return false;
    vocabulary->starts[++vocabulary->count] = vocabulary->text.size;
    return true;
}

/* The slot of the token, or the free one where it would be. */
static size_t find_slot(const struct vocabulary *vocabulary, const char *token, size_t size)
{
    size_t slot = (size_t)hash_bytes(token, size) & (vocabulary->slot_count - 1);

    for (;; slot = (slot + 1) & (vocabulary->slot_count - 1)) {
        int32_t id = vocabulary->slots[slot];
        if (id < 0 || (vocabulary_token_size(vocabulary, id) == size &&
                       memcmp(vocabulary_token(vocabulary, id), token, size) == 0))
            return slot;
    }
}

static bool index_tokens(struct vocabulary *vocabulary, const char *origin, struct error *error)
{
    vocabulary->slot_count = 16;
    while (vocabulary->slot_count < 2 * vocabulary->count)
        vocabulary->slot_count *= 2;
    vocabulary->slots = allocate(vocabulary->slot_count, sizeof *vocabulary->slots, error);
    if (!vocabulary->slots)
        return false;
    for (size_t i = 0; i < vocabulary->slot_count; i++)
        vocabulary->slots[i] = -1;
    for (int32_t id = 0; id < vocabulary_size(vocabulary); id++) {
        const char *token = vocabulary_token(vocabulary, id);
        size_t slot = find_slot(vocabulary, token, vocabulary_token_size(vocabulary, id));

        if (vocabulary->slots[slot] >= 0)
            return fail_input(error, "%s:%d: the token \"%s\" stands already in line %d", origin,
                              id + 1, token, vocabulary->slots[slot] + 1);
        vocabulary->slots[slot] = id;
    }
    return true;
}

static bool find_special_tokens(struct vocabulary *vocabulary, const char *origin,
                                struct error *error)
{
    for (int i = 0; i < SPECIAL_COUNT; i++) {
        const char *name = special_token_names[i];

        vocabulary->special[i] = vocabulary_find(vocabulary, name, strlen(name));
        if (vocabulary->special[i] < 0)
            return fail_input(error,
                              "%s: the special token %s is not among its %zu tokens; a BERT "
                              "vocabulary has [PAD] [UNK] [CLS] [SEP] [MASK]",
                              origin, name, vocabulary->count);
    }
    return true;
}

/* The contents of the vocab.txt. No token holds a zero byte, so every one is the end of a token. */
static bool print_lines(const struct vocabulary *vocabulary, struct buffer *out,
                        struct error *error)
{
    if (!buffer_append(out, vocabulary->text.data, vocabulary->text.size, error))
        return false;
    for (size_t i = 0; i < out->size; i++)
        if (out->data[i] == 0)
            out->data[i] = '\n';
    return true;
}

static bool hash_tokens(struct vocabulary *vocabulary, struct error *error)
{
    struct buffer lines = {0};
    bool printed = print_lines(vocabulary, &lines, error);

    if (printed)
        vocabulary->hash = hash_bytes(lines.data, lines.size);
    buffer_free(&lines);
    return printed;
}

/* Takes the vocabulary with its tokens added, or frees it. */
static struct vocabulary *finish(struct vocabulary *vocabulary, bool added, const char *origin,
                                 struct error *error)
{
    if (added && index_tokens(vocabulary, origin, error) &&
        find_special_tokens(vocabulary, origin, error) && hash_tokens(vocabulary, error))
        return vocabulary;
    vocabulary_free(vocabulary);
    return NULL;
}

static bool add_lines(struct vocabulary *vocabulary, const struct buffer *file, const char *path,
                      struct error *error)
{
    const char *line = file->size ? file->data : "";
    const char *end = line + file->size;

    while (line < end) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *next = newline ? newline + 1 : end;
        const char *stop = newline ? newline : end;

        if (stop > line && stop[-1] == '\r')
            stop--;
        if (!add(vocabulary, line, (size_t)(stop - line), path, error))
            return false;
        line = next;
    }
    return true;
}

struct vocabulary *vocabulary_load(const char *path, struct error *error)
{
    struct buffer file = {0};
    struct vocabulary *vocabulary = allocate(1, sizeof *vocabulary, error);

    if (!vocabulary)
        return NULL;
    bool added =
        file_read(path, MOST_FILE_BYTES, &file, error) && add_lines(vocabulary, &file, path, error);
    buffer_free(&file);
    return finish(vocabulary, added, path, error);
}

struct vocabulary *vocabulary_create(const char *const *tokens, size_t count, const char *origin,
                                     struct error *error)
{
    struct vocabulary *vocabulary = allocate(1, sizeof *vocabulary, error);

    if (!vocabulary)
        return NULL;
    bool added = true;
    for (size_t i = 0; i < count && added; i++)
        added = add(vocabulary, tokens[i], strlen(tokens[i]), origin, error);
    return finish(vocabulary, added, origin, error);
}

void vocabulary_free(struct vocabulary *vocabulary)
{
    if (!vocabulary)
        return;
    buffer_free(&vocabulary->text);
    free(vocabulary->starts);
    free(vocabulary->slots);
    free(vocabulary);
}

int32_t vocabulary_size(const struct vocabulary *vocabulary)
{
    return (int32_t)vocabulary->count;
}

const char *vocabulary_token(const struct vocabulary *vocabulary, int32_t id)
{
    CHECK(id >= 0 && (size_t)id < vocabulary->count);
    return vocabulary->text.data + vocabulary->starts[id];
}

size_t vocabulary_token_size(const struct vocabulary *vocabulary, int32_t id)
{
    CHECK(id >= 0 && (size_t)id < vocabulary->count);
    return vocabulary->starts[id + 1] - vocabulary->starts[id] - 1;
}

int32_t vocabulary_find(const struct vocabulary *vocabulary, const char *token, size_t size)
{
    return vocabulary->slots[find_slot(vocabulary, token, size)];
}

int32_t vocabulary_special(const struct vocabulary *vocabulary, enum special_token token)
{
    return vocabulary->special[token];
}

bool vocabulary_is_special(const struct vocabulary *vocabulary, int32_t id)
{
    for (int i = 0; i < SPECIAL_COUNT; i++)
        if (vocabulary->special[i] == id)
            return true;
    return false;
}

uint64_t vocabulary_hash(const struct vocabulary *vocabulary)
{
    return vocabulary->hash;
}

bool vocabulary_save(const struct vocabulary *vocabulary, const char *path, struct error *error)
{
    struct buffer lines = {0};
    bool saved =
        print_lines(vocabulary, &lines, error) && file_write(path, lines.data, lines.size, error);
    buffer_free(&lines);
    return saved;
}
