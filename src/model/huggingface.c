#include "model/huggingface.h"

#include "base/affix.h"
#include "base/file.h"
#include "base/format.h"
#include "base/machine.h"
#include "base/memory.h"
#include "base/min.h"
#include "model/huggingface_files.h"
#include "model/tensor_names.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_FILE "config.json"

/* How many tensors that are not used are named; the others are counted. */
enum { NAMED_TENSORS = 3 };

/* What transformers stores under two names when asked to: the decoder of the MLM head is the word
 * embeddings. The originals are also the tensors with a row for each entry of the vocabulary. */
static const struct tie {
    const char *copy, *original;
} ties[] = {
    {"cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"},
    {"cls.predictions.decoder.bias", "cls.predictions.bias"},
};

enum { TIE_COUNT = sizeof ties / sizeof *ties };

/* A tensor of one of the files; tensor is NULL where there is none. */
struct stored {
    const struct tensor *tensor;
    const char *path;
};

/* What a directory holds, sorted by what it is for. */
struct source {
    struct weight_files files;
    struct tensor_names names;
    struct stored *originals; /* [table->count] */
    struct stored copies[TIE_COUNT];
    uint64_t vocabulary_rows; /* of the tensors with a row for each entry */
    uint64_t own_tokens;      /* that the model knows already; 0: all of the table */
    unsigned groups;          /* mask of those to be loaded */
};

static void source_free(struct source *source)
{
    weight_files_close(&source->files);
    free(source->originals);
}

/* ---- what each tensor is ---- */

/* Returns the place of the tensor's name in the table; NULL if it is not to be loaded. */
static struct stored *find_original(const struct source *source,
                                    const struct parameter_table *table, const char *name)
{
    const struct parameter *parameter = parameter_find(table, name);
    const bool loaded = parameter && source->groups & 1U << parameter->group;
    return loaded ? &source->originals[parameter - table->list] : NULL;
}

/* A copy has a place wherever its original has one, also if the MLM head is not loaded. */
static struct stored *find_slot(struct source *source, const struct parameter_table *table,
                                const char *name)
{
    for (size_t i = 0; i < TIE_COUNT; i++)
        if (strcmp(ties[i].copy, name) == 0)
            return find_original(source, table, ties[i].original) ? &source->copies[i] : NULL;
    return find_original(source, table, name);
}

/* Buffers that transformers stored up to version 4.30: 0, 1, 2 ... and zeros. */
static bool is_buffer(const char *name)
{
    return strcmp(name, "bert.embeddings.position_ids") == 0 ||
           strcmp(name, "bert.embeddings.token_type_ids") == 0;
}

/* True if the tensor belongs to a pooler and the model has none, as its heads do not read it. */
static bool is_spare_pooler(const struct parameter_table *table, const char *name)
{
    return begins_with(name, "bert.pooler.") && !parameter_find(table, "bert.pooler.dense.weight");
}

static bool loads_group(const struct source *source, const struct parameter_table *table,
                        enum parameter_group group)
{
    for (int i = 0; i < table->count; i++)
        if (table->list[i].group == group)
            return source->groups & 1U << group;
    return false;
}

/* Notes the group that the tensor belongs to if nothing of it is loaded; otherwise the tensor. */
static void note_unused(const struct source *source, const struct parameter_table *table,
                        const char *name, const char *stored_name,
                        struct huggingface_missing *missing)
{
    const size_t used = strlen(missing->unused);
    const enum parameter_group group =
        is_spare_pooler(table, name) ? GROUP_POOLER : heads_group_of(name);
    if (group < GROUP_COUNT && !loads_group(source, table, group))
        missing->unused_groups |= 1U << group;
    else if (missing->unused_count++ < NAMED_TENSORS)
        snprintf(missing->unused + used, sizeof missing->unused - used, "%s%.60s", used ? ", " : "",
                 stored_name);
}

/* A tensor outside the encoder that the table does not have is a head for another task; within the
 * encoder it would change what the model computes. */
static bool place_tensor(struct source *source, const struct parameter_table *table,
                         const char *path, const struct tensor *tensor,
                         struct huggingface_missing *missing, struct error *error)
{
    struct tensor_name name = tensor_names_in_table(&source->names, tensor->name);
    if (is_buffer(name.text))
        return true;
    struct stored *slot = find_slot(source, table, name.text);
    if (!slot && begins_with(name.text, "bert.") && !is_spare_pooler(table, name.text))
        return fail_input(error,
                          "%s: tensor %s, %s, does not belong to the encoder that " CONFIG_FILE
                          " describes",
                          path, tensor->name, tensor_describe(tensor).text);
    if (!slot) {
        note_unused(source, table, name.text, tensor->name, missing);
        return true;
    }
    if (slot->tensor)
        return fail_input(error, "%s: tensor %s is a duplicate of %s in %s", path, tensor->name,
                          slot->tensor->name, slot->path);
    *slot = (struct stored){.tensor = tensor, .path = path};
    return true;
}

