#include "base/json.h"

#include "base/affix.h"
#include "base/file.h"
#include "base/file_writer.h"
#include "base/hash.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A sealed file describes each input file of a run, in some 250 bytes. */
enum { JSON_FILE_LIMIT = 64 << 20, SEALED_FILE_LIMIT = 512 << 20 };

static void *allocate_or_exit(size_t size)
{
    void *block = malloc(size);
    if (!block && size) {
        fputs("cloze: out of memory while reading or writing JSON\n", stderr);
        exit(ERROR_WORK);
    }
    return block;
}

void json_exit_without_memory(void)
{
    json_set_alloc_funcs(allocate_or_exit, free);
}

bool json_is_modest(const char *text, size_t size)
{
    size_t values = 0;
    for (size_t i = 0; i < size; i++)
        values += text[i] == ',' || text[i] == '[' || text[i] == '{';
    return values <= JSON_MAX_VALUES;
}

const char *json_kind(const json_t *value)
{
    static const char *const kinds[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a number",  [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };
    return kinds[json_typeof(value)];
}

json_t *json_text(const char *text, size_t size)
{
    struct buffer valid = {0};
    struct error ignored = {0};
    bool done = true;
    for (size_t at = 0; at < size && done;) {
        char bytes[4];
        done = buffer_append(&valid, bytes, utf8_encode(utf8_decode(text, size, &at), bytes),
                             &ignored);
    }
    json_t *string = done ? json_stringn(valid.size ? valid.data : "", valid.size) : NULL;
    buffer_free(&valid);
    return string;
}

json_t *json_finite(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

json_t *json_append(json_t *list, json_t *value)
{
    if (json_array_append_new(list, value) == 0)
        return list;
    json_decref(list);
    return NULL;
}

bool json_put(json_t *object, const char *key, json_t *value, struct error *error)
{
    if (value && json_object_set_new(object, key, value) == 0)
        return true;
    if (error->kind == ERROR_NONE)
        fail_work(error, "out of memory: the JSON value \"%s\"", key);
    return false;
}

bool json_add(json_t *list, const char *what, json_t *value, struct error *error)
{
    if (value && json_array_append_new(list, value) == 0)
        return true;
    if (error->kind == ERROR_NONE)
        fail_work(error, "out of memory: the JSON list of %s", what);
    return false;
}

/* transformers writes 1e30, without exponent, for "no limit": more than jansson's integers hold. */
static json_t *load(const struct buffer *text, json_error_t *problem)
{
    /* jansson does not take a NULL pointer; with "" an empty file is an ordinary syntax error. */
    const char *data = text->size ? text->data : "";
    json_t *value = json_loadb(data, text->size, JSON_REJECT_DUPLICATES, problem);
    if (!value && json_error_code(problem) == json_error_numeric_overflow)
        value =
            json_loadb(data, text->size, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, problem);
    return value;
}

static json_t *parse(const char *path, const struct buffer *text, json_type type,
                     struct error *error)
{
    json_error_t problem;
    json_t *value = load(text, &problem);
    if (!value && is_lfs_pointer(text->data, text->size)) {
        fail_input(error, "%s: is a Git LFS pointer, not JSON; fetch it: git lfs pull", path);
        return NULL;
    }
    if (!value) {
        fail_input(error, "%s:%d: %s; expected JSON without repeated keys", path, problem.line,
                   problem.text);
        return NULL;
    }
    if (json_typeof(value) != type) {
        json_decref(value);
        fail_input(error, "%s: holds a JSON %s; expected an %s", path,
                   type == JSON_OBJECT ? "array" : "object",
                   type == JSON_OBJECT ? "object" : "array");
        return NULL;
    }
    return value;
}

static bool check_modest(const char *path, const struct buffer *text, struct error *error)
{
    return json_is_modest(text->data, text->size) ||
           fail_input(error, "%s: holds more than %d JSON values", path, JSON_MAX_VALUES);
}

static json_t *read_file(const char *path, json_type type, struct error *error)
{
    struct buffer text = {0};
    json_t *value = NULL;
    if (file_read(path, JSON_FILE_LIMIT, &text, error) && check_modest(path, &text, error))
        value = parse(path, &text, type, error);
    buffer_free(&text);
    return value;
}

json_t *json_read_file(const char *path, struct error *error)
{
    return read_file(path, JSON_OBJECT, error);
}

json_t *json_read_array(const char *path, struct error *error)
{
    return read_file(path, JSON_ARRAY, error);
}

/* Returns the text with the fewest digits from which the same numbers are read again: 0.1, not
 * 0.10000000000000001. NULL when memory is short. */
static char *print(const json_t *value)
{
    enum { MIN_DIGITS = 15, MAX_DIGITS = 17 };
    for (size_t digits = MIN_DIGITS; digits < MAX_DIGITS; digits++) {
        char *text = json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(digits));
        json_t *again = text ? json_loads(text, 0, NULL) : NULL;
        bool same = again && json_equal(value, again);
        json_decref(again);
        if (same)
            return text;
        free(text);
    }
    return json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(MAX_DIGITS));
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

/* ---- sealed ---- */

static const char seal_start[] = ",\n  \"xxh3\": \"", seal_end[] = "\"\n}\n";

enum {
    DIGITS = 16,
    START_SIZE = sizeof seal_start - 1,
    END_SIZE = sizeof seal_end - 1,
    SEAL_SIZE = START_SIZE + DIGITS + END_SIZE,
};

/* Appends the digits of the hash of all bytes of `text`. */
static bool append_digits(struct buffer *text, struct error *error)
{
    return buffer_print(text, error, "%016" PRIx64, hash_bytes(text->data, text->size));
}

bool json_write_sealed(const char *path, const json_t *object, struct error *error)
{
    CHECK(json_object_size(object) > 0);
    char *printed = print(object);
    if (!printed)
        return fail_work(error, "%s: out of memory: cannot print the JSON value", path);
    struct buffer text = {0};
    size_t kept = strlen(printed) - strlen("\n}");
    bool done = buffer_append(&text, printed, kept, error) &&
                buffer_append(&text, seal_start, START_SIZE, error) &&
                append_digits(&text, error) && buffer_append(&text, seal_end, END_SIZE, error) &&
                (text.size <= SEALED_FILE_LIMIT ||
                 fail_work(error, "%s: would have %zu bytes; give fewer, larger input files", path,
                           text.size)) &&
                file_write(path, text.data, text.size, error);
    buffer_free(&text);
    free(printed);
    return done;
}

static bool check_seal(const char *path, const struct buffer *text, struct error *error)
{
    size_t size = text->size;
    const char *seal = size >= SEAL_SIZE ? text->data + size - SEAL_SIZE : NULL;
    if (!seal || memcmp(seal, seal_start, START_SIZE) != 0 ||
        memcmp(seal + START_SIZE + DIGITS, seal_end, END_SIZE) != 0)
        return fail_input(error, "%s: is damaged: it does not end with its checksum", path);
    size_t before = size - END_SIZE - DIGITS;
    char digits[DIGITS + 1];
    snprintf(digits, sizeof digits, "%016" PRIx64, hash_bytes(text->data, before));
    return memcmp(seal + START_SIZE, digits, DIGITS) == 0 ||
           fail_input(error, "%s: is damaged: its checksum is %s; expected %.16s", path, digits,
                      seal + START_SIZE);
}

json_t *json_read_sealed(const char *path, bool of_files, struct error *error)
{
    struct buffer text = {0};
    json_t *object = NULL;
    if (file_read(path, of_files ? SEALED_FILE_LIMIT : JSON_FILE_LIMIT, &text, error) &&
        check_seal(path, &text, error) && (of_files || check_modest(path, &text, error)))
        object = parse(path, &text, JSON_OBJECT, error);
    if (object)
        json_object_del(object, "xxh3");
    buffer_free(&text);
    return object;
}
