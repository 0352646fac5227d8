/* A model's tensors, as model.safetensors (the first byte is even; the header's length is put
 * before the input) or as an index beside two files that are whole. What loads is finite, and the
 * same after saving. */
#include "base/buffer.h"
#include "base/directory.h"
#include "fuzz/support.h"
#include "model/huggingface.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ELEMENTS = 4096 };

static const char *directory(const char *name)
{
    struct error error = {0};
    const char *path = fuzz_path(name);
    CHECK(directory_make(path, &error));
    return path;
}

static struct model_config small_config(void)
{
    struct error error = {0};
    struct model_config config;
    CHECK(model_config_size("tiny", &config));
    config.vocab_size = 5;
    config.hidden_size = 2;
    config.intermediate_size = 2;
    config.num_attention_heads = config.num_hidden_layers = config.type_vocab_size = 1;
    config.max_position_embeddings = 2;
    CHECK(model_config_check(&config, "fuzz", &error));
    return config;
}

static struct parameter_table *table(void)
{
    static struct parameter_table list;
    struct error error = {0};
    struct model_config config = small_config();
    if (!list.count)
        CHECK(parameter_table_create(&list, &config, &error));
    CHECK(list.total <= MAX_ELEMENTS);
    return &list;
}

/* All of the model in one file, its halves in two. */
static void write_model(const char *one, const char *first, const char *second)
{
    static real block[MAX_ELEMENTS];
    struct error error = {0};
    const struct parameter_table *list = table();
    struct tensor *tensors = calloc((size_t)list->count, sizeof *tensors);
    size_t count = (size_t)list->count;
    CHECK(tensors);
    for (size_t i = 0; i < MAX_ELEMENTS; i++)
        block[i] = (real)i / 8;
    for (size_t i = 0; i < count; i++)
        tensors[i] = parameter_tensor(&list->list[i], block, list->list[i].name);
    CHECK(safetensors_write(one, tensors, count, &error));
    CHECK(safetensors_write(first, tensors, count / 2, &error));
    CHECK(safetensors_write(second, tensors + count / 2, count - count / 2, &error));
    free(tensors);
}

static void check_round_trip(const real *block)
{
    static real again[MAX_ELEMENTS];
    struct error error = {0};
    struct huggingface_missing missing;
    const struct parameter_table *list = table();
    const struct model_config config = small_config();
    const char *saved = directory("saved");
    CHECK(huggingface_save_model(saved, &config, list, block, &error));
    CHECK(huggingface_load_parameters(saved, list, 0, again, &missing, &error));
    CHECK(missing.groups == 0 && missing.new_rows == 0);
    for (int i = 0; i < list->count; i++) {
        const struct parameter *parameter = &list->list[i];
        size_t size = parameter_elements(parameter) * sizeof *block;
        CHECK(memcmp(block + parameter->offset, again + parameter->offset, size) == 0);
    }
}

static void load(const char *path, int own_tokens)
{
    static real block[MAX_ELEMENTS];
    struct error error = {0};
    struct huggingface_missing missing;
    memset(block, 0, sizeof block);
    if (!huggingface_load_parameters(path, table(), own_tokens, block, &missing, &error)) {
        fuzz_check_error(&error);
        return;
    }
    for (size_t i = 0; i < table()->total; i++)
        CHECK(isfinite(block[i]));
    check_round_trip(block);
}

static void load_single(const uint8_t *data, size_t size, bool new_rows)
{
    struct error error = {0};
    struct buffer file = {0};
    uint64_t length = size;
    for (size_t i = size; i >= 2; i--)
        if (data[i - 1] == '}' && data[i - 2] == '}') {
            length = i;
            break;
        }
    const char *path = directory("single");
    CHECK(buffer_append(&file, &length, sizeof length, &error));
    CHECK(buffer_append(&file, data, size, &error));
    fuzz_write("single/model.safetensors", file.data, file.size);
    load(path, new_rows);
    buffer_free(&file);
}

static void load_index(const uint8_t *data, size_t size, bool new_rows)
{
    static bool written = false;
    const char *path = directory("index");
    if (!written)
        write_model(fuzz_path("index/whole"), fuzz_path("index/a"), fuzz_path("index/b"));
    written = true;
    fuzz_write("index/model.safetensors.index.json", data, size);
    load(path, new_rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned flags = fuzz_take_byte(&data, &size);
    if (flags & 1)
        load_index(data, size, flags & 2);
    else
        load_single(data, size, flags & 2);
    return 0;
}

void fuzz_seeds(void)
{
    enum { LENGTH_SIZE = 8 };
    struct error error = {0};
    struct buffer file = {0}, seed = {0};
    const struct parameter_table *list = table();
    write_model(fuzz_path("whole"), fuzz_path("a"), fuzz_path("b"));
    fuzz_read(fuzz_path("whole"), &file);
    CHECK(buffer_append(&seed, "0", 1, &error) &&
          buffer_append(&seed, file.data + LENGTH_SIZE, file.size - LENGTH_SIZE, &error));
    fuzz_seed("whole", seed.data, seed.size);
    seed.size = 0;
    CHECK(buffer_append(&seed, "1{\"weight_map\": {", 17, &error));
    for (int i = 0; i < list->count; i++)
        CHECK(buffer_print(&seed, &error, "%s\"%s\": \"%s\"", i ? ", " : "", list->list[i].name,
                           i < list->count / 2 ? "a" : "b"));
    CHECK(buffer_append(&seed, "}}", 2, &error));
    fuzz_seed("index", seed.data, seed.size);
    fuzz_seed_text("outside", "1{\"weight_map\": {\"pooler.dense.bias\": \"../../a\"}}");
    buffer_free(&file);
    buffer_free(&seed);
}