/* Of two names for one tensor transformers takes the one that is there. A second one belongs to the
 * MLM head, and is kept for comparison only if that is loaded. */
static void take_copies(struct source *source, const struct parameter_table *table,
                        struct huggingface_missing *missing)
{
    for (size_t i = 0; i < TIE_COUNT; i++) {
        struct stored *copy = &source->copies[i];
        struct stored *original = find_original(source, table, ties[i].original);
        if (!copy->tensor || (original->tensor && loads_group(source, table, GROUP_MLM_HEAD)))
            continue;
        if (original->tensor)
            note_unused(source, table, ties[i].copy, copy->tensor->name, missing);
        else
            *original = *copy;
        *copy = (struct stored){0};
    }
}

static bool place_tensors(struct source *source, const struct parameter_table *table,
                          struct huggingface_missing *missing, struct error *error)
{
    source->originals = allocate((size_t)table->count, sizeof *source->originals, error);
    if (!source->originals)
        return false;
    for (size_t i = 0; i < source->files.count; i++) {
        const struct weight_file *file = &source->files.list[i];
        for (size_t j = 0; j < file->contents.count; j++)
            if (!place_tensor(source, table, file->path, &file->contents.tensors[j], missing,
                              error))
                return false;
    }
    take_copies(source, table, missing);
    return true;
}

/* ---- what must be there, and how large ---- */

static bool has_vocabulary_rows(const struct parameter *parameter)
{
    for (size_t i = 0; i < TIE_COUNT; i++)
        if (strcmp(ties[i].original, parameter->name) == 0)
            return true;
    return false;
}

struct tensor parameter_tensor(const struct parameter *parameter, const real *block,
                               const char *name)
{
    uint64_t rows = (uint64_t)parameter->rows, columns = (uint64_t)parameter->columns;
    return (struct tensor){
        .name = name,
        .dtype = DTYPE_REAL,
        .axes = rows ? 2 : 1,
        .shape = {rows ? rows : columns, rows ? columns : 0},
        .data = block ? block + parameter->offset : NULL,
        .size = parameter_elements(parameter) * sizeof(real),
    };
}

static struct tensor expected_tensor(const struct source *source, const struct parameter *parameter)
{
    struct tensor expected = parameter_tensor(parameter, NULL, NULL);
    if (has_vocabulary_rows(parameter))
        expected.shape[0] = source->vocabulary_rows;
    return expected;
}

/* A model whose vocabulary has grown has fewer rows than the table; the word embeddings say how
 * many the other tensors have as well. It must have one for each token of its own. */
static bool find_vocabulary_rows(struct source *source, const struct parameter_table *table,
                                 struct error *error)
{
    const struct parameter *embeddings = parameter_find(table, ties[0].original);
    const struct stored *stored = &source->originals[embeddings - table->list];
    const struct tensor *tensor = stored->tensor;
    source->vocabulary_rows = (uint64_t)embeddings->rows;
    if (!source->own_tokens || !tensor || tensor->axes != 2 ||
        tensor->shape[0] > source->vocabulary_rows)
        return true;
    if (tensor->shape[0] < source->own_tokens)
        return fail_input(error,
                          "%s: tensor %s is %s; expected a row for each of the %" PRIu64
                          " tokens of the model's vocabulary",
                          stored->path, tensor->name, tensor_describe(tensor).text,
                          source->own_tokens);
    source->vocabulary_rows = tensor->shape[0];
    return true;
}

/* A part may be absent as a whole only; without the encoder there is no model. */
static bool find_missing(const struct source *source, const char *directory,
                         const struct parameter_table *table, struct huggingface_missing *missing,
                         struct error *error)
{
    unsigned present = 1U << GROUP_ENCODER;
    for (int i = 0; i < table->count; i++)
        if (source->originals[i].tensor)
            present |= 1U << table->list[i].group;
    for (size_t i = 0; i < TIE_COUNT; i++)
        if (source->copies[i].tensor)
            present |= 1U << GROUP_MLM_HEAD;
    for (int i = 0; i < table->count; i++) {
        const struct parameter *parameter = &table->list[i];
        if (source->originals[i].tensor)
            continue;
        if (present & 1U << parameter->group) {
            struct tensor expected = expected_tensor(source, parameter);
            return fail_input(error, "%s: tensor %s is missing; expected %s", directory,
                              parameter->name, tensor_describe(&expected).text);
        }
        missing->groups |= 1U << parameter->group;
    }
    return true;
}

