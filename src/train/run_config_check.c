#include "base/file.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/model_directory.h"
#include "checkpoint/tokenizer_source.h"
#include "model/heads.h"
#include "text/tokenizer.h"
#include "train/run_config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY(member) RUN_CONFIG_KEY(config, member)

/* What is printed beside values that follow from others. */
static const char from_size[] = "model.size", from_init[] = "model.init_from",
                  from_phases[] = "train.phases", from_vocabulary[] = "tokenizer.vocab",
                  from_run[] = "the run in output";

/* Puts the key before the reason of a failure, which stays no fault of the user if it was none. */
static bool fail_reason(const struct run_config *config, const struct config_key *key,
                        struct error *error)
{
    return error->kind == ERROR_INPUT
               ? fail_key(config, key, error, "%s", error->message)
               : fail_context(error, "%s: %s", config->common.path, key->path);
}

/* ---- architecture ---- */

static bool whole_architecture_given(const struct run_config *config)
{
    for (size_t i = 0; i < config->common.schema->count; i++)
        if (config->common.schema->keys[i].marks & KEY_OF_ARCHITECTURE &&
            !config_is_given(config, &config->common.schema->keys[i]))
            return false;
    return true;
}

static bool fail_contradiction(const struct run_config *config, const struct run_config *base,
                               const struct config_key *key, struct error *error)
{
    struct buffer found = {0}, expected = {0};
    if (config_value_print(config, key, &found, error) &&
        config_value_print(base, key, &expected, error))
        fail_key(config, key, error, "is %s, but %s has %s", found.size ? found.data : "empty",
                 config->model.init_directory ? "the model in model.init_from"
                                              : "the tokenizer in tokenizer.vocab",
                 expected.size ? expected.data : "no value");
    buffer_free(&found);
    buffer_free(&expected);
    return false;
}

/* Weights only mean what they meant in the architecture that they were trained in. */
static bool check_agreement(const struct run_config *config, const struct run_config *base,
                            struct error *error)
{
    for (size_t i = 0; i < config->common.schema->count; i++) {
        const struct config_key *key = &config->common.schema->keys[i];
        if (key->marks == KEY_OF_ARCHITECTURE && config_is_given(config, key) &&
            !config_value_equal(config, base, key))
            return fail_contradiction(config, base, key, error);
    }
    return true;
}

/* The checkpoint of a run that has begun stands for the model that it was begun from; NULL if there
 * is none. */
static char *own_checkpoint(const struct run_config *config, struct log *log)
{
    struct error none = {0};
    bool begun = config->output && path_is_directory(config->output);
    return begun ? model_directory_resolve(config->output, NULL, log, &none) : NULL;
}

/* MODEL, as every command takes it. A run that has begun has no more need of the directory. */
static bool find_init_directory(struct run_config *config, struct log *log, struct error *error)
{
    if (!path_exists(config->model.init_from)) {
        if (whole_architecture_given(config))
            return true;
        config->model.init_directory = own_checkpoint(config, log);
        if (config->model.init_directory)
            return true;
    }
    config->model.init_directory =
        model_directory_resolve(config->model.init_from, NULL, log, error);
    return config->model.init_directory || fail_reason(config, KEY(model.init_from), error);
}

static bool load_init_from(struct run_config *config, struct run_config *base, struct log *log,
                           struct error *error)
{
    if (!find_init_directory(config, log, error))
        return false;
    if (!config->model.init_directory)
        return true;
    char *path = path_join(config->model.init_directory, "config.json", error);
    bool done = false;
    if (path)
        done = model_config_load_for(path, &pretraining_heads, &base->model.architecture, error)
                   ? check_agreement(config, base, error)
                   : fail_reason(config, KEY(model.init_from), error);
    config->model.init_rows = base->model.architecture.vocab_size;
    free(path);
    return done;
}

