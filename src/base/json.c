#include "base/json.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

enum { JSON_FILE_LIMIT = 64 << 20 };

static json_t *parse(const char *path, const struct buffer *text, struct error *error)
{
    json_error_t problem;
    /* A NULL pointer is no text for jansson: an empty file is a syntax error like others. */
    json_t *value =
        json_loadb(text->size ? text->data : "", text->size, JSON_REJECT_DUPLICATES, &problem);
    if (!value) {
        fail_input(error, "%s:%d: %s; expected JSON without repeated keys", path, problem.line,
                   problem.text);
        return NULL;
    }
    if (!json_is_object(value)) {
        json_decref(value);
        fail_input(error, "%s: holds a JSON array; expected an object", path);
        return NULL;
    }
    return value;
}

json_t *json_read_file(const char *path, struct error *error)
{
    struct buffer text = {0};
    json_t *value = NULL;
    if (file_read(path, JSON_FILE_LIMIT, &text, error))
        value = parse(path, &text, error);
    buffer_free(&text);
    return value;
}

/* The text with the fewest digits from which the same numbers are read again: 0.1 is written so,
 * not as 0.10000000000000001. NULL when memory is short. */
static char *print(const json_t *value)
{
    enum { FEWEST_DIGITS = 15, ALL_DIGITS = 17 };
    for (size_t digits = FEWEST_DIGITS; digits < ALL_DIGITS; digits++) {
        char *text = json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(digits));
        json_t *again = text ? json_loads(text, 0, NULL) : NULL;
        bool same = again && json_equal(value, again);
        json_decref(again);
        if (same)
            return text;
        free(text);
    }
    return json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(ALL_DIGITS));
}

bool json_write_file(const char *path, const json_t *value, struct error *error)
{
    char *text = print(value);
    if (!text)
        return fail_work(error, "%s: out of memory: cannot print the JSON value", path);
    struct buffer out = {0};
    bool done =
        buffer_print(&out, error, "%s\n", text) && file_write(path, out.data, out.size, error);
    buffer_free(&out);
    free(text);
    return done;
}
