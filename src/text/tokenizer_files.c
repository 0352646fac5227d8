/* The files of a tokenizer in a model directory, as transformers 5 writes and reads them. */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "text/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- Reading ---- */

/* A JSON file being read; keys are given with dots: "model.vocab". */
struct document {
    const char *path;
    json_t *root;
};

static json_t *find(const struct document *document, const char *key)
{
    json_t *value = document->root;

    for (const char *dot; value && (dot = strchr(key, '.')) != NULL; key = dot + 1)
        value = json_object_getn(value, key, (size_t)(dot - key));
    return json_object_get(value, key);
}

/* "PATH: KEY is FOUND; expected ..." */
static bool fail_value(const struct document *document, const char *key, const json_t *found,
                       const char *expected, struct error *error)
{
    char *text = found ? json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

    if (text)
        fail_input(error, "%s: %s is %.80s; expected %s", document->path, key, text, expected);
    else
        fail_input(error, "%s: %s is missing; expected %s", document->path, key, expected);
    free(text);
    return false;
}

static bool expect_string(const struct document *document, const char *key, const char *expected,
                          struct error *error)
{
    const json_t *found = find(document, key);
    const char *text = json_string_value(found);

    if (text && strcmp(text, expected) == 0)
        return true;
    return fail_value(document, key, found, expected, error);
}

static bool read_flag(const struct document *document, const char *key, bool *flag,
                      struct error *error)
{
    const json_t *found = find(document, key);

    if (!json_is_boolean(found))
        return fail_value(document, key, found, "true or false", error);
    *flag = json_is_true(found);
    return true;
}

static bool read_strip_accents(const struct document *document, const char *key,
                               enum strip_accents *strip_accents, struct error *error)
{
    const json_t *found = find(document, key);

    if (!json_is_null(found) && !json_is_boolean(found))
        return fail_value(document, key, found, "null, true or false", error);
    *strip_accents = json_is_null(found)   ? STRIP_ACCENTS_AS_LOWERCASE
                     : json_is_true(found) ? STRIP_ACCENTS_YES
                                           : STRIP_ACCENTS_NO;
    return true;
}

static bool read_normalizer(const struct document *document, struct tokenizer_options *options,
                            struct error *error)
{
    bool clean_text = false;

    if (!expect_string(document, "normalizer.type", "BertNormalizer", error) ||
        !expect_string(document, "pre_tokenizer.type", "BertPreTokenizer", error) ||
        !read_flag(document, "normalizer.clean_text", &clean_text, error) ||
        !read_flag(document, "normalizer.handle_chinese_chars", &options->tokenize_chinese_chars,
                   error) ||
        !read_flag(document, "normalizer.lowercase", &options->lowercase, error) ||
        !read_strip_accents(document, "normalizer.strip_accents", &options->strip_accents, error))
        return false;
    if (!clean_text)
        return fail_value(document, "normalizer.clean_text",
                          find(document, "normalizer.clean_text"), "true", error);
    return true;
}

/* tokens[id] for each entry of model.vocab; they belong to the document. */
static bool list_tokens(const struct document *document, json_t *vocab, const char **tokens,
                        struct error *error)
{
    const char *token;
    json_t *value;

    json_object_foreach(vocab, token, value)
    {
        json_int_t id = json_integer_value(value);

        if (!json_is_integer(value) || id < 0 || id >= (json_int_t)json_object_size(vocab))
            return fail_input(error,
                              "%s: model.vocab gives the token \"%s\" an id that is not an integer "
                              "from 0 to %zu; the ids must be numbered without gaps",
                              document->path, token, json_object_size(vocab) - 1);
        if (tokens[id])
            return fail_input(error,
                              "%s: model.vocab gives the tokens \"%s\" and \"%s\" the same id %d",
                              document->path, tokens[id], token, (int)id);
        tokens[id] = token;
    }
    return true;
}

static struct vocabulary *read_vocabulary(const struct document *document, struct error *error)
{
    json_t *vocab = find(document, "model.vocab");
    struct vocabulary *vocabulary = NULL;