/* The positions in the config.yaml of a run in the output directory; 0 if there is none. */
static int kept_positions(const struct run_config *config)
{
    const struct config_source source = {"config.yaml", "/", .lines = true};
    struct error ignored = {0};
    struct buffer text = {0};
    struct config_node root;
    int positions = 0;
    char *path = config->output ? path_join(config->output, "config.yaml", &ignored) : NULL;
    if (path && path_exists(path) && file_read(path, CONFIG_FILE_LIMIT, &text, &ignored) &&
        config_yaml_read(text.data, text.size, &source, &root, &ignored)) {
        const struct config_node *node =
            config_node_find(config_node_find(&root, "model"), "max_position_embeddings");
        long value = node && node->text ? strtol(node->text, NULL, 10) : 0;
        positions = value > 0 && value <= INT_MAX ? (int)value : 0;
        config_node_free(&root);
    }
    buffer_free(&text);
    free(path);
    return positions;
}

/* Returns the default of model.max_position_embeddings: the longest sequence that is trained. A run
 * that exists keeps its number, which older versions chose larger. */
static int default_positions(const struct run_config *config, const char **origin)
{
    int longest = run_config_longest_sequence(config);
    int kept = config->output && checkpoint_exists(config->output) ? kept_positions(config) : 0;
    *origin = config->train.phases.count ? from_phases : KEY(data.seq_len)->path;
    if (kept <= longest)
        return longest;
    *origin = from_run;
    return kept;
}

/* What the architecture's keys are by default: the values of model.size or those of the model in
 * model.init_from. */
static bool find_base(struct run_config *config, struct run_config *base, struct log *log,
                      struct error *error)
{
    const struct config_key *size = KEY(model.size);
    bool init = config->model.init_from != NULL;
    if (init && *config->model.size && config_is_given(config, size))
        return fail_key(config, size, error,
                        "cannot be combined with model.init_from: that model has its own size");
    if (init)
        config->model.size[0] = 0;
    if (!init && !*config->model.size)
        return fail_key(config, size, error,
                        "is empty, and so is model.init_from; set one of them");
    CHECK(model_config_size(init ? "base" : config->model.size, &base->model.architecture));
    return !init || load_init_from(config, base, log, error);
}

static bool resolve_architecture(struct run_config *config, struct log *log, struct error *error)
{
    struct run_config base = {0}, given = *config;
    if (!find_base(config, &base, log, error))
        return false;
    const char *origin = config->model.init_from ? from_init : from_size;
    if (config->model.init_from && !config_is_given(config, KEY(model.size)))
        config_set_origin(config, KEY(model.size), from_init);
    config->model.architecture = base.model.architecture;
    config->model.architecture.vocab_size = 0;
    for (size_t i = 0; i < config->common.schema->count; i++) {
        const struct config_key *key = &config->common.schema->keys[i];
        if (key->marks & KEY_OF_ARCHITECTURE && config_is_given(config, key))
            config_value_copy(config, &given, key);
        else if (key->marks & KEY_OF_ARCHITECTURE)
            config_set_origin(config, key, origin);
    }
    const struct config_key *positions = KEY(model.architecture.max_position_embeddings);
    if (!config->model.init_from && !config_is_given(config, positions)) {
        config->model.architecture.max_position_embeddings = default_positions(config, &origin);
        config_set_origin(config, positions, origin);
    }
    return true;
}

/* ---- tokenizer ---- */

/* Whether init_from holds a tokenizer; false with an error when memory is short. */
static bool find_tokenizer(const struct run_config *config, bool *found, struct error *error)
{
    static const char *const names[] = {"tokenizer.json", "vocab.txt"};
    *found = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = path_join(config->model.init_directory, names[i], error);
        if (!path)
            return false;
        *found = *found || path_is_taken(path);
        free(path);
    }
    return true;
}

/* The options of the tokenizer that the key names, and how many tokens it has. Frees the tokenizer;
 * NULL stands for an error. */
static bool take_options(const struct run_config *config, const struct config_key *key,
                         struct tokenizer *tokenizer, struct tokenizer_options *options,
                         struct tokenizer_given *given, int32_t *tokens, struct error *error)
{
    if (!tokenizer)
        return fail_reason(config, key, error);
    *options = tokenizer_get_options(tokenizer);
    *given = tokenizer_get_given(tokenizer);
    *tokens = vocabulary_size(tokenizer_vocabulary(tokenizer));
    tokenizer_free(tokenizer);
    return true;
}

