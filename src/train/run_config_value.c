#include "base/file.h"
#include "base/memory.h"
#include "text/utf8.h"
#include "train/run_config_keys.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *value_of(struct run_config *config, const struct config_key *key)
{
    return (char *)config + key->offset;
}

/* ---- numbers and words from text ---- */

static bool in_bounds(const struct config_key *key, double value)
{
    return (key->above_minimum ? value > key->minimum : value >= key->minimum) &&
           (key->below_maximum ? value < key->maximum : value <= key->maximum);
}

/* The end of a run of digits. */
static const char *skip_digits(const char *text)
{
    while (isdigit((unsigned char)*text))
        text++;
    return text;
}

/* -?(0|[1-9][0-9]*): no octal, no underscores, so that nobody reads another number than cloze does.
 */
static bool integer_from_text(const char *text, int64_t *value)
{
    const char *digits = text + (*text == '-');
    const char *end = skip_digits(digits);
    if (end == digits || *end || (*digits == '0' && end > digits + 1))
        return false;
    errno = 0;
    *value = strtoll(text, NULL, 10);
    return errno == 0;
}

/* [-+]?[0-9]*(\.[0-9]*)?([eE][-+]?[0-9]+)? with a digit before the exponent: strtod alone would
 * take hexadecimal, infinity and NaN. */
static bool real_from_text(const char *text, double *value)
{
    const char *whole = text + (*text == '-' || *text == '+');
    const char *end = skip_digits(whole);
    bool any = end > whole;
    if (*end == '.') {
        const char *fraction = end + 1;
        end = skip_digits(fraction);
        any = any || end > fraction;
    }
    if (*end == 'e' || *end == 'E') {
        const char *exponent = end + 1;
        exponent += *exponent == '-' || *exponent == '+';
        end = skip_digits(exponent);
        any = any && end > exponent;
    }
    if (!any || *end)
        return false;
    errno = 0;
    *value = strtod(text, NULL);
    return errno == 0;
}

static bool choice_from_text(const struct config_key *key, const char *text, int *place)
{
    for (int i = 0; key->choices[i]; i++)
        if (*text && strcmp(key->choices[i], text) == 0) {
            *place = i;
            return true;
        }
    return false;
}

static bool whole_from_text(const struct config_key *key, const char *text, void *value)
{
    int64_t integer;
    if (!integer_from_text(text, &integer) || !in_bounds(key, (double)integer))
        return false;
    if (key->type == KEY_INT)
        *(int *)value = (int)integer; /* its bounds are within those of int */
    else
        *(int64_t *)value = integer;
    return true;
}

/* False if the text is no value for the key: what would be, config_value_expected says. Only types
 * that own no memory. */
static bool scalar_from_text(const struct config_key *key, const char *text, void *value)
{
    _Static_assert(sizeof(enum schedule) == sizeof(int), "enums are stored as int");
    int place = 0;
    if (key->type == KEY_INT || key->type == KEY_INT64)
        return whole_from_text(key, text, value);
    if (key->type == KEY_REAL)
        return real_from_text(text, value) && in_bounds(key, *(double *)value);
    if (!choice_from_text(key, text, &place))
        return false;
    if (key->type == KEY_BOOL)
        *(bool *)value = place != 0;
    else if (key->type == KEY_CHOICE)
        *(int *)value = place;
    else
        snprintf(value, NAME_ROOM, "%s", text);
    return true;
}

/* ---- what is expected ---- */

static void expect_real(const struct config_key *key, struct text256 *expected)
{
    snprintf(expected->text, sizeof expected->text, "a number %s %.15g",
             key->above_minimum ? "above" : "of at least", key->minimum);
    size_t used = strlen(expected->text);
    if (isfinite(key->maximum))
        snprintf(expected->text + used, sizeof expected->text - used, " and %s %.15g",
                 key->below_maximum ? "below" : "at most", key->maximum);
}

static void expect_choice(const struct config_key *key, struct text256 *expected)
{
    const char *separator = "";
    size_t used = 0;
    for (size_t i = 0; key->choices[i]; i++) {
        if (!*key->choices[i])
            continue;
        const char *last = key->choices[i + 1] ? separator : *separator ? " or " : "";
        used += (size_t)snprintf(expected->text + used, sizeof expected->text - used, "%s%s", last,
                                 key->choices[i]);
        CHECK(used < sizeof expected->text);
        separator = ", ";
    }
}