static bool check_shape(const struct stored *stored, const struct tensor *expected,
                        struct error *error)
{
    const struct tensor *tensor = stored->tensor;
    bool same = tensor->axes == expected->axes;
    for (int axis = 0; same && axis < tensor->axes; axis++)
        same = tensor->shape[axis] == expected->shape[axis];
    if (!same)
        return fail_input(error, "%s: tensor %s is %s; expected %s", stored->path, tensor->name,
                          tensor_describe(tensor).text, tensor_describe(expected).text);
    switch (tensor->dtype) {
    case DTYPE_F64:
    case DTYPE_F32:
    case DTYPE_F16:
    case DTYPE_BF16:
        return true;
    default:
        return fail_input(error, "%s: tensor %s is %s; expected F32, F16, BF16 or F64",
                          stored->path, tensor->name, tensor_describe(tensor).text);
    }
}

/* ---- conversion ---- */

static bool all_finite(const real *values, size_t count)
{
    bool finite = true;
    for (size_t i = 0; i < count; i++)
        finite &= isfinite(values[i]) != 0;
    return finite;
}

/* Converts elements [first, last) to their place in `out`. Returns false if a value is not finite.
 */
static bool convert(const struct tensor *tensor, uint64_t first, uint64_t last, real *out)
{
    enum { CHUNK = 1 << 16 };
    bool finite = true;
#pragma omp parallel for schedule(static) reduction(&& : finite) if (last - first > CHUNK)
    for (uint64_t begin = first; begin < last; begin += CHUNK) {
        uint64_t count = min_uint64(last - begin, CHUNK);
        tensor_read_real(tensor, begin, count, out + begin);
        finite = all_finite(out + begin, count) && finite;
    }
    return finite;
}

/* Converts the rows of the tokens that the model knows, and its rows after the last token. The rows
 * of new tokens keep the values that the block holds. */
static bool convert_rows(const struct source *source, const struct tensor *tensor,
                         const struct parameter *parameter, real *out)
{
    uint64_t elements = tensor_elements(tensor), columns = elements / tensor->shape[0];
    if (!source->own_tokens || !has_vocabulary_rows(parameter))
        return convert(tensor, 0, elements, out);
    uint64_t known = source->own_tokens * columns;
    uint64_t tokens = parameter_elements(parameter) - parameter->spare;
    return convert(tensor, 0, known, out) &&
           (tokens >= elements || convert(tensor, tokens, elements, out));
}

static bool load_original(const struct source *source, const struct stored *stored,
                          const struct parameter *parameter, real *block, struct error *error)
{
    struct tensor expected = expected_tensor(source, parameter);
    if (!check_shape(stored, &expected, error))
        return false;
    if (!convert_rows(source, stored->tensor, parameter, block + parameter->offset))
        return fail_input(error, "%s: tensor %s holds a value that is not a finite number",
                          stored->path, stored->tensor->name);
    return true;
}

/* Checks that the copy equals `original`, its converted original. */
static bool check_copy(const struct source *source, const struct stored *copy,
                       const struct tie *tie, const real *original, struct error *error)
{
    enum { CHUNK = 1024 };
    real values[CHUNK];
    uint64_t elements = tensor_elements(copy->tensor);
    if (source->own_tokens)
        elements = elements / copy->tensor->shape[0] * source->own_tokens;
    for (uint64_t first = 0; first < elements; first += CHUNK) {
        uint64_t count = min_uint64(elements - first, CHUNK);
        tensor_read_real(copy->tensor, first, count, values);
        for (uint64_t i = 0; i < count; i++)
            if (!(values[i] == original[first + i]))
                return fail_input(error,
                                  "%s: tensor %s differs from %s at element %" PRIu64 ": %.9g; "
                                  "expected %.9g, since the decoder is tied to the word embeddings",
                                  copy->path, tie->copy, tie->original, first + i,
                                  (double)values[i], (double)original[first + i]);
    }
    return true;
}

