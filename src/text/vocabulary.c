#include "text/vocabulary.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/file_writer.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/content.h"

#include <stdlib.h>
#include <string.h>

/* More than the size of any vocabulary, but a mistaken path to a corpus does not fill the
 * memory. */
static const size_t MAX_FILE_BYTES = (size_t)1 << 30;

const char *const special_token_names[SPECIAL_COUNT] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]",
                                                        "[MASK]"};

struct vocabulary {
    struct buffer text; /* the tokens in order, each followed by a zero byte */
    size_t *starts;     /* [count + 1] offset of each token in the text, then the end */
    size_t count, start_capacity;
    size_t line_count;      /* number of tokens that are lines; the others were added */
    size_t blank_at_end;    /* number of empty lines after the last token */
    size_t empty, repeated; /* number of ids without a token, and of repeated tokens */
    size_t odd_id;          /* the first id of either kind */
    bool byte_order_mark;
    int32_t *slots; /* [slot_count] open addressing: the id of a token; -1: free */
    size_t slot_count;
    int32_t special[SPECIAL_COUNT];
    struct added_token *added; /* [added_count], with contents in `text` */
    size_t added_count;
    bool plain;
    struct buffer note;
    uint64_t hash, lines_hash;
};

static bool add(struct vocabulary *vocabulary, const char *token, size_t size, const char *origin,
                struct error *error)
{
    size_t line = vocabulary->count + 1;

    if (memchr(token, 0, size))
        return fail_input(error, "%s:%zu: the token contains a zero byte", origin, line);
    /* The token would be two lines of a vocab.txt, also with a lone "\r". */
    if (memchr(token, '\n', size) || memchr(token, '\r', size))
        return fail_input(error, "%s:%zu: the token contains a line break", origin, line);
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

/* Returns the slot of the token, or the free slot where it belongs. */
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

/* Fills the hash table. The last one of repeated tokens is found, as in a dict of Python. */
static bool index_tokens(struct vocabulary *vocabulary, struct error *error)
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
        size_t size = vocabulary_token_size(vocabulary, id);
        size_t slot = find_slot(vocabulary, vocabulary_token(vocabulary, id), size);
        bool repeated = vocabulary->slots[slot] >= 0;

        if ((size == 0 || repeated) && vocabulary->empty + vocabulary->repeated == 0)
            vocabulary->odd_id = (size_t)id;
        vocabulary->empty += size == 0;
        vocabulary->repeated += repeated;
        if (size > 0)
            vocabulary->slots[slot] = id;
    }
    return true;
}

static bool find_special_tokens(struct vocabulary *vocabulary,
                                const struct vocabulary_additions *additions, const char *origin,
                                struct error *error)
{
    for (int i = 0; i < SPECIAL_COUNT; i++) {
        const char *own = additions->special[i];
        const char *name = own ? own : special_token_names[i];

        vocabulary->special[i] = vocabulary_find(vocabulary, name, strlen(name));
        if (vocabulary->special[i] < 0)
            return fail_input(error,
                              "%s: the special token %s is not among its %zu tokens; a BERT "
                              "vocabulary has [PAD] [UNK] [CLS] [SEP] [MASK]%s",
                              origin, name, vocabulary->count,
                              own ? "" : ", or a model directory that names others");
    }
    return true;
}

/* Prints the first `count` tokens as lines. No token has a zero byte, so each zero is an end. */
static bool print_lines(const struct vocabulary *vocabulary, size_t count, struct buffer *out,
                        struct error *error)
{
    if (count == 0)
        return true;
    if (!buffer_append(out, vocabulary->text.data, vocabulary->starts[count], error))
        return false;
    for (size_t i = 0; i < out->size; i++)
        if (out->data[i] == 0)
            out->data[i] = '\n';
    return true;
}

static bool print_added(const struct vocabulary *vocabulary, struct buffer *out,
                        struct error *error)
{
    for (size_t i = 0; i < vocabulary->added_count; i++) {
        const struct added_token *token = &vocabulary->added[i];
        if (!buffer_print(out, error, "%d %d %d %d\n", token->id, token->single_word,
                          token->normalized, token->special))
            return false;
    }
    return true;
}

