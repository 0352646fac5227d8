#include "model/huggingface.h"

#include "base/file.h"
#include "base/json.h"
#include "base/machine.h"
#include "base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_FILE  "config.json"
#define WEIGHTS_FILE "model.safetensors"
#define INDEX_FILE   "model.safetensors.index.json"
#define TORCH_FILE   "pytorch_model.bin"

/* What transformers stores under two names when asked to: the decoder of the MLM head is the word
 * embeddings. The originals are also the tensors with a row for each entry of the vocabulary. */
static const struct tie {
    const char *copy, *original;
} ties[] = {
    {"cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"},
    {"cls.predictions.decoder.bias", "cls.predictions.bias"},
};

enum { TIE_COUNT = sizeof ties / sizeof *ties };

struct file {
    char *path;
    const char *name; /* the end of path */
    struct safetensors contents;
};

/* A tensor of one of the files; tensor is NULL where there is none. */
struct stored {
    const struct tensor *tensor;
    const char *path;
};

/* What a directory holds, sorted by what it is for. */
struct source {
    struct file *files;
    size_t file_count;
    struct stored *originals; /* [table->count] */
    struct stored copies[TIE_COUNT];
    uint64_t vocabulary_rows; /* of the tensors with a row for each entry */
};

static void source_free(struct source *source)
{
    for (size_t i = 0; i < source->file_count; i++) {
        safetensors_close(&source->files[i].contents);
        free(source->files[i].path);
    }
    free(source->files);
    free(source->originals);
}

/* ---- opening the files ---- */

static bool open_file(struct source *source, const char *directory, const char *name,
                      struct error *error)
{
    struct file *file = &source->files[source->file_count];
    file->path = path_join(directory, name, error);
    if (!file->path)
        return false;
    if (!safetensors_open(file->path, &file->contents, error)) {
        free(file->path);
        return false;
    }
    file->name = file->path + strlen(file->path) - strlen(name);
    source->file_count++;
    return true;
}

static const struct file *find_file(const struct source *source, const char *name)
{
    for (size_t i = 0; i < source->file_count; i++)
        if (strcmp(source->files[i].name, name) == 0)
            return &source->files[i];
    return NULL;
}

/* An index comes from outside: it must not lead out of its directory. */
static bool is_plain_name(const char *name)
{
    return name[0] && name[0] != '.' && !strchr(name, '/');
}

static bool open_shard(struct source *source, const char *directory, const char *index,
                       const char *tensor, const char *shard, struct error *error)
{
    if (!shard || !is_plain_name(shard))
        return fail_input(error,
                          "%s: the file of tensor %.80s is \"%.200s\"; expected the name of a file "
                          "beside the index",
                          index, tensor, shard ? shard : "");
    if (!find_file(source, shard) && !open_file(source, directory, shard, error))
        return false;
    const struct file *file = find_file(source, shard);
    /* Not safetensors_find: an index may list as many tensors as a file may have. */
    if (!json_object_get(file->contents.header, tensor))
        return fail_input(error, "%s: tensor %.80s is missing; %s says it is there", file->path,
                          tensor, INDEX_FILE);
    return true;
}

static bool open_listed(struct source *source, const char *directory, const char *index,
                        json_t *map, struct error *error)
{
    if (json_object_size(map) == 0)
        return fail_input(error, "%s: expected weight_map, an object from tensors to files", index);
    source->files = allocate(json_object_size(map), sizeof *source->files, error);
    if (!source->files)
        return false;
    const char *tensor;
    json_t *shard;
    json_object_foreach(map, tensor, shard)
    {
        if (!open_shard(source, directory, index, tensor, json_string_value(shard), error))
            return false;
    }
    return true;
}

static bool open_shards(struct source *source, const char *directory, const char *index,
                        struct error *error)
{
    json_t *object = json_read_file(index, error);
    if (!object)
        return false;
    json_t *map = json_object_get(object, "weight_map");
    bool done = open_listed(source, directory, index, map, error);
    json_decref(object);
    return done;
}

static bool open_single(struct source *source, const char *directory, struct error *error)
{
    source->files = allocate(1, sizeof *source->files, error);
    return source->files && open_file(source, directory, WEIGHTS_FILE, error);
}

static bool fail_absent(const char *directory, const char *torch, struct error *error)
{
    if (path_exists(torch))
        return fail_input(error,
                          "%s: found %s; expected %s (transformers writes it with "
                          "save_pretrained)",
                          directory, TORCH_FILE, WEIGHTS_FILE);
    return fail_input(error, "%s: found neither %s nor %s", directory, WEIGHTS_FILE, INDEX_FILE);
}

