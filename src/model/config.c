#include "model/config.h"

#include "base/json.h"
#include "base/memory.h"
#include "model/heads.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* Far above every published BERT, and so low that no sum over the tensors overflows. */
    MAX_LAYERS = 4096,
    MAX_POSITIONS = 65536,
    MAX_ATTENTION_HEADS = 65536,
    MAX_SIZE = 1 << 30, /* leaves room for products, which round sizes up */
};

/* BERT-base; also the defaults of transformers' BertConfig for keys that a file lacks. */
static const struct model_config defaults = {
    .heads = &pretraining_heads,
    .vocab_size = 30522,
    .hidden_size = 768,
    .num_hidden_layers = 12,
    .num_attention_heads = 12,
    .intermediate_size = 3072,
    .hidden_act = "gelu",
    .activation = ACTIVATION_GELU,
    .hidden_dropout_prob = 0.1,
    .attention_probs_dropout_prob = 0.1,
    .classifier_dropout = -1,
    .max_position_embeddings = 512,
    .type_vocab_size = 2,
    .initializer_range = 0.02,
    .layer_norm_eps = 1e-12,
    .pad_token_id = 0,
};

static const struct {
    const char *name;
    int layers, hidden, heads;
} released[MODEL_SIZES] = {
    {"tiny", 2, 128, 2},   {"mini", 4, 256, 4},   {"small", 4, 512, 8},
    {"medium", 8, 512, 8}, {"base", 12, 768, 12}, {"large", 24, 1024, 16},
};

const char *model_config_size_name(int index)
{
    return released[index].name;
}

bool model_config_size(const char *name, struct model_config *config)
{
    for (size_t i = 0; i < MODEL_SIZES; i++) {
        if (strcmp(released[i].name, name) != 0)
            continue;
        *config = defaults;
        config->num_hidden_layers = released[i].layers;
        config->hidden_size = released[i].hidden;
        config->num_attention_heads = released[i].heads;
        config->intermediate_size = 4 * released[i].hidden;
        return true;
    }
    return false;
}

const char *model_config_size_of(const struct model_config *config)
{
    for (size_t i = 0; i < MODEL_SIZES; i++)
        if (config->num_hidden_layers == released[i].layers &&
            config->hidden_size == released[i].hidden &&
            config->num_attention_heads == released[i].heads &&
            config->intermediate_size == 4 * released[i].hidden)
            return released[i].name;
    return NULL;
}

/* ---- the keys of config.json ---- */

enum key_kind {
    KEY_SIZE,    /* int, required */
    KEY_INTEGER, /* int, optional */
    KEY_NUMBER,  /* double, optional */
    KEY_RATE,    /* double, optional; null is a value below 0 */
    KEY_NAME,    /* char [ACTIVATION_NAME_SIZE], optional */
    KEY_FIXED,   /* always written; a file may lack it or have null or this value */
    KEY_WRITTEN, /* written for other programs, ignored when read */
    KEY_REFUSED, /* never written; a file may lack it or have null or this value */
};

struct key {
    const char *name;
    size_t member; /* of struct model_config */
    enum key_kind kind;
    const char *value; /* as JSON; of the last three kinds only */
};

/* The table that drives reading and writing; keys are written in its order. */
static const struct key keys[] = {
#define MEMBER(name) #name, offsetof(struct model_config, name)
    {"architectures", 0, KEY_WRITTEN, "[]"}, /* model_config_save_as fills it in */
    {MEMBER(attention_probs_dropout_prob), KEY_NUMBER, NULL},
    {MEMBER(classifier_dropout), KEY_RATE, NULL},
    {"dtype", 0, KEY_WRITTEN, "\"float32\""},
    {MEMBER(hidden_act), KEY_NAME, NULL},
    {MEMBER(hidden_dropout_prob), KEY_NUMBER, NULL},
    {MEMBER(hidden_size), KEY_SIZE, NULL},
    {MEMBER(initializer_range), KEY_NUMBER, NULL},
    {MEMBER(intermediate_size), KEY_SIZE, NULL},
    {MEMBER(layer_norm_eps), KEY_NUMBER, NULL},
    {MEMBER(max_position_embeddings), KEY_SIZE, NULL},
    {"model_type", 0, KEY_FIXED, "\"bert\""},
    {MEMBER(num_attention_heads), KEY_SIZE, NULL},
    {MEMBER(num_hidden_layers), KEY_SIZE, NULL},
    {MEMBER(pad_token_id), KEY_INTEGER, NULL},
    {"position_embedding_type", 0, KEY_FIXED, "\"absolute\""},
    {"tie_word_embeddings", 0, KEY_FIXED, "true"},
    {MEMBER(type_vocab_size), KEY_INTEGER, NULL},
    {"use_cache", 0, KEY_WRITTEN, "true"},
    {MEMBER(vocab_size), KEY_SIZE, NULL},
    {"is_decoder", 0, KEY_REFUSED, "false"},
    {"is_encoder_decoder", 0, KEY_REFUSED, "false"},
    {"add_cross_attention", 0, KEY_REFUSED, "false"},
    {"pruned_heads", 0, KEY_REFUSED, "{}"},
    {"quantization_config", 0, KEY_REFUSED, "null"},
#undef MEMBER
};

