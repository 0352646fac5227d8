/* Reads a tokenizer.json, as transformers 5 and tokenizers write it. */
#include "base/memory.h"
#include "text/tokenizer_document.h"

#include <stdlib.h>
#include <string.h>

static bool is_sequence(const json_t *value)
{
    const char *type = json_string_value(json_object_get(value, "type"));
    return type && strcmp(type, "Sequence") == 0;
}

/* Replaces a Sequence of one part by that part, so that later errors name its keys as usual. */
static bool unwrap_sequence(const struct json_document *document, const char *key, const char *list,
                            const char *expected, struct error *error)
{
    json_t *value, *parts, *part;
    size_t index;

    while ((value = json_object_get(document->root, key)) && is_sequence(value)) {
        parts = json_object_get(value, list);
        json_array_foreach (parts, index, part) {
            const json_t *type = json_object_get(part, "type");
            const char *name = json_string_value(type);
            if (!is_sequence(part) && (!name || strcmp(name, expected) != 0))
                return fail_input(error, "%s: the Sequence of %s holds %.80s; expected %s alone",
                                  document->path, key, name ? name : "no type", expected);
        }
        if (json_array_size(parts) != 1)
            return fail_input(error, "%s: the Sequence of %s has %zu parts; expected %s alone",
                              document->path, key, json_array_size(parts), expected);
        if (json_object_set(document->root, key, json_array_get(parts, 0)) != 0)
            return fail_work(error, "out of memory: %s", document->path);
    }
    return true;
}

static bool read_normalizer(const struct json_document *document, struct tokenizer_options *options,
                            struct error *error)
{
    bool clean_text = false;

    if (!unwrap_sequence(document, "normalizer", "normalizers", "BertNormalizer", error) ||
        !unwrap_sequence(document, "pre_tokenizer", "pretokenizers", "BertPreTokenizer", error) ||
        !json_document_expect(document, "normalizer.type", "BertNormalizer", error) ||
        !json_document_expect(document, "pre_tokenizer.type", "BertPreTokenizer", error) ||
        !json_document_flag(document, "normalizer.clean_text", &clean_text, error) ||
        !json_document_flag(document, "normalizer.handle_chinese_chars",
                            &options->tokenize_chinese_chars, error) ||
        !json_document_flag(document, "normalizer.lowercase", &options->lowercase, error) ||
        !json_document_strip_accents(document, "normalizer.strip_accents", &options->strip_accents,
                                     error))
        return false;
    if (!clean_text)
        return json_document_fail(document, "normalizer.clean_text",
                                  json_document_find(document, "normalizer.clean_text"), "true",
                                  error);
    return true;
}

static bool check_model(const struct json_document *document, struct error *error)
{
    const char *key = "model.max_input_chars_per_word";
    const json_t *max = json_document_find(document, key);

    if (!json_document_find(document, "model"))
        return fail_input(error,
                          "%s: is not a tokenizer.json: it has no \"model\"; expected a "
                          "tokenizer.json, a vocab.txt or the directory of a model",
                          document->path);
    /* Files of the first releases of tokenizers do not name the type. */
    if (json_document_find(document, "model.type") &&
        !json_document_expect(document, "model.type", "WordPiece", error))
        return false;
    if (!json_is_string(json_document_find(document, "model.unk_token")))
        return json_document_fail(document, "model.unk_token",
                                  json_document_find(document, "model.unk_token"), "[UNK]", error);
    if (!json_document_expect(document, "model.continuing_subword_prefix", "##", error))
        return false;
    if (!json_is_integer(max) || json_integer_value(max) != WORD_MAX_CHARACTERS)
        return json_document_fail(document, key, max, "100", error);
    return true;
}

/* Checks that the tokenizer may put [CLS] and [SEP] around texts, as cloze does. */
static bool check_post_processor(const struct json_document *document, struct error *error)
{
    const json_t *type = json_document_find(document, "post_processor.type");
    const char *name = json_string_value(type);

    return !type ||
           (name &&
            (strcmp(name, "TemplateProcessing") == 0 || strcmp(name, "BertProcessing") == 0)) ||
           json_document_fail(document, "post_processor.type", type,
                              "TemplateProcessing or BertProcessing", error);
}

/* Replaces a Sequence of one part by that part; check_post_processor refuses longer ones. */
static bool unwrap_processors(const struct json_document *document, struct error *error)
{
    const json_t *parts = json_document_find(document, "post_processor.processors");
    if (json_array_size(parts) != 1)
        return true;
    return json_object_set(document->root, "post_processor", json_array_get(parts, 0)) == 0 ||
           fail_work(error, "out of memory: %s", document->path);
}