    if (!json_is_object(vocab)) {
        fail_value(document, "model.vocab", vocab, "an object of tokens and their ids", error);
        return NULL;
    }
    const char **tokens = allocate(json_object_size(vocab), sizeof *tokens, error);
    if (tokens && list_tokens(document, vocab, tokens, error))
        vocabulary = vocabulary_create(tokens, json_object_size(vocab), document->path, error);
    free(tokens);
    return vocabulary;
}

static bool check_model(const struct document *document, struct error *error)
{
    const char *key = "model.max_input_chars_per_word";
    const json_t *most = find(document, key);

    /* Files of the first releases of tokenizers do not name the type. */
    if (find(document, "model.type") && !expect_string(document, "model.type", "WordPiece", error))
        return false;
    if (!expect_string(document, "model.unk_token", "[UNK]", error) ||
        !expect_string(document, "model.continuing_subword_prefix", "##", error))
        return false;
    if (!json_is_integer(most) || json_integer_value(most) != WORD_MAX_CHARACTERS)
        return fail_value(document, key, most, "100", error);
    return true;
}

/* Whether the entry of added_tokens describes the special token as every BERT tokenizer does. */
static bool is_plain_special(const json_t *entry, int32_t id)
{
    return json_integer_value(json_object_get(entry, "id")) == id &&
           json_is_true(json_object_get(entry, "special")) &&
           !json_is_true(json_object_get(entry, "single_word")) &&
           !json_is_true(json_object_get(entry, "lstrip")) &&
           !json_is_true(json_object_get(entry, "rstrip")) &&
           !json_is_true(json_object_get(entry, "normalized"));
}

/* Exactly the five special tokens are matched in the text, so exactly they must be asked for. */
static bool check_added_tokens(const struct document *document, const struct vocabulary *vocabulary,
                               struct error *error)
{
    const json_t *entries = find(document, "added_tokens");
    bool seen[SPECIAL_COUNT] = {false};
    const json_t *entry;
    size_t index;

    json_array_foreach(entries, index, entry)
    {
        const char *content = json_string_value(json_object_get(entry, "content"));
        int special = 0;

        while (special < SPECIAL_COUNT &&
               !(content && strcmp(content, special_token_names[special]) == 0))
            special++;
        if (special == SPECIAL_COUNT ||
            !is_plain_special(entry, vocabulary_special(vocabulary, (enum special_token)special)))
            return fail_value(document, "added_tokens", entry,
                              "only [PAD] [UNK] [CLS] [SEP] [MASK], with their ids in model.vocab, "
                              "special, without single_word, lstrip, rstrip, normalized",
                              error);
        seen[special] = true;
    }
    for (int i = 0; i < SPECIAL_COUNT; i++)
        if (!seen[i])
            return fail_input(error,
                              "%s: added_tokens does not hold %s; expected the five "
                              "special tokens of BERT",
                              document->path, special_token_names[i]);
    return true;
}

static bool read_document(const struct document *document, struct vocabulary **vocabulary,
                          struct tokenizer_options *options, struct error *error)
{
    if (!check_model(document, error) || !read_normalizer(document, options, error))
        return false;
    *vocabulary = read_vocabulary(document, error);
    if (!*vocabulary)
        return false;
    if (check_added_tokens(document, *vocabulary, error))
        return true;
    vocabulary_free(*vocabulary);
    return false;
}

static bool read_json(const char *path, struct vocabulary **vocabulary,
                      struct tokenizer_options *options, struct error *error)
{
    struct document document = {path, json_read_file(path, error)};

    if (!document.root)
        return false;
    bool read = read_document(&document, vocabulary, options, error);
    json_decref(document.root);
    return read;
}

static bool has_config_class(const struct document *document)
{
    const json_t *class = find(document, "tokenizer_class");
    const char *name = json_string_value(class);

    return !class ||
           (name && (strcmp(name, "BertTokenizer") == 0 || strcmp(name, "BertTokenizerFast") == 0));
}

static bool check_config_class(const struct document *document, struct error *error)
{
    const json_t *basic = find(document, "do_basic_tokenize");

    if (!has_config_class(document))
        return fail_value(document, "tokenizer_class", find(document, "tokenizer_class"),
                          "BertTokenizer", error);
    if (basic && !json_is_true(basic))
        return fail_value(document, "do_basic_tokenize", basic, "true", error);
    return true;
}

