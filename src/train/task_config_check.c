#include "data/label_list.h"
#include "train/run_config.h"

#define KEY(member) RUN_CONFIG_KEY(config, member)

const struct task_metric_list *task_metrics_of(enum task_kind kind)
{
    static const struct task_metric_list lists[] = {
        [TASK_CLASSIFICATION] = {3, {METRIC_ACCURACY, METRIC_F1, METRIC_MATTHEWS}},
        [TASK_REGRESSION] = {2, {METRIC_PEARSON, METRIC_SPEARMAN}},
        [TASK_TOKENS] = {2, {METRIC_F1, METRIC_ACCURACY}},
    };
    return &lists[kind];
}

enum task_metric run_config_metric(const struct run_config *config)
{
    return config->task.metric ? (enum task_metric)(config->task.metric - 1)
                               : task_metrics_of(config->task.kind)->items[0];
}

/* A model that has fewer positions than task.max_length, where that is not given, cuts at its
 * positions. */
void task_config_resolve(struct run_config *config)
{
    const struct config_key *length = KEY(data.seq_len);
    const int positions = config->model.architecture.max_position_embeddings;
    if (config->model.init_from && !config_is_given(config, length) &&
        positions < config->data.seq_len) {
        config->data.seq_len = positions;
        config_set_origin(config, length, "the positions of the model in model.init_from");
    }
}

static bool check_vocabulary(const struct run_config *config, struct error *error)
{
    const struct config_key *vocab = KEY(tokenizer.vocab);
    if (config->model.init_from && config->tokenizer.vocab)
        return fail_key(config, vocab, error,
                        "cannot be combined with model.init_from: that model has its own "
                        "vocabulary");
    return config->model.init_from || config->tokenizer.vocab ||
           fail_key(config, vocab, error,
                    "is empty, and so is model.init_from; set model.init_from to the model to "
                    "begin with, or tokenizer.vocab for a new one");
}

static bool check_labels(const struct run_config *config, struct error *error)
{
    const struct config_key *key = KEY(task.labels);
    struct label_list list = {0};
    if (!config->task.labels.count)
        return true;
    if (config->task.kind == TASK_REGRESSION)
        return fail_key(config, key, error, "regression predicts a number and has no labels");
    bool done = label_list_set(&list, (const char *const *)config->task.labels.items,
                               config->task.labels.count, key->path, error);
    label_list_free(&list);
    return done || fail_context(error, "%s", config->common.path);
}

static bool check_metric(const struct run_config *config, struct error *error)
{
    const struct task_metric_list *metrics = task_metrics_of(config->task.kind);
    const enum task_metric metric = run_config_metric(config);
    const char *words[8] = {0};
    for (int i = 0; i < metrics->count; i++) {
        if (metrics->items[i] == metric)
            return true;
        words[i] = task_metric_names[metrics->items[i]];
    }
    return fail_key(config, KEY(task.metric), error, "found %s; expected %s, the metrics of %s",
                    task_metric_names[metric], config_words_join(words, " or ").text,
                    task_kind_names[config->task.kind]);
}

static bool check_columns(const struct run_config *config, struct error *error)
{
    if (!config->task.text_pair[0])
        return true;
    if (config->task.kind == TASK_TOKENS)
        return fail_key(config, KEY(task.text_pair), error, "tokens are labelled in single texts");
    return config->model.architecture.type_vocab_size >= 2 ||
           fail_key(config, KEY(task.text_pair), error,
                    "needs a model.type_vocab_size of at least 2, but it is %d",
                    config->model.architecture.type_vocab_size);
}

static bool check_seeds(const struct run_config *config, struct error *error)
{
    const struct integers *seeds = &config->train.seeds;
    for (size_t i = 0; i < seeds->count; i++)
        for (size_t j = 0; j < i; j++)
            if (seeds->items[i] == seeds->items[j])
                return fail_key(config, KEY(train.seeds), error, "%lld is given twice",
                                (long long)seeds->items[i]);
    return true;
}

static bool check_layers(const struct run_config *config, struct error *error)
{
    const int layers = config->model.architecture.num_hidden_layers;
    return config->train.frozen_layers <= layers ||
           fail_key(config, KEY(train.frozen_layers), error, "is %d, but the model has %d layers",
                    config->train.frozen_layers, layers);
}

bool task_config_check(const struct run_config *config, struct error *error)
{
    return check_vocabulary(config, error) && check_labels(config, error) &&
           check_metric(config, error) && check_columns(config, error) &&
           check_seeds(config, error) && check_layers(config, error);
}
