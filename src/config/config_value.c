#include "config/config_value.h"

#include "base/file.h"
#include "base/format.h"
#include "base/memory.h"
#include "config/config_path.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The functions of a type. `value` points into the command's struct or an element of a list. */
struct value_type {
    size_t size;
    bool takes_strings; /* quoted text too: a quoted number is not a number in YAML */
    bool literal;       /* a setting is the text itself, not YAML */

    /* Fills a zeroed value from the text of a scalar; false if that is not a value. NULL for types
     * that own memory. */
    bool (*parse)(const struct config_key *key, const char *text, void *value);
    bool (*read)(const struct config_key *key, const struct config_node *node,
                 const struct config_source *source, void *value, struct error *error);

    bool (*print)(const struct config_key *key, const void *value, struct buffer *out,
                  struct error *error);
    bool (*absent)(const struct config_key *key, const void *value);
    bool (*equal)(const struct config_key *key, const void *a, const void *b);
    void (*free)(const struct config_key *key, void *value); /* NULL: owns no memory */

    /* Expected text in messages: a constant before the key's example, or a function. */
    const char *expected;
    struct text256 (*expect)(const struct config_key *key);

    double (*get)(const void *value); /* of numbers, whole ones up to 2^53: exact */
    void (*put)(void *value, double number);

    const struct value_type *item; /* of lists */
};

static const struct value_type *type_of(const struct config_key *key);
static const struct value_type *single_type_of(const struct config_key *key);

static bool fail_value(const struct config_key *key, const struct config_node *node,
                       const struct config_source *source, struct error *error)
{
    enum { SHOWN = 80 };
    static const char *const kinds[] = {[CONFIG_NODE_NULL] = "nothing",
                                        [CONFIG_NODE_LIST] = "a list",
                                        [CONFIG_NODE_MAPPING] = "a mapping"};
    char text[SHOWN + sizeof "the string \"\""];
    if (node->kind == CONFIG_NODE_SCALAR)
        snprintf(text, sizeof text, "%s\"%.*s\"", node->quoted ? "the string " : "", SHOWN,
                 node->text);
    return config_fail(source, node->line, error, "%s: found %s; expected %s", key->path,
                       node->kind == CONFIG_NODE_SCALAR ? text : kinds[node->kind],
                       config_value_expected(key).text);
}

static bool read_scalar(const struct config_key *key, const struct config_node *node,
                        const struct config_source *source, void *value, struct error *error)
{
    const struct value_type *type = single_type_of(key);
    return (node->kind == CONFIG_NODE_SCALAR && (!node->quoted || type->takes_strings) &&
            type->parse(key, node->text, value)) ||
           fail_value(key, node, source, error);
}

/* ---- numbers ---- */

/* get_NAME and put_NAME. */
#define DEFINE_NUMBER(name, type)                                                                  \
    static double get_##name(const void *value)                                                    \
    {                                                                                              \
        return (double)*(const type *)value;                                                       \
    }                                                                                              \
    static void put_##name(void *value, double number)                                             \
    {                                                                                              \
        *(type *)value = (type)number;                                                             \
    }

DEFINE_NUMBER(bool, bool)
DEFINE_NUMBER(int, int)
DEFINE_NUMBER(int64, int64_t)
DEFINE_NUMBER(real, double)

static bool put_in_bounds(const struct config_key *key, double number, void *value)
{
    if (key->above_minimum ? number <= key->minimum : number < key->minimum)
        return false;
    if (key->below_maximum ? number >= key->maximum : number > key->maximum)
        return false;
    single_type_of(key)->put(value, number);
    return true;
}

/* -?(0|[1-9][0-9]*): no octal, no underscores, so that nobody reads a different number than cloze
 * does. */
static bool parse_whole(const struct config_key *key, const char *text, void *value)
{
    const int64_t max_exact = INT64_C(1) << 53;
    const char *digits = text + (*text == '-');
    char *end;
    long long number = strtoll(text, &end, 10); /* the nearest where it is out of range */
    return isdigit((unsigned char)digits[0]) && !*end && (digits[0] != '0' || !digits[1]) &&
           number >= -max_exact && number <= max_exact && put_in_bounds(key, (double)number, value);
}