/* A special token stands in the file by its name or, in transformers 4, as an object that has the
 * name as "content". */
static bool check_config_tokens(const struct document *document, struct error *error)
{
    static const char *const keys[SPECIAL_COUNT] = {"pad_token", "unk_token", "cls_token",
                                                    "sep_token", "mask_token"};
    for (int i = 0; i < SPECIAL_COUNT; i++) {
        const json_t *token = find(document, keys[i]);
        const json_t *content = json_is_object(token) ? json_object_get(token, "content") : token;
        const char *name = json_string_value(content);

        if (token && !(name && strcmp(name, special_token_names[i]) == 0))
            return fail_value(document, keys[i], token, special_token_names[i], error);
    }
    return true;
}

static bool read_config(const struct document *document, struct tokenizer_options *options,
                        struct error *error)
{
    return check_config_class(document, error) && check_config_tokens(document, error) &&
           (!find(document, "do_lower_case") ||
            read_flag(document, "do_lower_case", &options->lowercase, error)) &&
           (!find(document, "tokenize_chinese_chars") ||
            read_flag(document, "tokenize_chinese_chars", &options->tokenize_chinese_chars,
                      error)) &&
           (!find(document, "strip_accents") ||
            read_strip_accents(document, "strip_accents", &options->strip_accents, error));
}

/* Sets the options that the file gives. Beside a tokenizer.json those of a BertTokenizer come
 * first, as in AutoTokenizer; any other class takes tokenizer.json as it is. */
static bool load_config(const char *path, bool beside_json, struct tokenizer_options *options,
                        struct error *error)
{
    if (!path_is_taken(path))
        return true;
    struct document document = {path, json_read_file(path, error)};
    if (!document.root)
        return false;
    bool read =
        (beside_json && !has_config_class(&document)) || read_config(&document, options, error);
    json_decref(document.root);
    return read;
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

static bool read_lines(const struct paths *paths, struct vocabulary **vocabulary,
                       struct tokenizer_options *options, struct error *error)
{
    *options = tokenizer_default_options;
    if (!load_config(paths->config, false, options, error))
        return false;
    *vocabulary = vocabulary_load(paths->vocab, error);
    return *vocabulary != NULL;
}

static bool read_config_beside(const char *path, struct vocabulary **vocabulary,
                               struct tokenizer_options *options, struct error *error)
{
    if (load_config(path, true, options, error))
        return true;
    vocabulary_free(*vocabulary);
    *vocabulary = NULL;
    return false;
}

bool tokenizer_read_files(const char *directory, struct vocabulary **vocabulary,
                          struct tokenizer_options *options, struct error *error)
{
    struct paths paths;
    bool read;

    if (!make_paths(&paths, directory, error))
        return false;
    *vocabulary = NULL;
    *options = (struct tokenizer_options){0};
    if (path_is_taken(paths.tokenizer))
        read = read_json(paths.tokenizer, vocabulary, options, error) &&
               read_config_beside(paths.config, vocabulary, options, error);
    else if (path_is_taken(paths.vocab))
        read = read_lines(&paths, vocabulary, options, error);
    else
        read = fail_input(error,
                          "%s: holds neither tokenizer.json nor vocab.txt; expected a model "
                          "directory with a tokenizer",
                          directory);
    free_paths(&paths);
    return read;
}

struct tokenizer *tokenizer_load(const char *directory, struct error *error)
{
    struct vocabulary *vocabulary = NULL;
    struct tokenizer_options options;

    return tokenizer_read_files(directory, &vocabulary, &options, error)
               ? tokenizer_create(vocabulary, options, error)
               : NULL;
}

/* ---- Writing ---- */

static json_t *strip_accents_json(enum strip_accents strip_accents)
{
    if (strip_accents == STRIP_ACCENTS_AS_LOWERCASE)
        return json_null();
    return json_boolean(strip_accents == STRIP_ACCENTS_YES);
}

static json_t *added_token_json(const struct vocabulary *vocabulary, enum special_token token)
{
    return json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id",
                     (int)vocabulary_special(vocabulary, token), "content",
                     special_token_names[token], "single_word", 0, "lstrip", 0, "rstrip", 0,
                     "normalized", 0, "special", 1);
}