static bool load_tensors(const struct source *source, const struct parameter_table *table,
                         real *block, struct error *error)
{
    for (int i = 0; i < table->count; i++)
        if (source->originals[i].tensor &&
            !load_original(source, &source->originals[i], &table->list[i], block, error))
            return false;
    for (size_t i = 0; i < TIE_COUNT; i++) {
        const struct stored *copy = &source->copies[i];
        if (!copy->tensor)
            continue;
        const struct parameter *original = parameter_find(table, ties[i].original);
        struct tensor expected = expected_tensor(source, original);
        if (!check_shape(copy, &expected, error) ||
            !check_copy(source, copy, &ties[i], block + original->offset, error))
            return false;
    }
    return true;
}

/* ---- the whole ---- */

static bool load_groups(const char *directory, const struct parameter_table *table, int own_tokens,
                        unsigned groups, real *block, struct huggingface_missing *missing,
                        struct error *error)
{
    struct source source = {.own_tokens = (uint64_t)own_tokens, .groups = groups};
    struct huggingface_missing found = {0};
    bool done = weight_files_open(&source.files, directory, error) &&
                tensor_names_find(&source.files, directory, &source.names, error) &&
                place_tensors(&source, table, &found, error) &&
                find_vocabulary_rows(&source, table, error) &&
                find_missing(&source, directory, table, &found, error) &&
                load_tensors(&source, table, block, error);
    if (done && own_tokens) {
        const struct parameter *embeddings = parameter_find(table, ties[0].original);
        const size_t elements = parameter_elements(embeddings) - embeddings->spare;
        found.new_rows = (int)(elements / (size_t)embeddings->columns) - own_tokens;
    }
    if (done && !tensor_names_ordinary(&source.names))
        memcpy(found.prefix, source.names.shown, sizeof found.prefix);
    source_free(&source);
    if (done)
        *missing = found;
    return done;
}

bool huggingface_load_parameters(const char *directory, const struct parameter_table *table,
                                 int own_tokens, real *block, struct huggingface_missing *missing,
                                 struct error *error)
{
    return load_groups(directory, table, own_tokens, ~0U, block, missing, error);
}

bool huggingface_load_encoder(const char *directory, const struct parameter_table *table,
                              real *block, struct huggingface_missing *missing, struct error *error)
{
    return load_groups(directory, table, 0, 1U << GROUP_ENCODER | 1U << GROUP_POOLER, block,
                       missing, error);
}

unsigned huggingface_absent_groups(const struct model *model,
                                   const struct huggingface_missing *missing)
{
    const unsigned all = (1U << GROUP_COUNT) - 1;
    return (~head_list_groups(model->config.heads) & all) | missing->groups;
}

/* The group in a sentence. */
static const char *long_name(enum parameter_group group)
{
    return group == GROUP_MLM_HEAD   ? "masked language modelling head"
           : group == GROUP_NSP_HEAD ? "next-sentence head"
                                     : parameter_group_name(group);
}

bool huggingface_require_group(const struct model *model, const struct huggingface_missing *missing,
                               enum parameter_group group, struct error *error)
{
    const struct head_list *heads = model->config.heads;
    if (!(huggingface_absent_groups(model, missing) & 1U << group))
        return true;
    if (missing->groups & 1U << group)
        return fail_input(error, "the model has no %s: it was saved without it", long_name(group));
    if (group == GROUP_CLASSIFIER)
        return fail_input(error,
                          "the model has no classifier: it is a %s. 'cloze finetune' makes a model "
                          "that has one",
                          heads->architecture);
    return fail_input(error,
                      "the model has no %s: it is a %s; expected the model of pre-training. 'cloze "
                      "predict' uses this one",
                      long_name(group), heads->architecture);
}

/* Checks that there is enough memory: Linux overcommits, so that malloc would succeed and the
 * process be killed later. */
static bool check_memory(const char *directory, const struct model_config *config,
                         struct error *error)
{
    struct parameter_table table;
    if (!parameter_table_create(&table, config, error))
        return false;
    uint64_t needed = (uint64_t)table.total * sizeof(real), available = machine_memory_available();
    parameter_table_free(&table);
    return needed <= available ||
           fail_input(error,
                      "%s: the model takes %s of memory, and %s are available; expected a smaller "
                      "one in " CONFIG_FILE,
                      directory, format_bytes(needed).text, format_bytes(available).text);
}

struct model *huggingface_load_model(const char *directory, struct huggingface_missing *missing,
                                     struct error *error)
{
    struct model_config config;
    char *path = path_join(directory, CONFIG_FILE, error);
    bool loaded = path && model_config_load(path, &config, error);
    free(path);
    bool fits = loaded && check_memory(directory, &config, error);
    struct model *model = fits ? model_create(&config, error) : NULL;
    if (loaded)
        model_config_free(&config);
    if (!model || huggingface_load_parameters(directory, &model->table, 0, model->parameters.values,
                                              missing, error))
        return model;
    model_free(model);
    return NULL;
}