/* A decimal number: strtod alone would take hexadecimal ones, infinity and NaN. */
static bool parse_real(const struct config_key *key, const char *text, void *value)
{
    char *end;
    errno = 0;
    double number = strtod(text, &end);
    return end > text && !*end && !text[strspn(text, "0123456789.eE+-")] && errno == 0 &&
           put_in_bounds(key, number, value);
}

static bool print_whole(const struct config_key *key, const void *value, struct buffer *out,
                        struct error *error)
{
    return buffer_print(out, error, "%.0f", single_type_of(key)->get(value));
}

/* The shortest decimal that reads back as the same double. Always with a point: to YAML 1.1, which
 * Python reads, 1e-06 is a string. */
static bool print_real(const struct config_key *key, const void *value, struct buffer *out,
                       struct error *error)
{
    const struct text32 number = format_double(single_type_of(key)->get(value));
    const char *digits = number.text, *exponent = strchr(digits, 'e');
    int whole = exponent ? (int)(exponent - digits) : (int)strlen(digits);
    return buffer_print(out, error, "%.*s%s%s", whole, digits, strchr(digits, '.') ? "" : ".0",
                        digits + whole);
}

static bool number_absent(const struct config_key *key, const void *value)
{
    return key->when_absent && single_type_of(key)->get(value) == key->absent;
}

static bool equal_numbers(const struct config_key *key, const void *a, const void *b)
{
    return single_type_of(key)->get(a) == single_type_of(key)->get(b);
}

static struct text256 expect_whole(const struct config_key *key)
{
    struct text256 expected;
    snprintf(expected.text, sizeof expected.text, "an integer from %.0f to %.0f", key->minimum,
             key->maximum);
    return expected;
}

static struct text256 expect_integers(const struct config_key *key)
{
    struct text256 expected;
    snprintf(expected.text, sizeof expected.text, "a list of integers from %.0f to %.0f",
             key->minimum, key->maximum);
    return expected;
}

static struct text256 expect_real(const struct config_key *key)
{
    struct text256 expected;
    int used = snprintf(expected.text, sizeof expected.text, "a number %s %.15g",
                        key->above_minimum ? "above" : "of at least", key->minimum);
    if (isfinite(key->maximum))
        snprintf(expected.text + used, sizeof expected.text - (size_t)used, " and %s %.15g",
                 key->below_maximum ? "below" : "at most", key->maximum);
    return expected;
}

/* ---- choices ---- */

static const char *const *choices_of(const struct config_key *key)
{
    static const char *const truths[] = {"false", "true", NULL};
    return key->type == CONFIG_BOOL ? truths : key->choices;
}

/* The index of the text; -1 if it is none of the choices. */
static int find_choice(const struct config_key *key, const char *text)
{
    const char *const *choices = choices_of(key);
    for (int i = 0; choices[i]; i++)
        if (*text && strcmp(choices[i], text) == 0)
            return i;
    return -1;
}

static bool parse_choice(const struct config_key *key, const char *text, void *value)
{
    int choice = find_choice(key, text);
    if (choice >= 0)
        single_type_of(key)->put(value, choice);
    return choice >= 0;
}

static bool print_choice(const struct config_key *key, const void *value, struct buffer *out,
                         struct error *error)
{
    return buffer_print(out, error, "%s", choices_of(key)[(int)single_type_of(key)->get(value)]);
}

static struct text256 expect_choice(const struct config_key *key)
{
    return config_words_join(choices_of(key), " or ");
}

/* ---- texts in an array ---- */

static bool parse_text(const struct config_key *key, const char *text, void *value)
{
    size_t size = single_type_of(key)->size;
    if (!*text || strlen(text) >= size || (key->choices && find_choice(key, text) < 0))
        return false;
    snprintf(value, size, "%s", text);
    return true;
}

/* The text of an array or of a path, which is owned. */
static const char *text_of(const struct config_key *key, const void *value)
{
    return single_type_of(key)->free ? *(char *const *)value : value;
}

