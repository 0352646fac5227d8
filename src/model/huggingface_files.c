#include "model/huggingface_files.h"

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#define INDEX_FILE "model.safetensors.index.json"

/* ---- opening the files ---- */

static bool open_file(struct weight_files *files, const char *directory, const char *name,
                      struct error *error)
{
    struct weight_file *file = &files->list[files->count];
    file->path = path_join(directory, name, error);
    if (!file->path)
        return false;
    if (!safetensors_open(file->path, &file->contents, error)) {
        free(file->path);
        return false;
    }
    file->name = file->path + strlen(file->path) - strlen(name);
    files->count++;
    return true;
}

static const struct weight_file *find_file(const struct weight_files *files, const char *name)
{
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(files->list[i].name, name) == 0)
            return &files->list[i];
    return NULL;
}

/* An index comes from outside: it must not lead out of its directory. */
static bool is_plain_name(const char *name)
{
    return name[0] && name[0] != '.' && !strchr(name, '/');
}

static bool open_shard(struct weight_files *files, const char *directory, const char *index,
                       const char *tensor, const char *shard, struct error *error)
{
    if (!shard || !is_plain_name(shard))
        return fail_input(error,
                          "%s: the file of tensor %.80s is \"%.200s\"; expected the name of a file "
                          "in the directory of the index",
                          index, tensor, shard ? shard : "");
    if (!find_file(files, shard) && !open_file(files, directory, shard, error))
        return false;
    const struct weight_file *file = find_file(files, shard);
    /* Not safetensors_find: an index may list as many tensors as a file may have. */
    if (!json_object_get(file->contents.header, tensor))
        return fail_input(error, "%s: tensor %.80s is missing; %s says it is there", file->path,
                          tensor, INDEX_FILE);
    return true;
}

static bool open_listed(struct weight_files *files, const char *directory, const char *index,
                        json_t *map, struct error *error)
{
    if (json_object_size(map) == 0)
        return fail_input(error, "%s: expected weight_map, an object from tensors to files", index);
    files->list = allocate(json_object_size(map), sizeof *files->list, error);
    if (!files->list)
        return false;
    const char *tensor;
    json_t *shard;
    json_object_foreach (map, tensor, shard) {
        if (!open_shard(files, directory, index, tensor, json_string_value(shard), error))
            return false;
    }
    return true;
}

static bool open_shards(struct weight_files *files, const char *directory, const char *index,
                        struct error *error)
{
    json_t *object = json_read_file(index, error);
    if (!object)
        return false;
    json_t *map = json_object_get(object, "weight_map");
    bool done = open_listed(files, directory, index, map, error);
    json_decref(object);
    return done;
}

static bool open_single(struct weight_files *files, const char *directory, struct error *error)
{
    files->list = allocate(1, sizeof *files->list, error);
    return files->list && open_file(files, directory, WEIGHTS_FILE, error);
}

/* ---- what is there instead ---- */

/* The one line that makes model.safetensors, whatever the model is. */
#define FROM_TORCH                                                                                 \
    "make " WEIGHTS_FILE " of it, in its directory: python3 -c \"import torch, safetensors.torch " \
    "as s; s.save_file({k: v.clone() for k, v in torch.load('pytorch_model.bin', "                 \
    "weights_only=True).items()}, '" WEIGHTS_FILE "', {'format': 'pt'})\""

const char *huggingface_other_format(const char *directory)
{
    static const struct {
        const char *file, *what;
    } formats[] = {
        {"adapter_config.json", "adapter_config.json, an adapter without its model; merge the two "
                                "with PEFT's merge_and_unload() and save_pretrained()"},
        {"pytorch_model.bin", "pytorch_model.bin; " FROM_TORCH},
        {"pytorch_model.bin.index.json",
         "pytorch_model.bin in parts; load them with transformers and save_pretrained()"},
        {"tf_model.h5", "tf_model.h5, weights of TensorFlow; convert them with transformers 4: "
                        "from_pretrained(DIR, from_tf=True).save_pretrained(NEW)"},
        {"flax_model.msgpack", "flax_model.msgpack, weights of Flax; convert them with "
                               "transformers 4: from_pretrained(DIR, from_flax=True)"
                               ".save_pretrained(NEW)"},
        {"bert_model.ckpt.index", "bert_model.ckpt, a checkpoint of TensorFlow; convert it with "
                                  "transformers 4: transformers-cli convert --model_type bert"},
        {"model.ckpt.index", "model.ckpt, a checkpoint of TensorFlow; convert it with "
                             "transformers 4: transformers-cli convert --model_type bert"},
        {"model.onnx", "model.onnx, which cannot be trained; expected the model that it was "
                       "made from"},
    };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        struct error unused = {0};
        char *path = path_join(directory, formats[i].file, &unused);
        bool found = path && path_is_taken(path);
        free(path);
        if (found)
            return formats[i].what;
    }
    return NULL;
}

static bool fail_absent(const char *directory, struct error *error)
{
    const char *other = huggingface_other_format(directory);
    if (other)
        return fail_input(error, "%s: expected %s, found %s", directory, WEIGHTS_FILE, other);
    return fail_input(error, "%s: found neither %s nor %s", directory, WEIGHTS_FILE, INDEX_FILE);
}

bool weight_files_open(struct weight_files *files, const char *directory, struct error *error)
{
    char *single = path_join(directory, WEIGHTS_FILE, error);
    char *index = single ? path_join(directory, INDEX_FILE, error) : NULL;
    bool done = false;
    if (index)
        done = path_is_taken(single)  ? open_single(files, directory, error)
               : path_is_taken(index) ? open_shards(files, directory, index, error)
                                      : fail_absent(directory, error);
    free(single);
    free(index);
    return done;
}

void weight_files_close(struct weight_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        safetensors_close(&files->list[i].contents);
        free(files->list[i].path);
    }
    free(files->list);
    *files = (struct weight_files){0};
}
