#include "data/minimal_pairs.h"

#include "base/json.h"
#include "base/memory.h"
#include "data/json_lines.h"

#include <stdlib.h>

struct minimal_pairs {
    struct text_lines lines;
    json_t *record; /* of the current pair */
};

struct minimal_pairs *minimal_pairs_open(const char *path, struct error *error)
{
    struct minimal_pairs *reader = allocate(1, sizeof *reader, error);
    if (!reader || text_lines_open(&reader->lines, path, error))
        return reader;
    minimal_pairs_close(reader);
    return NULL;
}

void minimal_pairs_close(struct minimal_pairs *reader)
{
    if (!reader)
        return;
    json_decref(reader->record);
    text_lines_close(&reader->lines);
    free(reader);
}

/* Sets *text to the string of a key; to NULL if the key is missing or null and not required. */
static bool get_text(const struct minimal_pairs *reader, const char *key, bool required,
                     const char **text, struct error *error)
{
    const unsigned long long line = (unsigned long long)reader->lines.number;
    const json_t *value = json_object_get(reader->record, key);
    *text = json_string_value(value);
    if (*text || (!required && (!value || json_is_null(value))))
        return true;
    if (!value)
        return fail_input(error,
                          "%s:%llu: this JSON object has no \"%s\"; expected \"sentence_good\" "
                          "and \"sentence_bad\"",
                          reader->lines.name, line, key);
    return fail_input(error, "%s:%llu: the \"%s\" field is not a string but %s", reader->lines.name,
                      line, key, json_kind(value));
}

bool minimal_pairs_next(struct minimal_pairs *reader, struct minimal_pair *pair, bool *end,
                        struct error *error)
{
    if (!json_lines_next(&reader->lines, " with \"sentence_good\" and \"sentence_bad\"",
                         &reader->record, end, error))
        return false;
    if (*end)
        return true;
    pair->line = reader->lines.number;
    return get_text(reader, "sentence_good", true, &pair->good, error) &&
           get_text(reader, "sentence_bad", true, &pair->bad, error) &&
           get_text(reader, "UID", false, &pair->uid, error) &&
           get_text(reader, "field", false, &pair->field, error);
}