/* Whether tokenizer.vocab is more than a list of tokens, and still there. */
static bool has_own_options(const char *vocab)
{
    const char *ending = vocab ? strrchr(vocab, '.') : NULL;
    return vocab && (path_is_directory(vocab) ||
                     (ending && strcmp(ending, ".json") == 0 && path_exists(vocab)));
}

/* tokenizer.vocab_size is the size of a vocabulary to be trained. With model.init_from or
 * tokenizer.vocab none is trained, and a default size is dropped; a size that is given next to
 * tokenizer.vocab stays, and run_tokenizer_open says what is used. */
static bool resolve_vocabulary_size(struct run_config *config, struct error *error)
{
    const struct config_key *key = KEY(tokenizer.vocab_size);
    bool init = config->model.init_from != NULL;
    bool given = config_is_given(config, key) && config->tokenizer.vocab_size;
    if (!init && !config->tokenizer.vocab && !config->tokenizer.vocab_size)
        return fail_key(
            config, key, error,
            "is empty, and so are tokenizer.vocab and model.init_from; set one of them");
    if (init && given)
        return fail_key(
            config, key, error,
            "cannot be combined with model.init_from: that vocabulary has its own size. Remove it "
            "(--set tokenizer.vocab_size= does); for more tokens make a longer vocabulary with "
            "'cloze vocab --extend' and set tokenizer.vocab to it");
    if (!given && (init || config->tokenizer.vocab)) {
        config->tokenizer.vocab_size = 0;
        config_set_origin(config, key, init ? from_init : from_vocabulary);
    }
    return true;
}

/* A flag that the user gives is an error if the tokenizer's files say otherwise; where they say
 * nothing, it comes before what was read from the tokens. */
static bool resolve_flags(struct run_config *config, const struct run_config *base,
                          struct tokenizer_given given, const char *origin, struct error *error)
{
    const struct {
        const struct config_key *key;
        bool stated;
    } flags[] = {{KEY(tokenizer.options.lowercase), given.lowercase},
                 {KEY(tokenizer.options.strip_accents), given.strip_accents},
                 {KEY(tokenizer.options.tokenize_chinese_chars), given.tokenize_chinese_chars}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        const struct config_key *key = flags[i].key;
        if (!config_is_given(config, key)) {
            config_value_copy(config, base, key);
            config_set_origin(config, key, origin);
        } else if (flags[i].stated && !config_value_equal(config, base, key)) {
            return fail_contradiction(config, base, key, error);
        }
    }
    return true;
}

/* A model knows the words as its own tokenizer makes them: the flags of model.init_from are the
 * default. Without one those of tokenizer.vocab are. A directory without a tokenizer and a
 * vocab.txt say nothing about them. */
static bool resolve_tokenizer(struct run_config *config, struct error *error)
{
    struct run_config base = {0};
    struct tokenizer_given given;
    const char *directory = config->model.init_directory, *vocab = config->tokenizer.vocab;
    const struct config_key *init = KEY(model.init_from);
    int32_t tokens = 0;
    bool found = false;
    if ((!run_config_is_task(config) && !resolve_vocabulary_size(config, error)) ||
        (directory && !find_tokenizer(config, &found, error)))
        return false;
    if (!found)
        return directory || !has_own_options(vocab) ||
               (take_options(config, KEY(tokenizer.vocab),
                             tokenizer_source_open(vocab, NULL, NULL, error),
                             &base.tokenizer.options, &given, &tokens, error) &&
                resolve_flags(config, &base, given, from_vocabulary, error));
    if (!take_options(config, init, tokenizer_load(directory, error), &base.tokenizer.options,
                      &given, &tokens, error))
        return false;
    if (tokens > config->model.init_rows)
        return fail_key(config, init, error,
                        "%s: the vocabulary has %d tokens, but the model only %d rows", directory,
                        tokens, config->model.init_rows);
    return resolve_flags(config, &base, given, from_init, error);
}

/* ---- steps ---- */