static bool print_text(const struct config_key *key, const void *value, struct buffer *out,
                       struct error *error)
{
    const char *text = text_of(key, value);
    return key->choices ? buffer_append(out, text, strlen(text), error)
                        : config_text_print(text, out, error);
}

static bool text_absent(const struct config_key *key, const void *value)
{
    const char *text = text_of(key, value);
    return !text || !*text;
}

static bool equal_texts(const struct config_key *key, const void *a, const void *b)
{
    return strcmp(text_of(key, a), text_of(key, b)) == 0;
}

/* ---- texts and paths that are owned, also as items of a list ---- */

static bool read_owned_text(const struct config_key *key, const struct config_node *node,
                            const struct config_source *source, void *value, struct error *error)
{
    if (node->kind != CONFIG_NODE_SCALAR || !*node->text)
        return fail_value(key, node, source, error);
    char *text = path_join("", node->text, error);
    *(char **)value = text;
    return text != NULL;
}

static bool read_path(const struct config_key *key, const struct config_node *node,
                      const struct config_source *source, void *value, struct error *error)
{
    if (node->kind != CONFIG_NODE_SCALAR || !*node->text)
        return fail_value(key, node, source, error);
    bool pattern = key->type == CONFIG_PATHS;
    char *path = config_path_resolve(source->directory, node->text, pattern, error);
    *(char **)value = path;
    return path != NULL;
}

static void free_text(const struct config_key *key, void *value)
{
    (void)key;
    free(*(char **)value);
}

/* ---- structs in lists ---- */

/* Reads a mapping, which must have every key of the element once. */
static bool read_element(const struct config_key *list, const struct config_node *node,
                         const struct config_source *source, void *element, struct error *error)
{
    const struct config_schema *schema = list->element;
    struct config_source inside = *source;
    inside.within = list->path;
    if (node->kind != CONFIG_NODE_MAPPING)
        return fail_value(list, node, source, error);
    for (size_t i = 0; i < node->count; i++) {
        const struct config_node *entry = &node->items[i];
        const struct config_key *key = config_key_find(schema, entry->key);
        if (!key)
            return config_fail(&inside, entry->line, error, "unknown key %s; expected %s",
                               entry->key, config_required_keys(schema).text);
        if (config_node_find(node, entry->key) != entry)
            return config_fail(&inside, entry->line, error, "%s is given twice", entry->key);
        if (!config_value_read(element, key, entry, &inside, error))
            return false;
    }
    for (size_t i = 0; i < schema->count; i++)
        if (!config_node_find(node, schema->keys[i].path))
            return config_fail(&inside, node->line, error, "a %s has no %s", schema->title,
                               schema->keys[i].path);
    return true;
}

static bool print_element(const struct config_key *list, const void *element, struct buffer *out,
                          struct error *error)
{
    bool done = true;
    for (size_t i = 0; i < list->element->count && done; i++) {
        const struct config_key *key = &list->element->keys[i];
        done = buffer_print(out, error, "%s%s: ", i ? ", " : "{", key->path) &&
               config_value_print(element, key, out, error);
    }
    return done && buffer_append(out, "}", 1, error);
}

static bool equal_elements(const struct config_key *list, const void *a, const void *b)
{
    bool equal = true;
    for (size_t i = 0; i < list->element->count && equal; i++)
        equal = config_value_equal(a, b, &list->element->keys[i]);
    return equal;
}

/* ---- lists ---- */

/* A list of any items. Every list in a command's struct has this layout. */
struct list {
    void *items;
    size_t count;
};

static struct list list_of(const void *value)
{
    struct list list;
    memcpy(&list, value, sizeof list);
    return list;
}

static size_t item_size(const struct config_key *key)
{
    return key->element ? key->element->size : single_type_of(key)->size;
}

static void *item_of(const struct config_key *key, const struct list *list, size_t index)
{
    return (char *)list->items + index * item_size(key);
}

