#include "checkpoint/checkpoint_content.h"

#include "base/file.h"
#include "base/format.h"
#include "base/memory.h"
#include "model/huggingface.h"
#include "model/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct checkpoint_model checkpoint_model_of(const struct trainee *trainee)
{
    return (struct checkpoint_model){
        .config = &trainee->model->config,
        .table = &trainee->model->table,
        .values = trainee->model->parameters.values,
        .first_moment = trainee->adam.first_moment,
        .second_moment = trainee->adam.second_moment,
        .outer_momentum = trainee->outer_momentum,
    };
}

/* The name of a moment is that of PyTorch's Adam, followed by the parameter's name. */
static const char first_moment_prefix[] = "exp_avg.";
static const char second_moment_prefix[] = "exp_avg_sq.";
static const char outer_momentum_prefix[] = "outer_momentum.";

#define OPTIMIZER_FILE "optimizer.safetensors"

enum { MOMENT_NAME_MAX = sizeof outer_momentum_prefix + sizeof((struct parameter *)0)->name };

/* The blocks of the optimizer, in the order of the file. */
struct moment_block {
    const char *prefix;
    real *block;
};

enum { MOMENT_BLOCKS = 3 };

/* Returns how many blocks there are. */
static int moment_blocks(const struct checkpoint_model *model,
                         struct moment_block blocks[MOMENT_BLOCKS])
{
    blocks[0] = (struct moment_block){first_moment_prefix, model->first_moment};
    blocks[1] = (struct moment_block){second_moment_prefix, model->second_moment};
    blocks[2] = (struct moment_block){outer_momentum_prefix, model->outer_momentum};
    return model->outer_momentum ? MOMENT_BLOCKS : MOMENT_BLOCKS - 1;
}

struct moment_name {
    char text[MOMENT_NAME_MAX];
};

static struct moment_name moment_name(const char *prefix, const struct parameter *parameter)
{
    struct moment_name name;
    snprintf(name.text, sizeof name.text, "%s%s", prefix, parameter->name);
    return name;
}

/* ---- writing ---- */

static bool write_optimizer(const char *path, const struct checkpoint_model *model,
                            struct error *error)
{
    const struct parameter_table *table = model->table;
    struct moment_block blocks[MOMENT_BLOCKS];
    const size_t count = (size_t)table->count, all = count * (size_t)moment_blocks(model, blocks);
    struct tensor *tensors = allocate(all, sizeof *tensors, error);
    struct moment_name *names = allocate(all, sizeof *names, error);
    bool done = tensors && names;
    for (size_t i = 0; done && i < all; i++) {
        const struct parameter *parameter = &table->list[i % count];
        names[i] = moment_name(blocks[i / count].prefix, parameter);
        tensors[i] = parameter_tensor(parameter, blocks[i / count].block, names[i].text);
    }
    done = done && safetensors_write(path, tensors, all, error);
    free(tensors);
    free(names);
    return done;
}

/* Checks that all numbers are finite: a checkpoint with NaN or infinity never replaces a good
 * one. */
static bool check_finite(const struct parameter *parameter, const real *block, const char *prefix,
                         struct error *error)
{
    const real *values = block + parameter->offset;
    size_t count = parameter_elements(parameter);
    bool finite = true;
    for (size_t i = 0; i < count; i++)
        finite &= isfinite(values[i]) != 0;
    if (finite)
        return true;
    size_t first = 0;
    while (isfinite(values[first]))
        first++;
    return fail_work(error, "%s is %g at element %zu; only finite numbers are saved",
                     moment_name(prefix, parameter).text, (double)values[first], first);
}

static bool check_numbers(const struct checkpoint_model *model, struct error *error)
{
    struct moment_block blocks[MOMENT_BLOCKS];
    const int count = moment_blocks(model, blocks);
    for (int i = 0; i < model->table->count; i++) {
        const struct parameter *parameter = &model->table->list[i];
        if (!check_finite(parameter, model->values, "", error))
            return false;
        for (int j = 0; j < count; j++)
            if (!check_finite(parameter, blocks[j].block, blocks[j].prefix, error))
                return false;
    }
    return true;
}

