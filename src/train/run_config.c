#include "train/run_config.h"

#include "base/file.h"
#include "base/format.h"
#include "base/log.h"
#include "base/min.h"
#include "config/config_print.h"

#include <stdlib.h>

void run_config_free(struct run_config *config)
{
    if (!config)
        return;
    free(config->model.init_directory);
    config_free(config);
}

/* What does not go together is only looked for among values that are right by themselves. */
static bool complete(struct run_config *config, struct log *log, struct error *error)
{
    const struct config_problems *problems = config->common.problems;
    if (!run_config_is_task(config))
        config->train.layer_decay = 1;
    if (problems && problems->count)
        return config_check_required(config, error);
    if (!run_config_resolve(config, log, error))
        return false;
    return problems && problems->count ? config_check_required(config, error)
                                       : run_config_check(config, error);
}

struct run_config *run_config_load_noting(const struct config_schema *schema, const char *path,
                                          const char *const *settings, size_t setting_count,
                                          struct config_problems *problems, struct log *log,
                                          struct error *error)
{
    struct run_config *config =
        (struct run_config *)config_load(schema, path, settings, setting_count, problems, error);
    if (config && complete(config, log, error) && !(problems && problems->count))
        return config;
    run_config_free(config);
    if (problems && problems->count && error->kind == ERROR_NONE)
        fail_input(error, "%s: %zu error%s", path, problems->count, plural(problems->count));
    return NULL;
}

struct run_config *run_config_load(const struct config_schema *schema, const char *path,
                                   const char *const *settings, size_t setting_count,
                                   struct log *log, struct error *error)
{
    return run_config_load_noting(schema, path, settings, setting_count, NULL, log, error);
}

int run_config_longest_sequence(const struct run_config *config)
{
    int longest = config->train.phases.count ? 0 : (int)config->data.seq_len;
    for (size_t i = 0; i < config->train.phases.count; i++)
        if (config->train.phases.items[i].seq_len > longest)
            longest = config->train.phases.items[i].seq_len;
    return longest;
}

const struct config_key *run_config_length_key(const struct run_config *config)
{
    if (config->train.hours > 0)
        return RUN_CONFIG_KEY(config, train.hours);
    if (config->train.phases.count)
        return RUN_CONFIG_KEY(config, train.phases);
    if (config->train.epochs > 0)
        return RUN_CONFIG_KEY(config, train.epochs);
    return RUN_CONFIG_KEY(config, train.steps);
}

int64_t run_config_warmup_steps(const struct run_config *config, int64_t steps)
{
    enum { MAX_WARMUP = 10000 };
    if (config->train.warmup_steps >= 0)
        return config->train.warmup_steps;
    return min_int64(steps / 10, MAX_WARMUP);
}

const struct config_schema *run_config_schema_of(const char *path, struct error *error)
{
    const struct config_source source = {path, "/", .lines = true};
    struct buffer text = {0};
    struct config_node root = {0};
    struct error failure = {0};
    bool read = file_read(path, CONFIG_FILE_LIMIT, &text, &failure) &&
                config_yaml_read(text.data, text.size, &source, &root, &failure);
    const bool task = read && config_node_find(&root, "task");
    if (read)
        config_node_free(&root);
    buffer_free(&text);
    if (read || failure.kind == ERROR_INPUT)
        return task ? &task_config_schema : &run_config_schema;
    *error = failure;
    return NULL;
}

/* ---- differences ---- */

static bool is_key_at(const struct config_key *key, size_t offset)
{
    return key->offset == offset;
}

/* The size of a vocabulary that is trained is not used where a vocabulary is given. */
static bool is_unused_size(const struct run_config *config, const struct config_key *key)
{
    return is_key_at(key, offsetof(struct run_config, tokenizer.vocab_size)) &&
           (config->tokenizer.vocab || config->model.init_from);
}

static bool is_refused(const void *a, const void *b, const struct config_key *key)
{
    if (key->changes_on_resume || config_value_equal(a, b, key) ||
        (is_unused_size(a, key) && is_unused_size(b, key)))
        return false;
    return !key->names_content || config_value_absent(a, key) != config_value_absent(b, key);
}

static bool is_changed(const void *a, const void *b, const struct config_key *key)
{
    return key->changes_on_resume && !is_key_at(key, offsetof(struct run_config, output)) &&
           !config_value_equal(a, b, key);
}

bool run_config_differences(const struct run_config *a, const struct run_config *b,
                            struct buffer *out, struct error *error)
{
    return config_print_differences(a, b, is_refused, out, error);
}

bool run_config_changes(const struct run_config *a, const struct run_config *b, struct buffer *out,
                        struct error *error)
{
    return config_print_differences(a, b, is_changed, out, error);
}