/* Reads a list; a value without brackets, but for a struct, is a list of one. */
static bool read_list(const struct config_key *key, const struct config_node *node,
                      const struct config_source *source, void *value, struct error *error)
{
    struct list *list = value;
    bool whole = node->kind == CONFIG_NODE_LIST;
    const struct config_node *items = whole ? node->items : node;
    size_t count = whole ? node->count : 1;
    if (!whole && key->element)
        return fail_value(key, node, source, error);
    if (count == 0)
        return true;
    list->items = allocate(count, item_size(key), error);
    if (!list->items)
        return false;
    for (; list->count < count; list->count++)
        if (!type_of(key)->item->read(key, &items[list->count], source,
                                      item_of(key, list, list->count), error))
            return false;
    return true;
}

static bool print_list(const struct config_key *key, const void *value, struct buffer *out,
                       struct error *error)
{
    struct list list = list_of(value);
    bool done = buffer_append(out, "[", 1, error);
    for (size_t i = 0; i < list.count && done; i++)
        done = (i == 0 || buffer_append(out, ", ", 2, error)) &&
               type_of(key)->item->print(key, item_of(key, &list, i), out, error);
    return done && buffer_append(out, "]", 1, error);
}

static bool list_absent(const struct config_key *key, const void *value)
{
    (void)key;
    return list_of(value).count == 0;
}

static bool equal_lists(const struct config_key *key, const void *a, const void *b)
{
    struct list x = list_of(a), y = list_of(b);
    bool equal = x.count == y.count;
    for (size_t i = 0; i < x.count && equal; i++)
        equal = type_of(key)->item->equal(key, item_of(key, &x, i), item_of(key, &y, i));
    return equal;
}

static void free_list(const struct config_key *key, void *value)
{
    struct list list = list_of(value);
    for (size_t i = 0; i < list.count && type_of(key)->item->free; i++)
        type_of(key)->item->free(key, item_of(key, &list, i));
    free(list.items);
}

/* ---- the table of types ---- */

/* Enums are stored as int. */
_Static_assert(sizeof(enum config_type) == sizeof(int), "CONFIG_CHOICE");

/* clang-format off */
#define WHOLE  .parse = parse_whole, .print = print_whole, .expect = expect_whole
#define CHOICE .parse = parse_choice, .print = print_choice, .expect = expect_choice
#define NUMBER .read = read_scalar, .absent = number_absent, .equal = equal_numbers
#define TEXT   .print = print_text, .absent = text_absent, .equal = equal_texts
#define ARRAY  .takes_strings = true, .read = read_scalar, .parse = parse_text, TEXT
#define PATH   .read = read_path, .free = free_text, TEXT
#define LIST   .read = read_list, .print = print_list, .absent = list_absent, \
               .equal = equal_lists, .free = free_list

static const struct value_type path_in_list = {sizeof(char *), PATH};
static const struct value_type text_in_list = {
    sizeof(char *), .read = read_owned_text, .free = free_text, TEXT};
static const struct value_type integer_in_list = {
    sizeof(int64_t), WHOLE, NUMBER, .get = get_int64, .put = put_int64};
static const struct value_type struct_in_list = {
    .read = read_element, .print = print_element, .equal = equal_elements};