static bool open_files(struct source *source, const char *directory, struct error *error)
{
    char *single = path_join(directory, WEIGHTS_FILE, error);
    char *index = single ? path_join(directory, INDEX_FILE, error) : NULL;
    char *torch = index ? path_join(directory, TORCH_FILE, error) : NULL;
    bool done = false;
    if (torch)
        done = path_is_taken(single)  ? open_single(source, directory, error)
               : path_is_taken(index) ? open_shards(source, directory, index, error)
                                      : fail_absent(directory, torch, error);
    free(single);
    free(index);
    free(torch);
    return done;
}

/* ---- what each tensor is ---- */

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The longest change of a name: "bert." in front and one letter more at the end. */
struct tensor_name {
    char text[TENSOR_MAX_NAME + sizeof "bert." + 1];
};

/* The table's name for what a BertModel or an old conversion calls otherwise. */
static struct tensor_name table_name(const char *name)
{
    static const char *const model_parts[] = {"embeddings.", "encoder.", "pooler."};
    static const char *const suffixes[][2] = {{"LayerNorm.gamma", "LayerNorm.weight"},
                                              {"LayerNorm.beta", "LayerNorm.bias"}};
    const char *prefix = "", *suffix = "";
    for (size_t i = 0; i < sizeof model_parts / sizeof *model_parts; i++)
        if (begins_with(name, model_parts[i]))
            prefix = "bert.";
    size_t length = strlen(name), kept = length;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        size_t old = strlen(suffixes[i][0]);
        if (length >= old && strcmp(name + length - old, suffixes[i][0]) == 0) {
            kept = length - old;
            suffix = suffixes[i][1];
        }
    }
    struct tensor_name result;
    snprintf(result.text, sizeof result.text, "%s%.*s%s", prefix, (int)kept, name, suffix);
    return result;
}

static struct stored *find_slot(struct source *source, const struct parameter_table *table,
                                const char *name)
{
    const struct parameter *parameter = parameter_find(table, name);
    if (parameter)
        return &source->originals[parameter - table->list];
    for (size_t i = 0; i < TIE_COUNT; i++)
        if (strcmp(ties[i].copy, name) == 0)
            return &source->copies[i];
    return NULL;
}

static bool place_tensor(struct source *source, const struct parameter_table *table,
                         const char *path, const struct tensor *tensor, struct error *error)
{
    struct tensor_name name = table_name(tensor->name);
    /* 0, 1, 2 ...: transformers stored it up to version 4.30. */
    if (strcmp(name.text, "bert.embeddings.position_ids") == 0)
        return true;
    struct stored *slot = find_slot(source, table, name.text);
    if (!slot)
        return fail_input(error, "%s: tensor %s, %s, is none of this model's", path, tensor->name,
                          tensor_describe(tensor).text);
    if (slot->tensor)
        return fail_input(error, "%s: tensor %s is there already, as %s in %s", path, tensor->name,
                          slot->tensor->name, slot->path);
    *slot = (struct stored){.tensor = tensor, .path = path};
    return true;
}