enum { KEY_COUNT = sizeof keys / sizeof *keys };

/* ---- checks ---- */

static bool check_sizes(const struct model_config *config, const char *origin, struct error *error)
{
    const struct {
        const char *name;
        int value, maximum;
    } sizes[] = {
        {"vocab_size", config->vocab_size, MAX_SIZE},
        {"hidden_size", config->hidden_size, MAX_SIZE},
        {"num_hidden_layers", config->num_hidden_layers, MAX_LAYERS},
        {"num_attention_heads", config->num_attention_heads, MAX_ATTENTION_HEADS},
        {"intermediate_size", config->intermediate_size, MAX_SIZE},
        {"max_position_embeddings", config->max_position_embeddings, MAX_POSITIONS},
        {"type_vocab_size", config->type_vocab_size, MAX_SIZE},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].value < 1 || sizes[i].value > sizes[i].maximum)
            return fail_input(error, "%s: %s is %d; expected 1 to %d", origin, sizes[i].name,
                              sizes[i].value, sizes[i].maximum);
    if (config->hidden_size % config->num_attention_heads != 0)
        return fail_input(error, "%s: hidden_size %d is not a multiple of num_attention_heads %d",
                          origin, config->hidden_size, config->num_attention_heads);
    if (config->pad_token_id < 0 || config->pad_token_id >= config->vocab_size)
        return fail_input(error, "%s: pad_token_id is %d; expected 0 to %d (vocab_size - 1)",
                          origin, config->pad_token_id, config->vocab_size - 1);
    return true;
}

/* Matrix products take 32-bit sizes, so every matrix stays below 2^31 elements; query, key and
 * value count as the one matrix that they are multiplied as. */
static bool check_products(const struct model_config *config, const char *origin,
                           struct error *error)
{
    const struct {
        const char *name;
        int64_t rows;
    } matrices[] = {
        {"vocab_size", config->vocab_size},
        {"max_position_embeddings", config->max_position_embeddings},
        {"type_vocab_size", config->type_vocab_size},
        {"intermediate_size", config->intermediate_size},
        {"three times hidden_size", 3 * (int64_t)config->hidden_size},
        {"the number of labels", config->labels.count},
    };
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++)
        if (matrices[i].rows > INT32_MAX / config->hidden_size)
            return fail_input(error,
                              "%s: a matrix of %s (%lld) x hidden_size (%d) elements is too large; "
                              "expected less than 2^31",
                              origin, matrices[i].name, (long long)matrices[i].rows,
                              config->hidden_size);
    return true;
}

static bool check_numbers(const struct model_config *config, const char *origin,
                          struct error *error)
{
    const struct {
        const char *name;
        double value;
    } probabilities[] = {
        {"hidden_dropout_prob", config->hidden_dropout_prob},
        {"attention_probs_dropout_prob", config->attention_probs_dropout_prob},
        {"classifier_dropout", model_config_classifier_dropout(config)},
    };
    for (size_t i = 0; i < sizeof probabilities / sizeof *probabilities; i++)
        if (!(probabilities[i].value >= 0 && probabilities[i].value < 1))
            return fail_input(error, "%s: %s is %g; expected at least 0 and below 1", origin,
                              probabilities[i].name, probabilities[i].value);
    if (!(config->initializer_range > 0 && isfinite(config->initializer_range)))
        return fail_input(error, "%s: initializer_range is %g; expected a positive number", origin,
                          config->initializer_range);
    if (!(config->layer_norm_eps >= MODEL_MIN_LAYER_NORM_EPS && config->layer_norm_eps < 1))
        return fail_input(error, "%s: layer_norm_eps is %g; expected at least %g and below 1",
                          origin, config->layer_norm_eps, MODEL_MIN_LAYER_NORM_EPS);
    return true;
}