#define PREFIX_NOTE "the encoder: tensors whose names begin with \"%s\""

bool huggingface_note_prefix(const struct huggingface_missing *missing, struct buffer *note,
                             struct error *error)
{
    return !missing->prefix[0] || buffer_print(note, error, PREFIX_NOTE, missing->prefix);
}

void huggingface_log_prefix(const struct huggingface_missing *missing, struct log *log)
{
    if (missing->prefix[0])
        log_line(log, PREFIX_NOTE, missing->prefix);
}

struct huggingface_unused huggingface_unused(const struct huggingface_missing *missing)
{
    struct huggingface_unused unused = {""};
    char *end = unused.text, *const limit = unused.text + sizeof unused.text;
    const unsigned groups = missing->unused_groups & ~missing->groups;
    for (enum parameter_group group = 0; group < GROUP_COUNT; group++)
        if (groups & 1U << group)
            end += snprintf(end, (size_t)(limit - end), "%sthe %s", end > unused.text ? ", " : "",
                            parameter_group_name(group));
    if (missing->unused_count)
        end += snprintf(end, (size_t)(limit - end), "%s%s", end > unused.text ? ", " : "",
                        missing->unused);
    if (missing->unused_count > NAMED_TENSORS)
        snprintf(end, (size_t)(limit - end), " and %d more", missing->unused_count - NAMED_TENSORS);
    return unused;
}

static void log_fresh_group(const char *directory, const struct huggingface_missing *missing,
                            enum parameter_group group, struct log *log)
{
    if (missing->unused_groups & 1U << group)
        log_line(log, "the %s of %s is not used; initializing a new one",
                 parameter_group_name(group), directory);
    else
        log_line(log, "%s has no %s; initializing a new one", directory,
                 parameter_group_name(group));
}

void huggingface_log_missing(const char *directory, const struct huggingface_missing *missing,
                             struct log *log)
{
    huggingface_log_prefix(missing, log);
    for (enum parameter_group group = 0; group < GROUP_COUNT; group++)
        if (missing->groups & 1U << group)
            log_fresh_group(directory, missing, group, log);
    if (missing->new_rows)
        log_line(log, "%s has a smaller vocabulary; initializing the last %s", directory,
                 format_number_of((unsigned long long)missing->new_rows, "token").text);
    const struct huggingface_unused unused = huggingface_unused(missing);
    if (*unused.text)
        log_line(log, "not used of %s: %s", directory, unused.text);
}

static const char *class_name(const struct huggingface_class *class, const char *name)
{
    return class->bare && begins_with(name, "bert.") ? name + strlen("bert.") : name;
}

static bool save_parameters(const char *path, const struct huggingface_class *class,
                            const struct parameter_table *table, const real *block,
                            struct error *error)
{
    struct tensor *tensors = allocate((size_t)table->count, sizeof *tensors, error);
    size_t count = 0;
    if (!tensors)
        return false;
    for (const struct parameter *parameter = table->list; parameter < table->list + table->count;
         parameter++)
        if (class->groups & 1U << parameter->group)
            tensors[count++] =
                parameter_tensor(parameter, block, class_name(class, parameter->name));
    bool done = safetensors_write(path, tensors, count, error);
    free(tensors);
    return done;
}

static bool save(const char *directory, const struct huggingface_class *class,
                 const struct model_config *config, const struct parameter_table *table,
                 const real *block, struct error *error)
{
    char *config_path = path_join(directory, CONFIG_FILE, error);
    char *weights_path = config_path ? path_join(directory, WEIGHTS_FILE, error) : NULL;
    bool done = weights_path && model_config_save_as(config_path, config, class->name, error) &&
                save_parameters(weights_path, class, table, block, error);
    free(config_path);
    free(weights_path);
    return done;
}

bool huggingface_save_model(const char *directory, const struct model_config *config,
                            const struct parameter_table *table, const real *block,
                            struct error *error)
{
    const struct huggingface_class whole = {.name = config->heads->architecture, .groups = ~0U};
    return save(directory, &whole, config, table, block, error);
}

bool huggingface_save_as(const char *directory, const struct huggingface_class *class,
                         const struct model_config *config, const struct parameter_table *table,
                         const real *block, struct error *error)
{
    struct model_config published = *config;
    published.untrained_groups &= class->groups;
    return save(directory, class, &published, table, block, error);
}