static bool read_added(const struct json_document *document, struct token_list *list,
                       struct error *error)
{
    const json_t *entries = json_document_find(document, "added_tokens");
    struct added_token token;
    json_t *entry;
    size_t index;

    json_array_foreach (entries, index, entry) {
        const json_t *id = json_object_get(entry, "id");
        if (!json_document_added_token(document, "added_tokens", entry,
                                       json_is_integer(id) ? json_integer_value(id) : -1, &token,
                                       error) ||
            !token_list_add(list, &token, error))
            return false;
    }
    return true;
}

bool tokenizer_json_read(const struct json_document *document, struct tokenizer_options *options,
                         struct token_list *list, struct error *error)
{
    if (!check_model(document, error) || !unwrap_processors(document, error) ||
        !read_normalizer(document, options, error) || !check_post_processor(document, error))
        return false;
    list->special[SPECIAL_UNK] = json_string_value(json_document_find(document, "model.unk_token"));
    return read_added(document, list, error);
}

/* ---- the vocabulary ---- */

/* Sets *count to the max id + 1. Ids are missing if a vocab.txt has empty or repeated lines; if
 * more ids are missing than there are tokens, the file is not a vocabulary. */
static bool count_ids(const struct json_document *document, json_t *vocab, size_t *count,
                      struct error *error)
{
    json_int_t max = 2 * (json_int_t)json_object_size(vocab) - 1;
    const char *token;
    json_t *value;

    *count = 0;
    json_object_foreach (vocab, token, value) {
        json_int_t id = json_integer_value(value);

        if (!json_is_integer(value) || id < 0 || id > max)
            return fail_input(error,
                              "%s: model.vocab gives the token \"%s\" an id that is not an integer "
                              "from 0 to %lld",
                              document->path, token, (long long)max);
        *count = (size_t)id >= *count ? (size_t)id + 1 : *count;
    }
    return true;
}

/* Sets tokens[id] for each entry of model.vocab. The tokens belong to the document. */
static bool list_tokens(const struct json_document *document, json_t *vocab, const char **tokens,
                        struct error *error)
{
    const char *token;
    json_t *value;

    json_object_foreach (vocab, token, value) {
        json_int_t id = json_integer_value(value);

        if (tokens[id])
            return fail_input(error,
                              "%s: model.vocab gives the tokens \"%s\" and \"%s\" the same id %d",
                              document->path, tokens[id], token, (int)id);
        tokens[id] = token;
    }
    return true;
}

/* Loads the vocab.txt next to a tokenizer.json that lacks ids, as of repeated lines. Returns NULL
 * if there is none, if it does not agree with the tokens, or if no id is missing. */
static struct vocabulary *load_lines(const char *path, const char **tokens, size_t count)
{
    struct error unreadable = {0};
    bool complete = true;
    for (size_t id = 0; id < count; id++)
        complete &= tokens[id] != NULL;
    if (complete || !path)
        return NULL;
    struct vocabulary *lines = vocabulary_load(path, &unreadable);
    bool same = lines && (size_t)vocabulary_size(lines) == count;
    for (size_t id = 0; id < count && same; id++)
        same = !tokens[id] || strcmp(tokens[id], vocabulary_token(lines, (int32_t)id)) == 0;
    if (same)
        return lines;
    vocabulary_free(lines);
    return NULL;
}

static struct vocabulary *make_vocabulary(const struct json_document *document, const char **tokens,
                                          size_t count, const char *lines_path,
                                          const struct vocabulary_additions *additions,
                                          struct error *error)
{
    struct vocabulary *lines = load_lines(lines_path, tokens, count);
    for (size_t id = 0; id < count && lines; id++)
        tokens[id] = vocabulary_token(lines, (int32_t)id);
    struct vocabulary *vocabulary =
        vocabulary_create_with(tokens, count, additions, document->path, error);
    vocabulary_free(lines);
    return vocabulary;
}

struct vocabulary *tokenizer_json_vocabulary(const struct json_document *document,
                                             const char *lines,
                                             const struct vocabulary_additions *additions,
                                             struct error *error)
{
    json_t *vocab = json_document_find(document, "model.vocab");
    struct vocabulary *vocabulary = NULL;
    size_t count;

    if (!json_is_object(vocab)) {
        json_document_fail(document, "model.vocab", vocab, "an object of tokens and their ids",
                           error);
        return NULL;
    }
    if (!count_ids(document, vocab, &count, error))
        return NULL;
    const char **tokens = allocate(count, sizeof *tokens, error);
    if (tokens && list_tokens(document, vocab, tokens, error))
        vocabulary = make_vocabulary(document, tokens, count, lines, additions, error);
    free(tokens);
    return vocabulary;
}