bool model_config_check_pairs(const struct model_config *config, struct error *error)
{
    return config->type_vocab_size >= 2 ||
           fail_input(error,
                      "the model takes no pairs: its type_vocab_size is %d; expected at least 2",
                      config->type_vocab_size);
}

bool model_config_set_tokens(struct model_config *config, int tokens, const char *origin,
                             struct error *error)
{
    if (tokens > config->vocab_size)
        return fail_input(error, "%s: the vocabulary has %d tokens, but the model only %d", origin,
                          tokens, config->vocab_size);
    config->spare_rows = config->vocab_size - tokens;
    return true;
}

bool model_config_check(struct model_config *config, const char *origin, struct error *error)
{
    if (!check_sizes(config, origin, error) || !check_products(config, origin, error) ||
        !check_numbers(config, origin, error))
        return false;
    if (!activation_find(config->hidden_act, &config->activation))
        return fail_input(error,
                          "%s: hidden_act is \"%s\"; expected gelu, gelu_new, gelu_pytorch_tanh "
                          "or relu",
                          origin, config->hidden_act);
    return true;
}

/* ---- reading ---- */

static bool fail_value(const char *path, const struct key *key, const json_t *found,
                       const char *expected, struct error *error)
{
    char *text = json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT);
    fail_input(error, "%s: %s is %.200s; expected %s", path, key->name, text ? text : "unreadable",
               expected);
    free(text);
    return false;
}

static bool check_fixed(const char *path, const struct key *key, const json_t *found,
                        struct error *error)
{
    json_t *expected = json_loads(key->value, JSON_DECODE_ANY, NULL);
    if (!expected)
        return fail_work(error, "out of memory reading %s", path);
    bool same = json_equal(found, expected);
    json_decref(expected);
    return same || fail_value(path, key, found, key->value, error);
}

static bool read_integer(const char *path, const struct key *key, const json_t *found, int *out,
                         struct error *error)
{
    json_int_t value = json_integer_value(found);
    if (!json_is_integer(found) || value < INT32_MIN || value > INT32_MAX)
        return fail_value(path, key, found, "a 32-bit integer", error);
    *out = (int)value;
    return true;
}