static bool place_tensors(struct source *source, const struct parameter_table *table,
                          struct error *error)
{
    source->originals = allocate((size_t)table->count, sizeof *source->originals, error);
    if (!source->originals)
        return false;
    for (size_t i = 0; i < source->file_count; i++) {
        const struct file *file = &source->files[i];
        for (size_t j = 0; j < file->contents.count; j++)
            if (!place_tensor(source, table, file->path, &file->contents.tensors[j], error))
                return false;
    }
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

/* Where new rows are allowed, the word embeddings say how many the other tensors must lack as well.
 */
static void find_vocabulary_rows(struct source *source, const struct parameter_table *table,
                                 bool allow_new_rows, struct huggingface_missing *missing)
{
    const struct parameter *embeddings = parameter_find(table, ties[0].original);
    const struct tensor *tensor = source->originals[embeddings - table->list].tensor;
    uint64_t rows = (uint64_t)embeddings->rows;
    source->vocabulary_rows = rows;
    if (!allow_new_rows || !tensor || tensor->axes != 2 || !tensor->shape[0] ||
        tensor->shape[0] > rows)
        return;
    source->vocabulary_rows = tensor->shape[0];
    missing->new_rows = (int)(rows - tensor->shape[0]);
}

/* A part may be absent as a whole only; without the encoder there is no model. */
static bool find_missing(const struct source *source, const char *directory,
                         const struct parameter_table *table, struct huggingface_missing *missing,
                         struct error *error)
{
    unsigned present = 1U << PART_ENCODER;
    for (int i = 0; i < table->count; i++)
        if (source->originals[i].tensor)
            present |= 1U << table->list[i].part;
    for (size_t i = 0; i < TIE_COUNT; i++)
        if (source->copies[i].tensor)
            present |= 1U << PART_MLM_HEAD;
    for (int i = 0; i < table->count; i++) {
        const struct parameter *parameter = &table->list[i];
        if (source->originals[i].tensor)
            continue;
        if (present & 1U << parameter->part) {
            struct tensor expected = expected_tensor(source, parameter);
            return fail_input(error, "%s: tensor %s is missing; expected %s", directory,
                              parameter->name, tensor_describe(&expected).text);
        }
        missing->parts |= 1U << parameter->part;
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

/* False if a value is not finite. */
static bool convert(const struct tensor *tensor, real *out)
{
    enum { CHUNK = 1 << 16 };
    const uint64_t elements = tensor_elements(tensor);
    bool finite = true;
#pragma omp parallel for schedule(static) reduction(&& : finite) if (elements > CHUNK)
    for (uint64_t first = 0; first < elements; first += CHUNK) {
        uint64_t count = elements - first < CHUNK ? elements - first : CHUNK;
        tensor_read_real(tensor, first, count, out + first);
        finite = all_finite(out + first, count) && finite;
    }
    return finite;
}

static bool load_original(const struct source *source, const struct stored *stored,
                          const struct parameter *parameter, real *block, struct error *error)
{
    struct tensor expected = expected_tensor(source, parameter);
    if (!check_shape(stored, &expected, error))
        return false;
    if (!convert(stored->tensor, block + parameter->offset))
        return fail_input(error, "%s: tensor %s holds a value that is not a finite number",
                          stored->path, stored->tensor->name);
    return true;
}

/* `original` holds what the copy must equal, converted. */
static bool check_copy(const struct stored *copy, const struct tie *tie, const real *original,
                       struct error *error)
{
    enum { CHUNK = 1024 };
    real values[CHUNK];
    const uint64_t elements = tensor_elements(copy->tensor);
    for (uint64_t first = 0; first < elements; first += CHUNK) {
        uint64_t count = elements - first < CHUNK ? elements - first : CHUNK;
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
        const struct parameter *original = parameter_find(table, ties[i].original);
        struct tensor expected = expected_tensor(source, original);
        if (source->copies[i].tensor &&
            !(check_shape(&source->copies[i], &expected, error) &&
              check_copy(&source->copies[i], &ties[i], block + original->offset, error)))
            return false;
    }
    return true;
}

/* ---- the whole ---- */

bool huggingface_load_parameters(const char *directory, const struct parameter_table *table,
                                 bool allow_new_rows, real *block,
                                 struct huggingface_missing *missing, struct error *error)
{
    struct source source = {0};
    struct huggingface_missing found = {0};
    bool done = open_files(&source, directory, error) && place_tensors(&source, table, error);
    if (done) {
        find_vocabulary_rows(&source, table, allow_new_rows, &found);
        done = find_missing(&source, directory, table, &found, error) &&
               load_tensors(&source, table, block, error);
    }
    source_free(&source);
    if (done)
        *missing = found;
    return done;
}

/* The system would promise more memory than there is, and end the process when it is used. */
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
    char *path = path_join(directory, "config.json", error);
    bool loaded = path && model_config_load(path, &config, error);
    free(path);
    bool fits = loaded && check_memory(directory, &config, error);
    struct model *model = fits ? model_create(&config, error) : NULL;
    if (!model || huggingface_load_parameters(directory, &model->table, false,
                                              model->parameters.values, missing, error))
        return model;
    model_free(model);
    return NULL;
}

void huggingface_log_missing(const char *directory, const struct huggingface_missing *missing,
                             struct log *log)
{
    for (enum parameter_part part = 0; part < PART_COUNT; part++)
        if (missing->parts & 1U << part)
            log_line(log, "%s has no %s: it starts fresh", directory, parameter_part_name(part));
    if (missing->new_rows)
        log_line(log, "%s has a smaller vocabulary: the last %d tokens start fresh", directory,
                 missing->new_rows);
}

static bool save_parameters(const char *path, const struct parameter_table *table,
                            const real *block, uint64_t *hash, struct error *error)
{
    struct tensor *tensors = allocate((size_t)table->count, sizeof *tensors, error);
    if (!tensors)
        return false;
    for (int i = 0; i < table->count; i++)
        tensors[i] = parameter_tensor(&table->list[i], block, table->list[i].name);
    bool done = safetensors_write(path, tensors, (size_t)table->count, hash, error);
    free(tensors);
    return done;
}

bool huggingface_save_model(const char *directory, const struct model_config *config,
                            const struct parameter_table *table, const real *block,
                            uint64_t *model_hash, struct error *error)
{
    char *config_path = path_join(directory, CONFIG_FILE, error);
    char *weights_path = config_path ? path_join(directory, WEIGHTS_FILE, error) : NULL;
    bool done = weights_path && model_config_save(config_path, config, error) &&
                save_parameters(weights_path, table, block, model_hash, error);
    free(config_path);
    free(weights_path);
    return done;
}