struct text256 config_value_expected(const struct config_key *key)
{
    struct text256 expected = {{0}};
    const char *text = NULL;
    switch (key->type) {
    case KEY_INT:
    case KEY_INT64:
        snprintf(expected.text, sizeof expected.text, "an integer from %.0f to %.0f", key->minimum,
                 key->maximum);
        break;
    case KEY_REAL:
        expect_real(key, &expected);
        break;
    case KEY_BOOL:
    case KEY_CHOICE:
    case KEY_NAME:
        expect_choice(key, &expected);
        break;
    case KEY_PATH:
        text = "a path";
        break;
    case KEY_PATHS:
        text = "a list of paths, such as [a.txt, b.txt]";
        break;
    case KEY_PHASES:
        text = "a list such as [{seq_len: 128, steps: 9000}, {seq_len: 512, steps: 1000}]";
        break;
    }
    if (text)
        snprintf(expected.text, sizeof expected.text, "%s", text);
    return expected;
}

static struct text256 describe(const struct config_node *node)
{
    enum { SHOWN = 80 };
    struct text256 found = {{0}};
    if (node->kind == CONFIG_NODE_NULL)
        snprintf(found.text, sizeof found.text, "nothing");
    else if (node->kind == CONFIG_NODE_LIST)
        snprintf(found.text, sizeof found.text, "a list");
    else if (node->kind == CONFIG_NODE_MAPPING)
        snprintf(found.text, sizeof found.text, "a mapping");
    else
        snprintf(found.text, sizeof found.text, "%s\"%.*s\"", node->quoted ? "the string " : "",
                 SHOWN, node->text);
    return found;
}

static bool fail_value(const struct config_key *key, const struct config_node *node,
                       const struct config_source *source, struct error *error)
{
    return config_fail(source, node->line, error, "%s: found %s; expected %s", key->path,
                       describe(node).text, config_value_expected(key).text);
}

/* ---- paths ---- */

/* The directory without its last `up` names or, where a pattern will stand behind it, with what
 * patterns are made of escaped as glob(3) reads it; owned by the caller. */
static char *copy_directory(const char *directory, size_t up, bool escaped, struct error *error)
{
    struct buffer copy = {0};
    const char *end = directory + strlen(directory);
    for (; up > 0 && end > directory; up--)
        while (end > directory && *--end != '/')
            ;
    if (end == directory && !buffer_append(&copy, "/", 1, error))
        return NULL;
    for (const char *at = directory; at < end; at++) {
        bool special = escaped && strchr("*?[]\\", *at);
        if (!buffer_print(&copy, error, "%s%c", special ? "\\" : "", *at)) {
            buffer_free(&copy);
            return NULL;
        }
    }
    return copy.data;
}

/* Skips "./" and "../" in front; returns how many directories the latter go up. The directory has
 * no links in it, so going up is taking names away. */
static size_t skip_dots(const char **path)
{
    size_t up = 0;
    for (;;) {
        size_t dots = strspn(*path, ".");
        if (dots < 1 || dots > 2 || (*path)[dots] != '/')
            return up;
        up += dots == 2;
        *path += dots + strspn(*path + dots, "/");
    }
}

static bool read_path(const struct config_key *key, const struct config_node *node,
                      const struct config_source *source, char **path, struct error *error)
{
    if (node->kind != CONFIG_NODE_SCALAR || !*node->text)
        return fail_value(key, node, source, error);
    const char *relative = node->text;
    size_t up = skip_dots(&relative);
    char *directory = copy_directory(source->directory, up, key->type == KEY_PATHS, error);
    *path = directory ? path_join(directory, relative, error) : NULL;
    free(directory);
    return *path != NULL;
}

static void free_strings(struct strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        free(strings->items[i]);
    free(strings->items);
    *strings = (struct strings){0};
}

static bool read_paths(const struct config_key *key, const struct config_node *node,
                       const struct config_source *source, struct strings *paths,
                       struct error *error)
{
    if (node->kind != CONFIG_NODE_LIST)
        return fail_value(key, node, source, error);
    if (node->count == 0)
        return true;
    paths->items = allocate(node->count, sizeof *paths->items, error);
    if (!paths->items)
        return false;
    while (paths->count < node->count) {
        const struct config_node *item = &node->items[paths->count];
        if (!read_path(key, item, source, &paths->items[paths->count], error))
            return false;
        paths->count++;
    }
    return true;
}

/* ---- phases ---- */

static bool read_phase_entry(const struct config_node *entry, const struct config_source *source,
                             int64_t values[PHASE_KEYS], struct error *error)
{
    int which = 0;
    while (which < PHASE_KEYS && strcmp(entry->key, config_phase_names[which]) != 0)
        which++;
    if (which == PHASE_KEYS)
        return config_fail(source, entry->line, error,
                           "train.phases: unknown key %s; expected seq_len and steps", entry->key);
    const struct config_key *key = &config_phase_keys[which];
    if (values[which])
        return config_fail(source, entry->line, error, "%s is given twice", key->path);
    if (entry->kind != CONFIG_NODE_SCALAR || entry->quoted ||
        !scalar_from_text(key, entry->text, &values[which]))
        return fail_value(key, entry, source, error);
    return true;
}

