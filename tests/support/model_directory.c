#include "support/model_directory.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SPARE = 4 };

void list_tensors(struct model_directory *model)
{
    model->count = (size_t)model->table.count;
    for (size_t i = 0; i < model->count; i++) {
        struct parameter *parameter = &model->table.list[i];
        model->tensors[i] = parameter_tensor(parameter, model->block, parameter->name);
    }
}

int model_directory_set_up(void **state)
{
    if (scratch_set_up(state))
        return -1;
    struct model_directory *model = calloc(1, sizeof *model);
    assert_non_null(model);
    model->scratch = *state;
    assert_true(model_config_size("tiny", &model->config));
    model->config.vocab_size = 11;
    model->config.hidden_size = 6;
    model->config.intermediate_size = 10;
    model->config.max_position_embeddings = 7;
    struct error *error = &model->error;
    assert_true(parameter_table_create(&model->table, &model->config, error));
    size_t total = model->table.total;
    model->block = allocate(total, sizeof(real), error);
    model->loaded = allocate(total, sizeof(real), error);
    model->tensors = allocate((size_t)model->table.count + SPARE, sizeof *model->tensors, error);
    assert_true(model->block && model->loaded && model->tensors);
    /* Biases and norm weights differ, so that mixed-up tensors are noticed. */
    for (size_t i = 0; i < total; i++)
        model->block[i] = (real)i / 64;
    for (size_t i = 0; i < total; i++)
        model->loaded[i] = UNTOUCHED;
    list_tensors(model);
    *state = model;
    return 0;
}

int model_directory_tear_down(void **state)
{
    struct model_directory *model = *state;
    parameter_table_free(&model->table);
    free(model->block);
    free(model->loaded);
    free(model->tensors);
    *state = model->scratch;
    free(model);
    return scratch_tear_down(state);
}

struct tensor *find_tensor(struct model_directory *model, const char *name)
{
    for (size_t i = 0; i < model->count; i++)
        if (strcmp(model->tensors[i].name, name) == 0)
            return &model->tensors[i];
    fail_msg("the test names a tensor that is not there: %s", name);
    return NULL;
}

void drop_tensors(struct model_directory *model, const char *prefix)
{
    size_t kept = 0;
    for (size_t i = 0; i < model->count; i++)
        if (strncmp(model->tensors[i].name, prefix, strlen(prefix)) != 0)
            model->tensors[kept++] = model->tensors[i];
    assert_true(kept < model->count);
    model->count = kept;
}

void add_tensor(struct model_directory *model, struct tensor tensor)
{
    assert_true(model->count < (size_t)model->table.count + SPARE);
    model->tensors[model->count++] = tensor;
}

void write_tensors(struct model_directory *model, const char *name, size_t first, size_t last)
{
    const char *path = scratch_path(model->scratch, name);
    if (!safetensors_write(path, model->tensors + first, last - first, &model->error))
        fail_msg("%s", model->error.message);
}

bool load_directory(struct model_directory *model, int own_tokens)
{
    return huggingface_load_parameters(model->scratch->directory, &model->table, own_tokens,
                                       model->loaded, &model->missing, &model->error);
}

bool load_tensors(struct model_directory *model, int own_tokens)
{
    write_tensors(model, "model.safetensors", 0, model->count);
    return load_directory(model, own_tokens);
}

void expect_groups(const struct model_directory *model, unsigned groups)
{
    for (int i = 0; i < model->table.count; i++) {
        const struct parameter *parameter = &model->table.list[i];
        bool there = groups & 1U << parameter->group;
        for (size_t j = 0; j < parameter_elements(parameter); j++) {
            size_t at = parameter->offset + j;
            if (model->loaded[at] != (there ? model->block[at] : UNTOUCHED))
                fail_msg("%s [%zu]", parameter->name, j);
        }
    }
}

void expect_message(const struct model_directory *model, const char *message)
{
    const char *directory = model->scratch->directory;
    assert_int_equal(model->error.kind, ERROR_INPUT);
    assert_memory_equal(model->error.message, directory, strlen(directory));
    assert_string_equal(model->error.message + strlen(directory), message);
}