static bool hash_tokens(struct vocabulary *vocabulary, struct error *error)
{
    struct buffer lines = {0}, all = {0};
    bool printed = print_lines(vocabulary, vocabulary->line_count, &lines, error) &&
                   print_lines(vocabulary, vocabulary->count, &all, error) &&
                   (vocabulary->plain || print_added(vocabulary, &all, error));

    if (printed) {
        vocabulary->lines_hash = hash_bytes(lines.data, lines.size);
        vocabulary->hash = hash_bytes(all.data, all.size);
    }
    buffer_free(&lines);
    buffer_free(&all);
    return printed;
}

/* ---- added tokens ---- */

/* The max number of free ids between the lines and the added tokens, which are ids without a token.
 * Programs that count lines differently leave a few; more of them are a mistake. */
enum { MAX_FREE_IDS = 1 << 16 };

static bool append_token(struct vocabulary *vocabulary, const struct added_token *token,
                         const char *origin, struct error *error)
{
    while (vocabulary->count < (size_t)token->id)
        if (!add(vocabulary, "", 0, origin, error))
            return false;
    return add(vocabulary, token->content, strlen(token->content), origin, error);
}

/* Appends the added tokens that are not lines; those with an id must come after all lines. A token
 * without an id that is not a line is ignored: a model has no row for it. */
static bool append_added(struct vocabulary *vocabulary,
                         const struct vocabulary_additions *additions, const char *origin,
                         struct error *error)
{
    for (size_t i = 0; i < additions->count; i++) {
        const struct added_token *token = &additions->added[i];
        if (token->id < 0)
            continue;
        bool beyond = token->id >= 0 && (size_t)token->id >= vocabulary->count;

        if (token->content[0] == 0 ||
            (beyond && (size_t)token->id - vocabulary->count > MAX_FREE_IDS))
            return fail_input(error, "%s: the added token \"%s\" has the id %d, after %zu tokens",
                              origin, token->content, token->id, vocabulary->count);
        if (!beyond && strcmp(vocabulary_token(vocabulary, token->id), token->content) != 0)
            return fail_input(
                error, "%s: the added token \"%s\" has the id %d, which is the token \"%s\"",
                origin, token->content, token->id, vocabulary_token(vocabulary, token->id));
        if (beyond && !append_token(vocabulary, token, origin, error))
            return false;
    }
    return true;
}

static size_t index_of(const struct vocabulary *vocabulary, int32_t id)
{
    size_t index = 0;
    while (index < vocabulary->added_count && vocabulary->added[index].id != id)
        index++;
    return index;
}

static bool is_plain_special(const struct vocabulary *vocabulary, size_t index)
{
    const struct added_token *token = &vocabulary->added[index];
    return index < SPECIAL_COUNT && strcmp(token->content, special_token_names[index]) == 0 &&
           token->special && !token->single_word && !token->lstrip && !token->rstrip &&
           !token->normalized;
}

/* Lists the added tokens, first the five special ones, with the flags that the additions give. */
static bool list_added(struct vocabulary *vocabulary, const struct vocabulary_additions *additions,
                       struct error *error)
{
    vocabulary->added =
        allocate(SPECIAL_COUNT + additions->count, sizeof *vocabulary->added, error);
    if (!vocabulary->added)
        return false;
    for (int i = 0; i < SPECIAL_COUNT; i++)
        vocabulary->added[vocabulary->added_count++] =
            (struct added_token){.id = vocabulary->special[i], .special = true};
    for (size_t i = 0; i < additions->count; i++) {
        struct added_token token = additions->added[i];
        if (token.id < 0)
            token.id = vocabulary_find(vocabulary, token.content, strlen(token.content));
        if (token.id < 0)
            continue;
        size_t index = index_of(vocabulary, token.id);
        vocabulary->added_count += index == vocabulary->added_count;
        vocabulary->added[index] = token;
    }
    vocabulary->plain = true;
    for (size_t i = 0; i < vocabulary->added_count; i++) {
        vocabulary->added[i].content = vocabulary_token(vocabulary, vocabulary->added[i].id);
        vocabulary->plain &= is_plain_special(vocabulary, i);
    }
    return true;
}