static bool read_phase(const struct config_key *key, const struct config_node *node,
                       const struct config_source *source, struct phase *phase, struct error *error)
{
    int64_t values[PHASE_KEYS] = {0};
    if (node->kind != CONFIG_NODE_MAPPING)
        return fail_value(key, node, source, error);
    for (size_t i = 0; i < node->count; i++)
        if (!read_phase_entry(&node->items[i], source, values, error))
            return false;
    for (int which = 0; which < PHASE_KEYS; which++)
        if (!values[which])
            return config_fail(source, node->line, error, "%s: found a phase without %s", key->path,
                               config_phase_names[which]);
    *phase = (struct phase){.seq_len = (int)values[PHASE_SEQ_LEN], .steps = values[PHASE_STEPS]};
    return true;
}

static bool read_phases(struct run_config *config, const struct config_key *key,
                        const struct config_node *node, const struct config_source *source,
                        struct error *error)
{
    if (node->kind != CONFIG_NODE_LIST)
        return fail_value(key, node, source, error);
    struct phase *phases = allocate(node->count, sizeof *phases, error);
    if (!phases)
        return false;
    for (size_t i = 0; i < node->count; i++)
        if (!read_phase(key, &node->items[i], source, &phases[i], error)) {
            free(phases);
            return false;
        }
    config_value_free(config, key);
    config->train.phases = phases;
    config->train.phase_count = node->count;
    return true;
}

/* ---- one value ---- */

void config_value_free(struct run_config *config, const struct config_key *key)
{
    void *value = value_of(config, key);
    if (key->type == KEY_PATHS)
        free_strings(value);
    if (key->type == KEY_PATH) {
        free(*(char **)value);
        *(char **)value = NULL;
    }
    if (key->type == KEY_PHASES) {
        free(config->train.phases);
        config->train.phases = NULL;
        config->train.phase_count = 0;
    }
}

static void set_absent(struct run_config *config, const struct config_key *key)
{
    void *value = value_of(config, key);
    config_value_free(config, key);
    if (key->type == KEY_REAL)
        *(double *)value = key->absent;
    else if (key->type == KEY_INT64)
        *(int64_t *)value = (int64_t)key->absent;
    else if (key->type == KEY_CHOICE || key->type == KEY_INT)
        *(int *)value = (int)key->absent;
    else if (key->type == KEY_NAME)
        *(char *)value = 0;
}

void config_value_reset(struct run_config *config, const struct config_key *key)
{
    set_absent(config, key);
    if (key->fallback)
        CHECK(scalar_from_text(key, key->fallback, value_of(config, key)));
}

/* Of a value that owns no memory. */
static size_t value_size(const struct config_key *key)
{
    static const size_t sizes[] = {
        [KEY_BOOL] = sizeof(bool),   [KEY_INT] = sizeof(int),    [KEY_INT64] = sizeof(int64_t),
        [KEY_REAL] = sizeof(double), [KEY_CHOICE] = sizeof(int), [KEY_NAME] = NAME_ROOM,
    };
    CHECK(key->type <= KEY_NAME);
    return sizes[key->type];
}

void config_value_copy(struct run_config *to, const struct run_config *from,
                       const struct config_key *key)
{
    memcpy(value_of(to, key), (const char *)from + key->offset, value_size(key));
}

/* Scalars that own no memory. A quoted number is a string: in YAML another type. */
static bool read_scalar(struct run_config *config, const struct config_key *key,
                        const struct config_node *node, const struct config_source *source,
                        struct error *error)
{
    union {
        bool truth;
        int whole;
        int64_t whole64;
        double number;
        char name[NAME_ROOM];
    } value;
    bool string_allowed = key->type == KEY_CHOICE || key->type == KEY_NAME;
    if (node->kind != CONFIG_NODE_SCALAR || (node->quoted && !string_allowed) ||
        !scalar_from_text(key, node->text, &value))
        return fail_value(key, node, source, error);
    memcpy(value_of(config, key), &value, value_size(key));
    return true;
}

bool config_value_read(struct run_config *config, const struct config_key *key,
                       const struct config_node *node, const struct config_source *source,
                       struct error *error)
{
    if (node->kind == CONFIG_NODE_NULL && key->optional) {
        set_absent(config, key);
        return true;
    }
    if (key->type == KEY_PHASES)
        return read_phases(config, key, node, source, error);
    if (key->type == KEY_PATHS) {
        struct strings paths = {0};
        if (!read_paths(key, node, source, &paths, error)) {
            free_strings(&paths);
            return false;
        }
        config_value_free(config, key);
        *(struct strings *)value_of(config, key) = paths;
        return true;
    }
    if (key->type == KEY_PATH) {
        char *path = NULL;
        if (!read_path(key, node, source, &path, error))
            return false;
        config_value_free(config, key);
        *(char **)value_of(config, key) = path;
        return true;
    }
    return read_scalar(config, key, node, source, error);
}