static bool read_name(const char *path, const struct key *key, const json_t *found,
                      char out[ACTIVATION_NAME_SIZE], struct error *error)
{
    const char *text = json_string_value(found);
    if (!text || strlen(text) >= ACTIVATION_NAME_SIZE)
        return fail_value(path, key, found, "the name of an activation", error);
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static const char *number_expected(const struct key *key)
{
    return key->kind == KEY_RATE ? "null, or a number that is at least 0 and below 1" : "a number";
}

static bool read_key(const char *path, const struct key *key, const json_t *object,
                     struct model_config *config, struct error *error)
{
    const json_t *found = json_object_get(object, key->name);
    void *member = (char *)config + key->member;
    if (!found && key->kind == KEY_SIZE)
        return fail_input(error, "%s: %s is missing; expected an integer", path, key->name);
    if (!found || key->kind == KEY_WRITTEN || (json_is_null(found) && key->kind != KEY_SIZE))
        return true;
    switch (key->kind) {
    case KEY_SIZE:
    case KEY_INTEGER:
        return read_integer(path, key, found, member, error);
    case KEY_NUMBER:
    case KEY_RATE:
        if (!json_is_number(found) || (key->kind == KEY_RATE && json_number_value(found) < 0))
            return fail_value(path, key, found, number_expected(key), error);
        *(double *)member = json_number_value(found);
        return true;
    case KEY_NAME:
        return read_name(path, key, found, member, error);
    default:
        return check_fixed(path, key, found, error);
    }
}

/* The key that cloze adds to those of transformers, which keeps unknown keys. */
#define OWN_KEY "cloze"

/* Reads the names of untrained groups. Unknown names, perhaps of a newer program, are ignored. */
static unsigned read_untrained(const json_t *object)
{
    unsigned groups = 0;
    size_t i;
    const json_t *name;
    json_array_foreach (json_object_get(json_object_get(object, OWN_KEY), "untrained"), i, name) {
        for (enum parameter_group group = 0; group < GROUP_COUNT; group++)
            if (json_is_string(name) &&
                strcmp(json_string_value(name), parameter_group_key(group)) == 0)
                groups |= 1U << group;
    }
    return groups;
}

/* Runs before the sizes are read, because other architectures have other names for them. Old files
 * have a class in `architectures` but no model_type. */
static bool check_model_type(const char *path, const json_t *object, struct error *error)
{
    const json_t *type = json_object_get(object, "model_type");
    const json_t *class = json_array_get(json_object_get(object, "architectures"), 0);
    bool named = type && !json_is_null(type);
    const char *name = json_string_value(named ? type : class);
    if (named ? name && strcmp(name, "bert") == 0 : !name || strncmp(name, "Bert", 4) == 0)
        return true;
    if (!name)
        return fail_input(error, "%s: model_type is not a string; expected \"bert\"", path);
    return fail_input(error,
                      "%s: %s is \"%.80s\"; expected %s: cloze has no other architecture. Start "
                      "from a BERT, or set model.size to start from nothing",
                      path, named ? "model_type" : "architectures", name,
                      named ? "\"bert\"" : "a class of BERT");
}

/* ---- heads and labels ---- */

static bool read_label(const char *path, const json_t *names, int index, char **out,
                       struct error *error)
{
    char key[16];
    snprintf(key, sizeof key, "%d", index);
    const char *name = json_string_value(json_object_get(names, key));
    if (!name)
        return fail_input(error,
                          "%s: id2label has no name for \"%s\"; expected a text for each number "
                          "from 0 to %zu",
                          path, key, json_object_size(names) - 1);
    *out = strdup(name);
    return *out || fail_work(error, "out of memory reading %s", path);
}

static bool read_names(const char *path, const json_t *names, struct labels *labels,
                       struct error *error)
{
    const size_t count = json_object_size(names);
    if (count == 0 || count > MAX_SIZE)
        return fail_input(error, "%s: id2label is not an object of names, one for each label",
                          path);
    labels->names = allocate(count, sizeof *labels->names, error);
    if (!labels->names)
        return false;
    for (; labels->count < (int)count; labels->count++)
        if (!read_label(path, names, labels->count, &labels->names[labels->count], error))
            return false;
    return true;
}

/* As transformers: id2label, or else num_labels labels, or else two. */
static bool read_labels(const char *path, const json_t *object, struct labels *labels,
                        struct error *error)
{
    enum { MAX_NUMBERED = 1 << 20 };
    static const struct key key = {"num_labels", 0, KEY_INTEGER, NULL};
    const json_t *names = json_object_get(object, "id2label");
    const json_t *number = json_object_get(object, key.name);
    int count = 2;
    if (names && !json_is_null(names))
        return read_names(path, names, labels, error);
    if (number && !json_is_null(number) && !read_integer(path, &key, number, &count, error))
        return false;
    if (count < 1 || count > MAX_NUMBERED)
        return fail_input(error, "%s: num_labels is %d; expected 1 to %d", path, count,
                          MAX_NUMBERED);
    return labels_number(labels, count, error);
}

/* Chooses between classes and a number for each sequence. */
static bool read_problem_type(const char *path, const json_t *object, struct model_config *config,
                              struct error *error)
{
    const json_t *found = json_object_get(object, "problem_type");
    const char *type = json_string_value(found);
    const int labels = config->labels.count;
    if (!found || json_is_null(found))
        type = labels == 1 ? sequence_regression_heads.problem_type
                           : sequence_classification_heads.problem_type;
    if (type && strcmp(type, sequence_classification_heads.problem_type) == 0)
        return true;
    if (!type || strcmp(type, sequence_regression_heads.problem_type) != 0)
        return fail_input(error,
                          "%s: problem_type is \"%.80s\"; expected \"regression\" or "
                          "\"single_label_classification\"",
                          path, type ? type : "not a text");
    if (labels != 1)
        return fail_input(error, "%s: problem_type is \"regression\" of %d numbers; expected 1",
                          path, labels);
    config->heads = &sequence_regression_heads;
    return true;
}

static bool read_heads(const char *path, const json_t *object, struct model_config *config,
                       struct error *error)
{
    static const struct head_list *const lists[] = {&sequence_classification_heads,
                                                    &token_classification_heads};
    const char *class =
        json_string_value(json_array_get(json_object_get(object, "architectures"), 0));
    for (size_t i = 0; class && i < sizeof lists / sizeof *lists; i++)
        if (strcmp(class, lists[i]->architecture) == 0)
            config->heads = lists[i];
    if (!config->heads->labelled)
        return true;
    return read_labels(path, object, &config->labels, error) &&
           (config->heads != &sequence_classification_heads ||
            read_problem_type(path, object, config, error));
}

/* Without heads the file's are read. */
static bool load(const char *path, const struct head_list *heads, struct model_config *config,
                 struct error *error)
{
    json_t *object = json_read_file(path, error);
    if (!object)
        return false;
    struct model_config loaded = defaults;
    bool done = check_model_type(path, object, error);
    for (size_t i = 0; done && i < KEY_COUNT; i++)
        done = read_key(path, &keys[i], object, &loaded, error);
    loaded.untrained_groups = read_untrained(object);
    if (heads)
        loaded.heads = heads;
    else
        done = done && read_heads(path, object, &loaded, error);
    json_decref(object);
    if (!done || !model_config_check(&loaded, path, error)) {
        model_config_free(&loaded);
        return false;
    }
    *config = loaded;
    return true;
}

bool model_config_load(const char *path, struct model_config *config, struct error *error)
{
    return load(path, NULL, config, error);
}

bool model_config_load_for(const char *path, const struct head_list *heads,
                           struct model_config *config, struct error *error)
{
    return load(path, heads, config, error);
}

void model_config_free(struct model_config *config)
{
    labels_free(&config->labels);
}

/* ---- writing ---- */

static json_t *written_value(const struct key *key, const struct model_config *config)
{
    const void *member = (const char *)config + key->member;
    switch (key->kind) {
    case KEY_SIZE:
    case KEY_INTEGER:
        return json_integer(*(const int *)member);
    case KEY_NUMBER:
        return json_real(*(const double *)member);
    case KEY_RATE:
        return *(const double *)member < 0 ? json_null() : json_real(*(const double *)member);
    case KEY_NAME:
        return json_string(member);
    default:
        return json_loads(key->value, JSON_DECODE_ANY, NULL);
    }
}

static bool write_untrained(json_t *object, unsigned groups)
{
    json_t *names = json_array();
    int failed = 0;
    for (enum parameter_group group = 0; group < GROUP_COUNT; group++)
        if (groups & 1U << group)
            failed |= json_array_append_new(names, json_string(parameter_group_key(group)));
    json_t *own = json_pack("{s:o}", "untrained", names);
    return !failed && json_object_set_new(object, OWN_KEY, own) == 0;
}

static bool write_labels(json_t *object, const struct model_config *config)
{
    json_t *names = json_object(), *numbers = json_object();
    bool done = names && numbers;
    for (int i = 0; done && i < config->labels.count; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        done = json_object_set_new(names, key, json_string(config->labels.names[i])) == 0 &&
               json_object_set_new(numbers, config->labels.names[i], json_integer(i)) == 0;
    }
    const char *type = config->heads->problem_type;
    done = (json_object_set_new(object, "id2label", names) == 0) && done;
    done = (json_object_set_new(object, "label2id", numbers) == 0) && done;
    return done &&
           json_object_set_new(object, "problem_type", type ? json_string(type) : json_null()) == 0;
}

bool model_config_save_as(const char *path, const struct model_config *config,
                          const char *architecture, struct error *error)
{
    json_t *object = json_object();
    bool done = object != NULL;
    for (size_t i = 0; done && i < KEY_COUNT; i++)
        if (keys[i].kind != KEY_REFUSED)
            done = json_object_set_new(object, keys[i].name, written_value(&keys[i], config)) == 0;
    done =
        done && json_object_set_new(object, "architectures", json_pack("[s]", architecture)) == 0;
    if (done && config->heads->labelled && strcmp(architecture, config->heads->architecture) == 0)
        done = write_labels(object, config);
    const unsigned untrained = config->untrained_groups & head_list_groups(config->heads);
    if (done && untrained)
        done = write_untrained(object, untrained);
    done = done ? json_write_file(path, object, error)
                : fail_work(error, "out of memory writing %s", path);
    json_decref(object);
    return done;
}