static json_t *added_tokens_json(const struct vocabulary *vocabulary)
{
    return json_pack(
        "[o, o, o, o, o]", added_token_json(vocabulary, SPECIAL_PAD),
        added_token_json(vocabulary, SPECIAL_UNK), added_token_json(vocabulary, SPECIAL_CLS),
        added_token_json(vocabulary, SPECIAL_SEP), added_token_json(vocabulary, SPECIAL_MASK));
}

/* One element of a template: a special token or a sequence ("A" or "B") with its token type. */
static json_t *template_item(const char *kind, const char *id, int type)
{
    return json_pack("{s:{s:s, s:i}}", kind, "id", id, "type_id", type);
}

static json_t *template_token(const struct vocabulary *vocabulary, enum special_token token)
{
    const char *name = special_token_names[token];

    return json_pack("{s:s, s:[i], s:[s]}", "id", name, "ids",
                     (int)vocabulary_special(vocabulary, token), "tokens", name);
}

/* [CLS] A [SEP], and with a second sequence B [SEP], of token type 1. */
static json_t *post_processor_json(const struct vocabulary *vocabulary)
{
    json_t *single =
        json_pack("[o, o, o]", template_item("SpecialToken", "[CLS]", 0),
                  template_item("Sequence", "A", 0), template_item("SpecialToken", "[SEP]", 0));
    json_t *pair =
        json_pack("[o, o, o, o, o]", template_item("SpecialToken", "[CLS]", 0),
                  template_item("Sequence", "A", 0), template_item("SpecialToken", "[SEP]", 0),
                  template_item("Sequence", "B", 1), template_item("SpecialToken", "[SEP]", 1));

    return json_pack("{s:s, s:o, s:o, s:{s:o, s:o}}", "type", "TemplateProcessing", "single",
                     single, "pair", pair, "special_tokens", "[CLS]",
                     template_token(vocabulary, SPECIAL_CLS), "[SEP]",
                     template_token(vocabulary, SPECIAL_SEP));
}

static json_t *model_json(const struct vocabulary *vocabulary)
{
    json_t *vocab = json_object();

    for (int32_t id = 0; id < vocabulary_size(vocabulary); id++)
        if (json_object_set_new(vocab, vocabulary_token(vocabulary, id), json_integer(id)) != 0) {
            json_decref(vocab);
            return NULL;
        }
    return json_pack("{s:s, s:s, s:s, s:i, s:o}", "type", "WordPiece", "unk_token", "[UNK]",
                     "continuing_subword_prefix", "##", "max_input_chars_per_word",
                     WORD_MAX_CHARACTERS, "vocab", vocab);
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

static json_t *special_tokens_json(void)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "pad_token", "[PAD]", "unk_token", "[UNK]",
                     "cls_token", "[CLS]", "sep_token", "[SEP]", "mask_token", "[MASK]");
}

static json_t *config_json(const struct tokenizer *tokenizer, int model_max_length)
{
    struct tokenizer_options options = tokenizer_get_options(tokenizer);

    return json_pack("{s:s, s:s, s:b, s:o, s:b, s:i, s:s, s:s, s:s, s:s, s:s}", "tokenizer_class",
                     "BertTokenizer", "backend", "tokenizers", "do_lower_case",
                     (int)options.lowercase, "strip_accents",
                     strip_accents_json(options.strip_accents), "tokenize_chinese_chars",
                     (int)options.tokenize_chinese_chars, "model_max_length", model_max_length,
                     "pad_token", "[PAD]", "unk_token", "[UNK]", "cls_token", "[CLS]", "sep_token",
                     "[SEP]", "mask_token", "[MASK]");
}

/* Takes the value over; jansson gives NULL when memory is short. */
static bool write_json(const char *path, json_t *value, struct error *error)
{
    if (!value)
        return fail_work(error, "%s: out of memory", path);
    bool written = json_write_file(path, value, error);
    json_decref(value);
    return written;
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
                 write_json(paths.special_tokens, special_tokens_json(), error);
    free_paths(&paths);
    return saved;
}