/* ---- making ---- */

static bool print_note(struct vocabulary *vocabulary, const char *origin, struct error *error)
{
    struct buffer *note = &vocabulary->note;
    if (vocabulary->byte_order_mark &&
        !buffer_print(note, error, "%s: the byte-order mark is left out", origin))
        return false;
    if (vocabulary->empty + vocabulary->repeated == 0)
        return true;
    return buffer_print(note, error, "%s%s: from id %zu on: ", note->size ? "\n" : "", origin,
                        vocabulary->odd_id) &&
           buffer_print(note, error, "ids without a token: %zu, repeated tokens: %zu",
                        vocabulary->empty, vocabulary->repeated);
}

/* Completes a vocabulary whose lines have been added; frees it and returns NULL on failure, or if
 * adding them failed. */
static struct vocabulary *finish(struct vocabulary *vocabulary, bool added,
                                 const struct vocabulary_additions *additions, const char *origin,
                                 struct error *error)
{
    static const struct vocabulary_additions none = {0};
    if (!additions)
        additions = &none;
    vocabulary->line_count = vocabulary->count;
    if (added && append_added(vocabulary, additions, origin, error) &&
        index_tokens(vocabulary, error) &&
        find_special_tokens(vocabulary, additions, origin, error) &&
        list_added(vocabulary, additions, error) && hash_tokens(vocabulary, error) &&
        print_note(vocabulary, origin, error))
        return vocabulary;
    vocabulary_free(vocabulary);
    return NULL;
}

/* Returns the end of the line, and sets *next to the beginning of the next one. */
static const char *end_of_line(const char *line, const char *end, const char **next)
{
    const char *stop = line;
    while (stop < end && *stop != '\n' && *stop != '\r')
        stop++;
    *next = stop + (stop < end) + (end - stop > 1 && stop[0] == '\r' && stop[1] == '\n');
    return stop;
}

/* Adds a line. Empty lines are only counted in blank_at_end until a token follows. */
static bool add_line(struct vocabulary *vocabulary, const char *line, size_t size, const char *path,
                     struct error *error)
{
    if (size == 0) {
        vocabulary->blank_at_end++;
        return true;
    }
    for (; vocabulary->blank_at_end > 0; vocabulary->blank_at_end--)
        if (!add(vocabulary, "", 0, path, error))
            return false;
    return add(vocabulary, line, size, path, error);
}

static bool add_lines(struct vocabulary *vocabulary, const struct buffer *file, const char *path,
                      struct error *error)
{
    static const char mark[] = "\xEF\xBB\xBF";
    const char *line = file->size ? file->data : "";
    const char *end = line + file->size;

    vocabulary->byte_order_mark = file->size >= 3 && memcmp(line, mark, 3) == 0;
    line += vocabulary->byte_order_mark ? 3 : 0;
    for (const char *next; line < end; line = next) {
        const char *stop = end_of_line(line, end, &next);
        if (!add_line(vocabulary, line, (size_t)(stop - line), path, error))
            return false;
    }
    return true;
}

/* Replaces the error by one with the kind of the file, if it is recognized: for a file that is not
 * a vocabulary this says more than its first line that is not a token. */
static void fail_content(const char *path, const struct buffer *file, struct error *error)
{
    struct content content = content_recognize(file->size ? file->data : "", file->size);
    const char *what = content.kind == CONTENT_FOREIGN ? content.what
                       : content.kind == CONTENT_JSON  ? "JSON"
                       : content.kind == CONTENT_TAR   ? "a tar archive"
                       : content.marked                ? "HTML or XML"
                                                       : NULL;
    const char *remedy = content.kind == CONTENT_FOREIGN ? content.remedy
                         : content.kind == CONTENT_JSON
                             ? "a tokenizer.json needs a name that ends in .json"
                         : content.kind == CONTENT_TAR ? "unpack it first"
                                                       : "download the file itself, not its page";
    if (what)
        fail_input(error, "%s: is %s, not a vocabulary with a token on each line; %s", path, what,
                   remedy);
}