static const struct value_type types[] = {
    [CONFIG_BOOL]   = {sizeof(bool), CHOICE, NUMBER, .get = get_bool, .put = put_bool},
    [CONFIG_INT]    = {sizeof(int), WHOLE, NUMBER, .get = get_int, .put = put_int},
    [CONFIG_INT64]  = {sizeof(int64_t), WHOLE, NUMBER, .get = get_int64, .put = put_int64},
    [CONFIG_REAL]   = {sizeof(double), .parse = parse_real, .print = print_real, NUMBER,
                       .expect = expect_real, .get = get_real, .put = put_real},
    [CONFIG_CHOICE] = {sizeof(int), CHOICE, NUMBER, .takes_strings = true,
                       .get = get_int, .put = put_int},
    [CONFIG_NAME]   = {CONFIG_NAME_SIZE, ARRAY, .expect = expect_choice},
    [CONFIG_TEXT]   = {CONFIG_TEXT_SIZE, ARRAY, .literal = true,
                       .expected = "a text of 1 to 127 bytes"},
    [CONFIG_PATH]   = {sizeof(char *), PATH, .literal = true, .expected = "a path"},
    [CONFIG_PATHS]  = {sizeof(struct strings), LIST, .item = &path_in_list, .literal = true,
                       .expected = "a path, or a list such as [a.txt, b.txt]"},
    [CONFIG_TEXTS]  = {sizeof(struct strings), LIST, .item = &text_in_list, .literal = true,
                       .expected = "a text, or a list such as [no, yes]"},
    [CONFIG_INTEGERS] = {sizeof(struct integers), LIST, .item = &integer_in_list,
                         .expect = expect_integers},
    [CONFIG_LIST]   = {sizeof(struct list), LIST, .item = &struct_in_list,
                       .expected = "a list such as "},
};
_Static_assert(CONFIG_TEXT_SIZE == 128, "the expected text of CONFIG_TEXT");
/* clang-format on */

static const struct value_type *type_of(const struct config_key *key)
{
    return &types[key->type];
}

/* The type of the value or, of a list, of its items. */
static const struct value_type *single_type_of(const struct config_key *key)
{
    return type_of(key)->item ? type_of(key)->item : type_of(key);
}

/* ---- one value ---- */

static void *value_in(void *config, const struct config_key *key)
{
    return (char *)config + key->offset;
}

static const void *value_of(const void *config, const struct config_key *key)
{
    return (const char *)config + key->offset;
}

struct text256 config_value_expected(const struct config_key *key)
{
    struct text256 expected;
    if (type_of(key)->expect)
        return type_of(key)->expect(key);
    snprintf(expected.text, sizeof expected.text, "%s%s", type_of(key)->expected,
             key->example ? key->example : "");
    return expected;
}

void config_value_free(void *config, const struct config_key *key)
{
    if (type_of(key)->free)
        type_of(key)->free(key, value_in(config, key));
}

static void set_absent(void *config, const struct config_key *key)
{
    config_value_free(config, key);
    memset(value_in(config, key), 0, type_of(key)->size);
    if (type_of(key)->put)
        type_of(key)->put(value_in(config, key), key->absent);
}

void config_value_reset(void *config, const struct config_key *key)
{
    set_absent(config, key);
    if (key->fallback)
        CHECK(type_of(key)->parse(key, key->fallback, value_in(config, key)));
}

void config_value_copy(void *to, const void *from, const struct config_key *key)
{
    CHECK(!type_of(key)->free);
    memcpy(value_in(to, key), value_of(from, key), type_of(key)->size);
}

bool config_value_read(void *config, const struct config_key *key, const struct config_node *node,
                       const struct config_source *source, struct error *error)
{
    union {
        max_align_t aligned;
        char bytes[CONFIG_TEXT_SIZE]; /* the largest type */
    } value = {.bytes = {0}};
    if (node->kind == CONFIG_NODE_NULL && key->when_absent) {
        set_absent(config, key);
        return true;
    }
    bool done = type_of(key)->read(key, node, source, &value, error);
    if (done) {
        config_value_free(config, key);
        memcpy(value_in(config, key), &value, type_of(key)->size);
    } else if (type_of(key)->free)
        type_of(key)->free(key, &value);
    return done;
}

bool config_value_absent(const void *config, const struct config_key *key)
{
    return type_of(key)->absent(key, value_of(config, key));
}

bool config_value_equal(const void *a, const void *b, const struct config_key *key)
{
    if (config_value_absent(a, key) || config_value_absent(b, key))
        return config_value_absent(a, key) && config_value_absent(b, key);
    return type_of(key)->equal(key, value_of(a, key), value_of(b, key));
}

bool config_value_print(const void *config, const struct config_key *key, struct buffer *out,
                        struct error *error)
{
    return config_value_absent(config, key) ||
           type_of(key)->print(key, value_of(config, key), out, error);
}

bool config_value_literal(const struct config_key *key)
{
    return type_of(key)->literal;
}
