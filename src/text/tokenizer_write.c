/* Writes the files of a tokenizer into a model directory, as transformers 5 reads them. */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "text/tokenizer_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *strip_accents_json(enum strip_accents strip_accents)
{
    if (strip_accents == STRIP_ACCENTS_AS_LOWERCASE)
        return json_null();
    return json_boolean(strip_accents == STRIP_ACCENTS_YES);
}

static json_t *added_token_json(const struct added_token *token, bool with_id)
{
    json_t *entry = with_id
                        ? json_pack("{s:i, s:s}", "id", (int)token->id, "content", token->content)
                        : json_pack("{s:s}", "content", token->content);
    json_t *flags = json_pack("{s:b, s:b, s:b, s:b, s:b}", "single_word", (int)token->single_word,
                              "lstrip", (int)token->lstrip, "rstrip", (int)token->rstrip,
                              "normalized", (int)token->normalized, "special", (int)token->special);
    bool done = entry && flags && json_object_update(entry, flags) == 0;
    json_decref(flags);
    if (done)
        return entry;
    json_decref(entry);
    return NULL;
}

static int compare_ids(const void *a, const void *b)
{
    const struct added_token *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Returns the added tokens in the order of their ids, which is how readers number them; without
 * others, the five of BERT keep their usual order. The caller frees it; NULL when memory is
 * short. */
static struct added_token *sort_added(const struct vocabulary *vocabulary, size_t *count)
{
    struct error ignored = {0};
    const struct added_token *added = vocabulary_added(vocabulary, count);
    struct added_token *sorted = allocate(*count, sizeof *sorted, &ignored);
    if (!sorted)
        return NULL;
    memcpy(sorted, added, *count * sizeof *sorted);
    if (!vocabulary_is_plain(vocabulary))
        qsort(sorted, *count, sizeof *sorted, compare_ids);
    return sorted;
}

static json_t *added_tokens_json(const struct vocabulary *vocabulary)
{
    size_t count;
    struct added_token *added = sort_added(vocabulary, &count);
    json_t *list = added ? json_array() : NULL;
    for (size_t i = 0; list && i < count; i++)
        if (json_array_append_new(list, added_token_json(&added[i], true)) != 0) {
            json_decref(list);
            list = NULL;
        }
    free(added);
    return list;
}

/* Returns the added tokens as an object with their ids as keys, for tokenizer_config.json. */
static json_t *added_decoder_json(const struct vocabulary *vocabulary)
{
    size_t count;
    struct added_token *added = sort_added(vocabulary, &count);
    json_t *decoder = added ? json_object() : NULL;
    for (size_t i = 0; decoder && i < count; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", (int)added[i].id);
        if (json_object_set_new(decoder, id, added_token_json(&added[i], false)) != 0) {
            json_decref(decoder);
            decoder = NULL;
        }
    }
    free(added);
    return decoder;
}

/* One element of a template: a special token or a sequence ("A" or "B") with its token type. */
static json_t *template_item(const char *kind, const char *id, int type)
{
    return json_pack("{s:{s:s, s:i}}", kind, "id", id, "type_id", type);
}

static json_t *template_token(const struct vocabulary *vocabulary, enum special_token token)
{
    const char *name = vocabulary_special_name(vocabulary, token);

    return json_pack("{s:s, s:[i], s:[s]}", "id", name, "ids",
                     (int)vocabulary_special(vocabulary, token), "tokens", name);
}

/* Returns the template [CLS] A [SEP]; a second sequence adds B [SEP], of token type 1. */
static json_t *post_processor_json(const struct vocabulary *vocabulary)
{
    const char *cls = vocabulary_special_name(vocabulary, SPECIAL_CLS);
    const char *sep = vocabulary_special_name(vocabulary, SPECIAL_SEP);
    json_t *single =
        json_pack("[o, o, o]", template_item("SpecialToken", cls, 0),
                  template_item("Sequence", "A", 0), template_item("SpecialToken", sep, 0));
    json_t *pair =
        json_pack("[o, o, o, o, o]", template_item("SpecialToken", cls, 0),
                  template_item("Sequence", "A", 0), template_item("SpecialToken", sep, 0),
                  template_item("Sequence", "B", 1), template_item("SpecialToken", sep, 1));

    return json_pack("{s:s, s:o, s:o, s:{s:o, s:o}}", "type", "TemplateProcessing", "single",
                     single, "pair", pair, "special_tokens", cls,
                     template_token(vocabulary, SPECIAL_CLS), sep,
                     template_token(vocabulary, SPECIAL_SEP));
}

/* Ids without a token are left out; a repeated token has its last id. */
static json_t *model_json(const struct vocabulary *vocabulary)
{
    json_t *vocab = json_object();

    for (int32_t id = 0; id < vocabulary_line_count(vocabulary); id++)
        if (vocabulary_token_size(vocabulary, id) > 0 &&
            json_object_set_new(vocab, vocabulary_token(vocabulary, id), json_integer(id)) != 0) {
            json_decref(vocab);
            return NULL;
        }
    return json_pack("{s:s, s:s, s:s, s:i, s:o}", "type", "WordPiece", "unk_token",
                     vocabulary_special_name(vocabulary, SPECIAL_UNK), "continuing_subword_prefix",
                     "##", "max_input_chars_per_word", WORD_MAX_CHARACTERS, "vocab", vocab);
}

static json_t *tokenizer_json(const struct tokenizer *tokenizer)
{
    const struct vocabulary *vocabulary = tokenizer_vocabulary(tokenizer);
    struct tokenizer_options options = tokenizer_get_options(tokenizer);

    return json_pack("{s:s, s:n, s:n, s:o, s:{s:s, s:b, s:b, s:o, s:b}, s:{s:s}, s:o, "
                     "s:{s:s, s:s, s:b}, s:o}",
                     "version", "1.0", "truncation", "padding", "added_tokens",
                     added_tokens_json(vocabulary), "normalizer", "type", "BertNormalizer",
                     "clean_text", 1, "handle_chinese_chars", (int)options.tokenize_chinese_chars,
                     "strip_accents", strip_accents_json(options.strip_accents), "lowercase",
                     (int)options.lowercase, "pre_tokenizer", "type", "BertPreTokenizer",
                     "post_processor", post_processor_json(vocabulary), "decoder", "type",
                     "WordPiece", "prefix", "##", "cleanup", 1, "model", model_json(vocabulary));
}

static json_t *special_tokens_json(const struct vocabulary *vocabulary)
{
    static const char *const keys[SPECIAL_COUNT] = {"pad_token", "unk_token", "cls_token",
                                                    "sep_token", "mask_token"};
    json_t *names = json_object();
    for (int i = 0; i < SPECIAL_COUNT; i++) {
        const char *name = vocabulary_special_name(vocabulary, (enum special_token)i);
        if (json_object_set_new(names, keys[i], json_string(name)) != 0) {
            json_decref(names);
            return NULL;
        }
    }
    return names;
}

static json_t *config_json(const struct tokenizer *tokenizer, int model_max_length)
{
    const struct vocabulary *vocabulary = tokenizer_vocabulary(tokenizer);
    struct tokenizer_options options = tokenizer_get_options(tokenizer);
    json_t *names = special_tokens_json(vocabulary);
    json_t *config =
        json_pack("{s:s, s:s, s:b, s:o, s:b, s:i}", "tokenizer_class", "BertTokenizer", "backend",
                  "tokenizers", "do_lower_case", (int)options.lowercase, "strip_accents",
                  strip_accents_json(options.strip_accents), "tokenize_chinese_chars",
                  (int)options.tokenize_chinese_chars, "model_max_length", model_max_length);
    bool done = names && config && json_object_update(config, names) == 0;
    if (done && !vocabulary_is_plain(vocabulary))
        done = json_object_set_new(config, "added_tokens_decoder",
                                   added_decoder_json(vocabulary)) == 0;
    json_decref(names);
    if (done)
        return config;
    json_decref(config);
    return NULL;
}

/* Takes over the value, which jansson returns as NULL when memory is short. */
static bool write_json(const char *path, json_t *value, struct error *error)
{
    if (!value)
        return fail_work(error, "%s: out of memory", path);
    bool written = json_write_file(path, value, error);
    json_decref(value);
    return written;
}

/* The paths of the four files in a directory. */
struct paths {
    char *vocab, *tokenizer, *config, *special_tokens;
};

static void free_paths(struct paths *paths)
{
    free(paths->vocab);
    free(paths->tokenizer);
    free(paths->config);
    free(paths->special_tokens);
}

static bool make_paths(struct paths *paths, const char *directory, struct error *error)
{
    *paths = (struct paths){0};
    if ((paths->vocab = path_join(directory, "vocab.txt", error)) &&
        (paths->tokenizer = path_join(directory, "tokenizer.json", error)) &&
        (paths->config = path_join(directory, "tokenizer_config.json", error)) &&
        (paths->special_tokens = path_join(directory, "special_tokens_map.json", error)))
        return true;
    free_paths(paths);
    return false;
}

bool tokenizer_save(const struct tokenizer *tokenizer, const char *directory, int model_max_length,
                    struct error *error)
{
    struct paths paths;

    if (!make_paths(&paths, directory, error))
        return false;
    bool saved = vocabulary_save(tokenizer_vocabulary(tokenizer), paths.vocab, error) &&
                 write_json(paths.tokenizer, tokenizer_json(tokenizer), error) &&
                 write_json(paths.config, config_json(tokenizer, model_max_length), error) &&
                 write_json(paths.special_tokens,
                            special_tokens_json(tokenizer_vocabulary(tokenizer)), error);
    free_paths(&paths);
    return saved;
}