static bool resolve_phases(struct run_config *config, struct error *error)
{
    const struct config_key *key = KEY(train.phases), *steps = KEY(train.steps);
    long long sum = 0; /* a file holds too few phases for an overflow */
    for (size_t i = 0; i < config->train.phases.count; i++)
        sum += config->train.phases.items[i].steps;
    if (config->train.epochs > 0)
        return fail_key(config, key, error,
                        "cannot be combined with train.epochs; remove one of them");
    if ((double)sum > steps->maximum)
        return fail_key(config, key, error, "the phases have %lld steps; expected at most %.0f",
                        sum, steps->maximum);
    if (!config_is_given(config, steps) || !config->train.steps) {
        config->train.steps = sum;
        config_set_origin(config, steps, from_phases);
    }
    return config->train.steps == sum ||
           fail_key(config, key, error, "the phases add up to %lld steps, but train.steps is %lld",
                    sum, (long long)config->train.steps);
}

/* The hours stand alone: steps, epochs and phases say how many steps there are in another way. */
static bool resolve_hours(struct run_config *config, struct error *error)
{
    const struct config_key *steps = KEY(train.steps), *hours = KEY(train.hours);
    const bool steps_given = config_is_given(config, steps) && config->train.steps;
    if (steps_given || config->train.epochs > 0 || config->train.phases.count)
        return fail_key(config, hours, error, "cannot be combined with %s; remove one of them",
                        steps_given                ? steps->path
                        : config->train.epochs > 0 ? KEY(train.epochs)->path
                                                   : KEY(train.phases)->path);
    config->train.steps = 0;
    config_set_origin(config, steps, hours->path);
    return true;
}

static bool resolve_steps(struct run_config *config, struct error *error)
{
    const struct config_key *steps = KEY(train.steps);
    if (config->train.hours > 0)
        return resolve_hours(config, error);
    if (config->train.epochs > 0 && config->train.steps && config_is_given(config, steps)) {
        if (config_is_given(config, KEY(train.epochs)))
            return fail_key(config, steps, error,
                            "cannot be combined with train.epochs; remove one of them (--set "
                            "train.steps= removes it)");
        config->train.epochs = 0; /* the default */
        config_set_origin(config, KEY(train.epochs), steps->path);
    }
    if (config->train.phases.count)
        return resolve_phases(config, error);
    if (config->train.epochs > 0)
        config->train.steps = 0;
    if (config->train.epochs > 0 || config->train.steps)
        return true;
    if (run_config_is_task(config))
        return fail_key(config, steps, error, "is empty, and so is train.epochs; set one of them");
    return fail_key(
        config, steps, error,
        "is empty, and so are train.epochs, train.hours and train.phases; set one of them");
}

bool run_config_resolve(struct run_config *config, struct log *log, struct error *error)
{
    if ((!resolve_architecture(config, log, error) && !config_note_problem(config, error)) ||
        (!resolve_tokenizer(config, error) && !config_note_problem(config, error)) ||
        (!resolve_steps(config, error) && !config_note_problem(config, error)))
        return false;
    if (run_config_is_task(config))
        task_config_resolve(config);
    return true;
}

/* ---- checks ---- */

/* With the most tokens that the vocabulary can have; the true number is known when it has been
 * read. */
static bool check_architecture(struct run_config *config, struct error *error)
{
    struct model_config *architecture = &config->model.architecture;
    char origin[512];
    snprintf(origin, sizeof origin, "%s: model", config->common.path);
    enum { ANY_VOCABULARY = 30522 };
    architecture->vocab_size = config->tokenizer.vocab_size ? (int)config->tokenizer.vocab_size
                               : config->model.init_rows    ? config->model.init_rows
                                                            : ANY_VOCABULARY;
    bool done = model_config_check(architecture, origin, error);
    architecture->vocab_size = 0;
    if (!done)
        return false;
    if (config->data.nsp && architecture->type_vocab_size < 2)
        return fail_key(config, KEY(data.nsp), error,
                        "needs a model.type_vocab_size of at least 2, but it is %d",
                        architecture->type_vocab_size);
    return true;
}

