#include "text/tokenizer_document.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

json_t *json_document_find(const struct json_document *document, const char *key)
{
    json_t *value = document->root;

    for (const char *dot; value && (dot = strchr(key, '.')) != NULL; key = dot + 1)
        value = json_object_getn(value, key, (size_t)(dot - key));
    return json_object_get(value, key);
}

bool json_document_fail(const struct json_document *document, const char *key, const json_t *found,
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

bool json_document_expect(const struct json_document *document, const char *key,
                          const char *expected, struct error *error)
{
    const json_t *found = json_document_find(document, key);
    const char *text = json_string_value(found);

    if (text && strcmp(text, expected) == 0)
        return true;
    return json_document_fail(document, key, found, expected, error);
}

bool json_document_flag(const struct json_document *document, const char *key, bool *flag,
                        struct error *error)
{
    const json_t *found = json_document_find(document, key);

    if (!json_is_boolean(found))
        return json_document_fail(document, key, found, "true or false", error);
    *flag = json_is_true(found);
    return true;
}

bool json_document_strip_accents(const struct json_document *document, const char *key,
                                 enum strip_accents *strip_accents, struct error *error)
{
    const json_t *found = json_document_find(document, key);

    if (!json_is_null(found) && !json_is_boolean(found))
        return json_document_fail(document, key, found, "null, true or false", error);
    *strip_accents = json_is_null(found)   ? STRIP_ACCENTS_AS_LOWERCASE
                     : json_is_true(found) ? STRIP_ACCENTS_YES
                                           : STRIP_ACCENTS_NO;
    return true;
}

/* ---- added tokens ---- */

bool token_list_add(struct token_list *list, const struct added_token *token, struct error *error)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->added[i].content, token->content) == 0) {
            int32_t id = token->id < 0 ? list->added[i].id : token->id;
            list->added[i] = *token;
            list->added[i].id = id;
            return true;
        }
    if (!grow(&list->added, &list->capacity, list->count + 1, sizeof *list->added, error))
        return false;
    list->added[list->count++] = *token;
    return true;
}

static bool has_flag(const json_t *entry, const char *name, bool otherwise)
{
    const json_t *flag = json_object_get(entry, name);
    return flag ? json_is_true(flag) : otherwise;
}

bool json_document_added_token(const struct json_document *document, const char *key, json_t *entry,
                               json_int_t id, struct added_token *token, struct error *error)
{
    const char *content = json_string_value(json_object_get(entry, "content"));

    if (!content || id < 0 || id > INT32_MAX)
        return json_document_fail(document, key, entry, "a token with \"content\" and an id",
                                  error);
    bool special = has_flag(entry, "special", false);
    *token = (struct added_token){
        .content = content,
        .id = (int32_t)id,
        .single_word = has_flag(entry, "single_word", false),
        .lstrip = has_flag(entry, "lstrip", false),
        .rstrip = has_flag(entry, "rstrip", false),
        .normalized = has_flag(entry, "normalized", !special),
        .special = special,
    };
    return true;
}
