/* Reads config.json, tokenizer_config.json, special_tokens_map.json and added_tokens.json, as
 * transformers 5 does. */
#include "text/tokenizer_document.h"

#include <stdlib.h>
#include <string.h>

/* ---- the kind of tokenizer ---- */

/* The models of transformers whose tokenizer is that of BERT; the classes are called NAMETokenizer
 * and NAMETokenizerFast. */
static const char *const bert_classes[] = {
    "Bert",   "DistilBert",  "Electra",   "MobileBert",        "ConvBert",           "LayoutLM",
    "Lxmert", "SqueezeBert", "RetriBert", "DPRContextEncoder", "DPRQuestionEncoder", "DPRReader",
    "Realm",  "Splinter",
};
static const char *const bert_types[] = {
    "bert",   "distilbert",  "electra",   "mobilebert", "convbert",      "layoutlm",
    "lxmert", "squeezebert", "retribert", "dpr",        "megatron-bert", "visual_bert",
    "realm",  "nezha",       "qdqbert",   "mega",       "nystromformer",
};

/* The classes that take all settings from tokenizer.json. */
static const char *const generic_classes[] = {"PreTrainedTokenizerFast", "TokenizersBackend"};

static bool is_bert_class(const char *name)
{
    for (size_t i = 0; i < sizeof bert_classes / sizeof *bert_classes; i++) {
        size_t size = strlen(bert_classes[i]);
        if (strncmp(name, bert_classes[i], size) == 0 &&
            (strcmp(name + size, "Tokenizer") == 0 || strcmp(name + size, "TokenizerFast") == 0))
            return true;
    }
    return false;
}

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool is_generic_class(const char *name)
{
    return is_one_of(name, generic_classes, sizeof generic_classes / sizeof *generic_classes);
}

/* Returns the file that names the class and sets *class to its value; NULL if no file does. */
static const struct json_document *find_class(const struct tokenizer_settings *settings,
                                              const json_t **class)
{
    const struct json_document *documents[] = {&settings->config, &settings->model};
    for (size_t i = 0; i < 2; i++) {
        *class = json_document_find(documents[i], "tokenizer_class");
        if (*class && !json_is_null(*class))
            return documents[i];
    }
    return NULL;
}

static bool check_class(const struct tokenizer_settings *settings, bool next_to_json,
                        struct error *error)
{
    const json_t *class;
    const struct json_document *document = find_class(settings, &class);
    const json_t *type = json_document_find(&settings->model, "model_type");
    const char *name = json_string_value(class);

    if (document)
        return (name && (is_bert_class(name) || (next_to_json && is_generic_class(name)))) ||
               json_document_fail(document, "tokenizer_class", class, "BertTokenizer", error);
    name = json_string_value(type);
    return !name || next_to_json ||
           is_one_of(name, bert_types, sizeof bert_types / sizeof *bert_types) ||
           json_document_fail(&settings->model, "model_type", type,
                              "bert, or a tokenizer_class of BERT", error);
}

/* Returns the code that comes with a tokenizer, which transformers runs if the user allows it, or
 * NULL: an entry of the object auto_map, or in older files auto_map itself, a list. */
static const json_t *find_code(const struct json_document *document, const char **key)
{
    const json_t *map = json_document_find(document, "auto_map");
    *key = json_is_object(map) ? "auto_map.AutoTokenizer" : "auto_map";
    const json_t *code = json_is_object(map) ? json_document_find(document, *key) : map;
    return json_is_null(code) ? NULL : code;
}

static const json_t *find_any_code(const struct tokenizer_settings *settings,
                                   const struct json_document **document, const char **key)
{
    const struct json_document *documents[] = {&settings->config, &settings->model};
    const json_t *code = NULL;
    for (size_t i = 0; i < 2 && !code; i++) {
        *document = documents[i];
        code = find_code(documents[i], key);
    }
    return code;
}

bool tokenizer_settings_have_code(const struct tokenizer_settings *settings)
{
    const struct json_document *document;
    const char *key;
    return find_any_code(settings, &document, &key) != NULL;
}

/* Refuses a vocab.txt with code, which might encode text differently. A tokenizer.json is complete
 * without code. */
static bool check_code(const struct tokenizer_settings *settings, bool next_to_json,
                       struct error *error)
{
    const struct json_document *document;
    const char *key;
    const json_t *code = next_to_json ? NULL : find_any_code(settings, &document, &key);
    return !code ||
           json_document_fail(document, key, code,
                              "no code of its own; remove the key if the vocab.txt is BERT's, "
                              "or save a tokenizer.json with transformers",
                              error);
}

/* Checks the settings that tokenizers other than BERT's have, or that change its results. */
static bool check_others(const struct tokenizer_settings *settings, struct error *error)
{
    static const struct {
        const char *key, *expected;
    } words[] = {{"word_tokenizer_type", "basic"}, {"subword_tokenizer_type", "wordpiece"}};
    const struct json_document *config = &settings->config;
    const json_t *basic = json_document_find(config, "do_basic_tokenize");
    const json_t *split = json_document_find(config, "split_special_tokens");

    for (size_t i = 0; i < 2; i++)
        if (json_document_find(config, words[i].key) &&
            !json_document_expect(config, words[i].key, words[i].expected, error))
            return false;
    if (basic && !json_is_true(basic))
        return json_document_fail(config, "do_basic_tokenize", basic, "true", error);
    return !json_is_true(split) ||
           json_document_fail(config, "split_special_tokens", split, "false", error);
}

bool tokenizer_settings_check(const struct tokenizer_settings *settings, bool next_to_json,
                              struct error *error)
{
    return check_class(settings, next_to_json, error) &&
           check_code(settings, next_to_json, error) && check_others(settings, error);
}