/* A batch counts its tokens in an int. */
static bool check_length(const struct run_config *config, const struct config_key *key,
                         int64_t length, struct error *error)
{
    int positions = config->model.architecture.max_position_embeddings;
    if (length > positions)
        return fail_key(
            config, key, error, "is %lld, more than model.max_position_embeddings (%d)%s",
            (long long)length, positions,
            config->model.init_from ? " of the model in model.init_from; set it to at most that"
                                    : "");
    if (config->train.batch_size > INT_MAX / length)
        return fail_key(
            config, KEY(train.batch_size), error,
            "%lld sequences of up to %lld tokens are too large; expected at most %d tokens",
            (long long)config->train.batch_size, (long long)length, INT_MAX);
    return true;
}

static bool check_lengths(const struct run_config *config, struct error *error)
{
    if (!config->train.phases.count)
        return check_length(config, KEY(data.seq_len), config->data.seq_len, error);
    for (size_t i = 0; i < config->train.phases.count; i++)
        if (!check_length(config, KEY(train.phases), config->train.phases.items[i].seq_len,
                          error) &&
            !config_note_problem(config, error))
            return false;
    return true;
}

/* It counts evaluations. */
static bool check_patience(const struct run_config *config, struct error *error)
{
    if (config->train.patience && !config->train.eval_every)
        return fail_key(config, KEY(train.patience), error,
                        "needs evaluations, but train.eval_every is 0");
    if (config->train.patience && !run_config_is_task(config) && !config->data.valid.count &&
        config->data.valid_fraction <= 0)
        return fail_key(
            config, KEY(train.patience), error,
            "needs held-out text, but data.valid is empty and data.valid_fraction is 0");
    return true;
}

/* Checks a number of steps after which something is done with the parameters. */
static bool check_multiple(const struct run_config *config, const struct config_key *key,
                           int64_t steps, struct error *error)
{
    return steps % config->train.sync_every == 0 ||
           fail_key(config, key, error,
                    "%lld is no multiple of train.sync_every, %lld: only then do all "
                    "processes have the same parameters",
                    (long long)steps, (long long)config->train.sync_every);
}

/* Checks the keys of processes that train by themselves between synchronizations. */
static bool check_sync(const struct run_config *config, struct error *error)
{
    if (run_config_is_task(config) || config->train.sync_every == 1)
        return true;
    if (config->train.shard_optimizer)
        return fail_key(config, KEY(train.sync_every), error,
                        "cannot be combined with train.shard_optimizer: between synchronizations "
                        "each process needs all of the optimizer");
    if (config->train.exchange_precision == PRECISION_BF16)
        return fail_key(config, KEY(train.sync_every), error,
                        "cannot be combined with train.exchange_precision bf16: no gradients are "
                        "exchanged, but parameters, in fp32");
    return check_multiple(config, KEY(train.steps), config->train.steps, error) &&
           check_multiple(config, KEY(train.eval_every), config->train.eval_every, error) &&
           check_multiple(config, KEY(train.save_every), config->train.save_every, error);
}

static bool check_training(const struct run_config *config, struct error *error)
{
    if (config->train.micro_batch_size > config->train.batch_size &&
        !fail_key(config, KEY(train.micro_batch_size), error,
                  "is %lld, more than train.batch_size (%lld)",
                  (long long)config->train.micro_batch_size, (long long)config->train.batch_size) &&
        !config_note_problem(config, error))
        return false;
    if (config->train.min_learning_rate > config->train.learning_rate &&
        !fail_key(config, KEY(train.min_learning_rate), error,
                  "is %g, more than train.learning_rate (%g)", config->train.min_learning_rate,
                  config->train.learning_rate) &&
        !config_note_problem(config, error))
        return false;
    return check_patience(config, error);
}

bool run_config_check(struct run_config *config, struct error *error)
{
    return config_check_required(config, error) &&
           (check_architecture(config, error) || config_note_problem(config, error)) &&
           (check_lengths(config, error) || config_note_problem(config, error)) &&
           (check_training(config, error) || config_note_problem(config, error)) &&
           (check_sync(config, error) || config_note_problem(config, error)) &&
           (!run_config_is_task(config) || task_config_check(config, error));
}