struct vocabulary *vocabulary_load_with(const char *path,
                                        const struct vocabulary_additions *additions,
                                        struct error *error)
{
    struct buffer file = {0};
    struct vocabulary *vocabulary = allocate(1, sizeof *vocabulary, error);

    if (!vocabulary)
        return NULL;
    bool read = file_read(path, MAX_FILE_BYTES, &file, error);
    bool added = read && add_lines(vocabulary, &file, path, error);
    vocabulary = finish(vocabulary, added, additions, path, error);
    if (read && !vocabulary && error->kind == ERROR_INPUT)
        fail_content(path, &file, error);
    buffer_free(&file);
    return vocabulary;
}

struct vocabulary *vocabulary_load(const char *path, struct error *error)
{
    return vocabulary_load_with(path, NULL, error);
}

struct vocabulary *vocabulary_create_with(const char *const *tokens, size_t count,
                                          const struct vocabulary_additions *additions,
                                          const char *origin, struct error *error)
{
    struct vocabulary *vocabulary = allocate(1, sizeof *vocabulary, error);

    if (!vocabulary)
        return NULL;
    bool added = true;
    for (size_t i = 0; i < count && added; i++) {
        const char *token = tokens[i] ? tokens[i] : "";
        added = add(vocabulary, token, strlen(token), origin, error);
    }
    return finish(vocabulary, added, additions, origin, error);
}

struct vocabulary *vocabulary_create(const char *const *tokens, size_t count, const char *origin,
                                     struct error *error)
{
    return vocabulary_create_with(tokens, count, NULL, origin, error);
}

void vocabulary_free(struct vocabulary *vocabulary)
{
    if (!vocabulary)
        return;
    buffer_free(&vocabulary->text);
    free(vocabulary->starts);
    free(vocabulary->slots);
    free(vocabulary->added);
    buffer_free(&vocabulary->note);
    free(vocabulary);
}

int32_t vocabulary_size(const struct vocabulary *vocabulary)
{
    return (int32_t)vocabulary->count;
}

int32_t vocabulary_line_count(const struct vocabulary *vocabulary)
{
    return (int32_t)vocabulary->line_count;
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
    /* The empty token has a free slot: ids without a token are not in the table. */
    return vocabulary->slots[find_slot(vocabulary, token, size)];
}

int32_t vocabulary_special(const struct vocabulary *vocabulary, enum special_token token)
{
    return vocabulary->special[token];
}

const char *vocabulary_special_name(const struct vocabulary *vocabulary, enum special_token token)
{
    return vocabulary_token(vocabulary, vocabulary->special[token]);
}

bool vocabulary_is_special(const struct vocabulary *vocabulary, int32_t id)
{
    for (size_t i = 0; i < vocabulary->added_count; i++)
        if (vocabulary->added[i].id == id)
            return i < SPECIAL_COUNT || vocabulary->added[i].special;
    return false;
}

bool vocabulary_is_ordinary(const struct vocabulary *vocabulary, int32_t id)
{
    return !vocabulary_is_special(vocabulary, id) && vocabulary_token_size(vocabulary, id) > 0;
}

const struct added_token *vocabulary_added(const struct vocabulary *vocabulary, size_t *count)
{
    *count = vocabulary->added_count;
    return vocabulary->added;
}

bool vocabulary_is_plain(const struct vocabulary *vocabulary)
{
    return vocabulary->plain;
}

const char *vocabulary_note(const struct vocabulary *vocabulary)
{
    return vocabulary->note.size ? vocabulary->note.data : "";
}

uint64_t vocabulary_hash(const struct vocabulary *vocabulary)
{
    return vocabulary->hash;
}

uint64_t vocabulary_lines_hash(const struct vocabulary *vocabulary)
{
    return vocabulary->lines_hash;
}

bool vocabulary_save(const struct vocabulary *vocabulary, const char *path, struct error *error)
{
    struct buffer lines = {0};
    bool saved = print_lines(vocabulary, vocabulary->line_count, &lines, error);
    for (size_t i = 0; i < vocabulary->blank_at_end && saved; i++)
        saved = buffer_append(&lines, "\n", 1, error);
    saved = saved && file_write(path, lines.data, lines.size, error);
    buffer_free(&lines);
    return saved;
}