/* ---- options ---- */

bool tokenizer_settings_options(const struct tokenizer_settings *settings, bool next_to_json,
                                struct tokenizer_options *options, struct tokenizer_given *given,
                                struct error *error)
{
    const struct json_document *config = &settings->config;
    const char *class = json_string_value(json_document_find(config, "tokenizer_class"));

    if (next_to_json && class && is_generic_class(class))
        return true;
    bool lowercase = json_document_find(config, "do_lower_case") != NULL;
    bool chinese = json_document_find(config, "tokenize_chinese_chars") != NULL;
    bool accents = json_document_find(config, "strip_accents") != NULL;
    if ((lowercase && !json_document_flag(config, "do_lower_case", &options->lowercase, error)) ||
        (chinese && !json_document_flag(config, "tokenize_chinese_chars",
                                        &options->tokenize_chinese_chars, error)) ||
        (accents &&
         !json_document_strip_accents(config, "strip_accents", &options->strip_accents, error)))
        return false;
    /* With do_lower_case, the two other options have their defaults. */
    given->lowercase |= lowercase;
    given->tokenize_chinese_chars |= chinese || lowercase;
    given->strip_accents |= accents || lowercase;
    return true;
}

/* ---- tokens ---- */

/* Returns the name of a token: in a file a token is its name, or an object whose "content" is the
 * name. */
static const char *token_name(const json_t *token)
{
    return json_string_value(json_is_object(token) ? json_object_get(token, "content") : token);
}

static bool read_names(const struct json_document *document, bool next_to_json,
                       struct token_list *list, struct error *error)
{
    static const char *const keys[SPECIAL_COUNT] = {"pad_token", "unk_token", "cls_token",
                                                    "sep_token", "mask_token"};
    for (int i = 0; i < SPECIAL_COUNT; i++) {
        const json_t *token = json_document_find(document, keys[i]);
        const char *name = token_name(token);
        const char *unk = next_to_json ? list->special[SPECIAL_UNK] : NULL;

        if (!token || json_is_null(token))
            continue;
        if (!name || !*name)
            return json_document_fail(document, keys[i], token, "a token", error);
        /* tokenizer.json has already given the name to WordPiece. */
        if (i == SPECIAL_UNK && unk && strcmp(unk, name) != 0)
            return json_document_fail(document, keys[i], token, unk, error);
        list->special[i] = name;
    }
    return true;
}

static bool is_special_name(const struct token_list *list, const char *name)
{
    for (int i = 0; i < SPECIAL_COUNT; i++)
        if (strcmp(name, list->special[i] ? list->special[i] : special_token_names[i]) == 0)
            return true;
    return false;
}

/* Marks a listed token as special; it is still found in the same way. Returns whether it is
 * listed. */
static bool make_special(struct token_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->added[i].content, name) == 0) {
            list->added[i].special = true;
            return true;
        }
    return false;
}

/* Adds the special tokens that a list gives by name only, as added tokens without an id. */
static bool read_more_special(const struct json_document *document, struct token_list *list,
                              struct error *error)
{
    static const char *const keys[] = {"additional_special_tokens", "extra_special_tokens"};
    for (size_t k = 0; k < 2; k++) {
        const json_t *names = json_document_find(document, keys[k]);
        const json_t *value;
        size_t index;
        json_array_foreach (names, index, value) {
            struct added_token token = {.content = token_name(value), .id = -1, .special = true};
            if (!token.content || !*token.content)
                return json_document_fail(document, keys[k], value, "a token", error);
            bool known = is_special_name(list, token.content);
            known |= make_special(list, token.content);
            if (!known && !token_list_add(list, &token, error))
                return false;
        }
    }
    return true;
}

static bool read_decoder(const struct json_document *document, struct token_list *list,
                         struct error *error)
{
    static const char key[] = "added_tokens_decoder";
    json_t *entries = json_document_find(document, key);
    struct added_token token;
    const char *number;
    json_t *entry;

    json_object_foreach (entries, number, entry) {
        char *end;
        long id = strtol(number, &end, 10);
        if (!json_document_added_token(document, key, entry, *number && !*end ? id : -1, &token,
                                       error) ||
            !token_list_add(list, &token, error))
            return false;
    }
    return true;
}

/* Reads the ids of added tokens from added_tokens.json, which older versions of transformers wrote
 * instead of added_tokens_decoder. */
static bool read_added_file(const struct json_document *document, struct token_list *list,
                            struct error *error)
{
    const char *content;
    json_t *value;

    json_object_foreach (document->root, content, value) {
        json_int_t id = json_integer_value(value);
        if (!json_is_integer(value) || id < 0 || id > INT32_MAX)
            return json_document_fail(document, content, value, "the id of an added token", error);
        bool special = is_special_name(list, content);
        struct added_token token = {
            .content = content, .id = (int32_t)id, .normalized = !special, .special = special};
        if (!token_list_add(list, &token, error))
            return false;
    }
    return true;
}

bool tokenizer_settings_tokens(const struct tokenizer_settings *settings, bool next_to_json,
                               struct token_list *list, struct error *error)
{
    const struct json_document *config = &settings->config;
    bool decoder = json_document_find(config, "added_tokens_decoder") != NULL;

    if (!read_names(config, next_to_json, list, error) || !read_decoder(config, list, error))
        return false;
    /* The older files are read only if there is no added_tokens_decoder. */
    if (!decoder && (!read_names(&settings->special, next_to_json, list, error) ||
                     (!next_to_json && !read_added_file(&settings->added, list, error)) ||
                     !read_more_special(&settings->special, list, error)))
        return false;
    return read_more_special(config, list, error);
}