bool checkpoint_content_write(const char *directory, const struct checkpoint_model *model,
                              const struct tokenizer *tokenizer, const struct training_state *state,
                              struct error *error)
{
    if (!check_numbers(model, error))
        return false;
    char *optimizer = path_join(directory, OPTIMIZER_FILE, error);
    bool done =
        optimizer &&
        huggingface_save_model(directory, model->config, model->table, model->values, error) &&
        tokenizer_save(tokenizer, directory,
                       model->trained_length ? model->trained_length
                                             : model->config->max_position_embeddings,
                       error) &&
        write_optimizer(optimizer, model, error) && training_state_write(directory, state, error);
    free(optimizer);
    return done;
}

/* ---- reading ---- */

static struct text32 shape_text(const uint64_t *shape, int axes)
{
    struct text32 result;
    size_t used = 0;
    for (int i = 0; i < axes && used < sizeof result.text; i++)
        used += (size_t)snprintf(result.text + used, sizeof result.text - used, "%s%llu",
                                 i ? ", " : "", (unsigned long long)shape[i]);
    if (!axes)
        result.text[0] = 0;
    return result;
}

static bool same_shape(const struct tensor *a, const struct tensor *b)
{
    return a->axes == b->axes &&
           memcmp(a->shape, b->shape, (size_t)a->axes * sizeof *a->shape) == 0;
}

/* Reads one moment of one parameter from the file into the block. */
static bool read_moment(const struct safetensors *file, const char *path, const char *prefix,
                        const struct parameter *parameter, real *block, struct error *error)
{
    struct moment_name name = moment_name(prefix, parameter);
    const struct tensor *found = safetensors_find(file, name.text);
    struct tensor expected = parameter_tensor(parameter, block, name.text);
    if (!found)
        return fail_input(error, "%s: has no tensor \"%s\"", path, name.text);
    if (!same_shape(found, &expected) || found->dtype != expected.dtype)
        return fail_input(error, "%s: \"%s\" is %s [%s]; expected %s [%s]", path, name.text,
                          dtype_name(found->dtype), shape_text(found->shape, found->axes).text,
                          dtype_name(expected.dtype),
                          shape_text(expected.shape, expected.axes).text);
    memcpy(block + parameter->offset, found->data, found->size);
    return true;
}

static bool read_moments(const struct safetensors *file, const char *path,
                         const struct checkpoint_model *model, struct error *error)
{
    const struct parameter_table *table = model->table;
    struct moment_block blocks[MOMENT_BLOCKS];
    const int count = moment_blocks(model, blocks);
    const size_t all = (size_t)count * (size_t)table->count;
    if (file->count != all)
        return fail_input(error, "%s: holds %zu tensors; expected %zu, %s for each parameter", path,
                          file->count, all, count == 2 ? "two" : "three");
    for (int i = 0; i < table->count; i++)
        for (int j = 0; j < count; j++)
            if (!read_moment(file, path, blocks[j].prefix, &table->list[i], blocks[j].block, error))
                return false;
    return true;
}

static bool read_optimizer(const char *directory, const struct checkpoint_model *model,
                           struct error *error)
{
    char *path = path_join(directory, OPTIMIZER_FILE, error);
    struct safetensors file;
    bool done = path && safetensors_open(path, &file, error);
    if (done) {
        done = read_moments(&file, path, model, error);
        safetensors_close(&file);
    }
    free(path);
    return done;
}

static bool read_values(const char *directory, const struct checkpoint_model *model,
                        struct error *error)
{
    struct huggingface_missing missing;
    if (!huggingface_load_parameters(directory, model->table, 0, model->values, &missing, error))
        return false;
    return !missing.groups || fail_input(error,
                                         "%s: model.safetensors: heads are missing; a "
                                         "checkpoint to resume from has them all",
                                         directory);
}

bool checkpoint_load(const char *directory, const struct checkpoint_model *model,
                     struct training_state *state, struct error *error)
{
    if (!training_state_read(directory, state, error))
        return false;
    if (read_values(directory, model, error) &&
        (!model->first_moment || read_optimizer(directory, model, error)))
        return true;
    training_state_free(state);
    return false;
}

bool checkpoint_verify(const char *directory, struct error *error)
{
    struct training_state state;
    if (!training_state_read(directory, &state, error))
        return false;
    bool intact = true;
    for (size_t i = 0; intact && i < state.file_count; i++)
        intact = checkpoint_file_verify(directory, &state.files[i], error);
    training_state_free(&state);
    return intact;
}
