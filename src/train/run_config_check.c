#include "base/file.h"
#include "text/tokenizer.h"
#include "train/run_config_keys.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACE(member) offsetof(struct run_config, member)

/* An input error that begins with where the key was given: "FILE:LINE: KEY: ...". Returns false. */
static bool fail_key(const struct run_config *config, const struct config_key *key,
                     struct error *error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static bool fail_key(const struct run_config *config, const struct config_key *key,
                     struct error *error, const char *format, ...)
{
    char message[sizeof error->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    const struct key_origin *origin = &config->origins[key - config_keys];
    if (origin->kind == ORIGIN_SETTING)
        return fail_input(error, "--set %s: %s", key->path, message);
    struct config_source source = {config->path, NULL, .lines = origin->kind == ORIGIN_FILE};
    return config_fail(&source, origin->line, error, "%s: %s", key->path, message);
}

static struct key_origin *origin_at(const struct run_config *config, size_t offset)
{
    return &config->origins[config_key_at(offset) - config_keys];
}

/* Given by the user, in the file or as a setting. */
static bool is_explicit(const struct run_config *config, const struct config_key *key)
{
    enum origin_kind kind = config->origins[key - config_keys].kind;
    return kind == ORIGIN_FILE || kind == ORIGIN_SETTING;
}

static bool is_explicit_at(const struct run_config *config, size_t offset)
{
    return is_explicit(config, config_key_at(offset));
}

/* ---- architecture ---- */

static bool whole_architecture_explicit(const struct run_config *config)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (config_keys[i].architecture && !is_explicit(config, &config_keys[i]))
            return false;
    return true;
}

static bool fail_contradiction(const struct run_config *config, const struct run_config *base,
                               const struct config_key *key, struct error *error)
{
    struct buffer found = {0}, expected = {0};
    if (config_value_print(config, key, &found, error) &&
        config_value_print(base, key, &expected, error))
        fail_key(config, key, error, "found %s; expected %s, as the model of model.init_from has",
                 found.size ? found.data : "nothing", expected.size ? expected.data : "nothing");
    buffer_free(&found);
    buffer_free(&expected);
    return false;
}

/* Weights only mean what they meant in the architecture that they were trained in. */
static bool check_agreement(const struct run_config *config, const struct run_config *base,
                            struct error *error)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (key->architecture && !key->free_of_weights && is_explicit(config, key) &&
            !config_value_equal(config, base, key))
            return fail_contradiction(config, base, key, error);
    }
    return true;
}

static bool load_init_from(struct run_config *config, struct run_config *base, struct error *error)
{
    const struct config_key *key = config_key_at(PLACE(model.init_from));
    char *path = path_join(config->model.init_from, "config.json", error);
    if (!path)
        return false;
    /* A run that has begun has no more need of the directory: its config.yaml says everything. */
    bool needed = path_exists(path) || !whole_architecture_explicit(config);
    bool done = true;
    if (needed)
        done = model_config_load(path, &base->model.architecture, error)
                   ? check_agreement(config, base, error)
                   : fail_key(config, key, error, "%s", error->message);
    free(path);
    return done;
}

/* What the architecture's keys are by default: the values of model.size or those of the model in
 * model.init_from. */
static bool find_base(struct run_config *config, struct run_config *base, struct error *error)
{
    const struct config_key *size = config_key_at(PLACE(model.size));
    bool init = config->model.init_from != NULL;
    if (init && *config->model.size && is_explicit(config, size))
        return fail_key(config, size, error,
                        "found %s beside model.init_from, whose model has a size; expected one of "
                        "the two keys",
                        config->model.size);
    if (init)
        config->model.size[0] = 0;
    if (!init && !*config->model.size)
        return fail_key(config, size, error,
                        "found nothing, and no model.init_from; expected one of the two keys");
    CHECK(model_config_size(init ? "base" : config->model.size, &base->model.architecture));
    return !init || load_init_from(config, base, error);
}

static bool resolve_architecture(struct run_config *config, struct error *error)
{
    struct run_config base = {0}, given = *config;
    if (!find_base(config, &base, error))
        return false;
    enum origin_kind origin = config->model.init_from ? ORIGIN_INIT_FROM : ORIGIN_SIZE;
    if (config->model.init_from && !is_explicit_at(config, PLACE(model.size)))
        origin_at(config, PLACE(model.size))->kind = ORIGIN_INIT_FROM;
    config->model.architecture = base.model.architecture;
    config->model.architecture.vocab_size = 0;
    for (size_t i = 0; i < config_key_count; i++) {
        if (!config_keys[i].architecture)
            continue;
        if (is_explicit(config, &config_keys[i]))
            config_value_copy(config, &given, &config_keys[i]);
        else
            config->origins[i].kind = origin;
    }
    return true;
}

/* ---- tokenizer ---- */

static const size_t tokenizer_flags[] = {PLACE(tokenizer.options.lowercase),
                                         PLACE(tokenizer.options.strip_accents),
                                         PLACE(tokenizer.options.tokenize_chinese_chars)};

/* Whether init_from holds a tokenizer; false with an error when memory is short. */
static bool find_tokenizer(const struct run_config *config, bool *found, struct error *error)
{
    static const char *const names[] = {"tokenizer.json", "vocab.txt"};
    *found = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = path_join(config->model.init_from, names[i], error);
        if (!path)
            return false;
        *found = *found || path_is_taken(path);
        free(path);
    }
    return true;
}

static bool load_tokenizer_options(const struct run_config *config,
                                   struct tokenizer_options *options, struct error *error)
{
    struct tokenizer *tokenizer = tokenizer_load(config->model.init_from, error);
    if (!tokenizer)
        return fail_key(config, config_key_at(PLACE(model.init_from)), error, "%s", error->message);
    *options = tokenizer_get_options(tokenizer);
    tokenizer_free(tokenizer);
    return true;
}

/* A model knows the words as its own tokenizer makes them: the flags of model.init_from are the
 * default, and another value is an error. A directory without a tokenizer says nothing about them.
 */
static bool resolve_tokenizer(struct run_config *config, struct error *error)
{
    struct run_config base = {0};
    bool found;
    if (!config->model.init_from)
        return true;
    if (!find_tokenizer(config, &found, error))
        return false;
    if (!found)
        return true;
    if (!load_tokenizer_options(config, &base.tokenizer.options, error))
        return false;
    for (size_t i = 0; i < sizeof tokenizer_flags / sizeof *tokenizer_flags; i++) {
        const struct config_key *key = config_key_at(tokenizer_flags[i]);
        if (!is_explicit(config, key)) {
            config_value_copy(config, &base, key);
            origin_at(config, tokenizer_flags[i])->kind = ORIGIN_INIT_FROM;
        } else if (!config_value_equal(config, &base, key)) {
            return fail_contradiction(config, &base, key, error);
        }
    }
    return true;
}

/* ---- steps ---- */

static bool add_up_phases(struct run_config *config, int64_t *sum, struct error *error)
{
    const struct config_key *key = config_key_at(PLACE(train.phases));
    *sum = 0;
    for (size_t i = 0; i < config->train.phase_count; i++)
        *sum += config->train.phases[i].steps; /* a file holds too few phases for an overflow */
    double most = config_key_at(PLACE(train.steps))->maximum;
    if ((double)*sum > most)
        return fail_key(config, key, error, "the phases have %lld steps; expected at most %.0f",
                        (long long)*sum, most);
    return true;
}

static bool resolve_phases(struct run_config *config, struct error *error)
{
    const struct config_key *key = config_key_at(PLACE(train.phases));
    bool steps_given = is_explicit_at(config, PLACE(train.steps)) && config->train.steps;
    int64_t sum;
    if (config->train.epochs > 0)
        return fail_key(config, key, error,
                        "found phases beside train.epochs; expected one of the two keys");
    if (!add_up_phases(config, &sum, error))
        return false;
    if (steps_given && config->train.steps != sum)
        return fail_key(config, key, error,
                        "the phases have %lld steps; expected the %lld of train.steps",
                        (long long)sum, (long long)config->train.steps);
    if (!steps_given) {
        config->train.steps = sum;
        origin_at(config, PLACE(train.steps))->kind = ORIGIN_PHASES;
    }
    return true;
}

static bool resolve_steps(struct run_config *config, struct error *error)
{
    const struct config_key *steps = config_key_at(PLACE(train.steps));
    if (config->train.epochs > 0 && config->train.steps && is_explicit(config, steps))
        return fail_key(config, steps, error,
                        "found %lld beside train.epochs; expected one of the two keys (an empty "
                        "value, as --set train.steps= gives, removes a key)",
                        (long long)config->train.steps);
    if (config->train.phase_count)
        return resolve_phases(config, error);
    if (config->train.epochs > 0)
        config->train.steps = 0;
    else if (!config->train.steps)
        return fail_key(config, steps, error,
                        "found nothing, and neither train.epochs nor train.phases; expected one of "
                        "them");
    return true;
}

bool config_resolve(struct run_config *config, struct error *error)
{
    return resolve_architecture(config, error) && resolve_tokenizer(config, error) &&
           resolve_steps(config, error);
}

/* ---- checks ---- */

static bool check_required(const struct run_config *config, struct error *error)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (config_keys[i].required && config_value_absent(config, &config_keys[i]))
            return fail_key(config, &config_keys[i], error, "found nothing; expected %s (%s)",
                            config_value_expected(&config_keys[i]).text, config_keys[i].help);
    return true;
}

/* With the most tokens that the vocabulary can have; the true number is known when it has been
 * read. */
static bool check_architecture(struct run_config *config, struct error *error)
{
    struct model_config *architecture = &config->model.architecture;
    char origin[512];
    snprintf(origin, sizeof origin, "%s: model", config->path);
    architecture->vocab_size = (int)config->tokenizer.vocab_size;
    bool done = model_config_check(architecture, origin, error);
    architecture->vocab_size = 0;
    if (!done)
        return false;
    if (config->data.nsp && architecture->type_vocab_size < 2)
        return fail_key(config, config_key_at(PLACE(data.nsp)), error,
                        "found true with model.type_vocab_size %d; expected at least 2 token types",
                        architecture->type_vocab_size);
    return true;
}

/* A batch counts its tokens in an int. */
static bool check_length(const struct run_config *config, const struct config_key *key,
                         int64_t length, struct error *error)
{
    int positions = config->model.architecture.max_position_embeddings;
    if (length > positions)
        return fail_key(config, key, error,
                        "found %lld; expected at most model.max_position_embeddings, %d",
                        (long long)length, positions);
    if (config->train.batch_size > INT_MAX / length)
        return fail_key(config, config_key_at(PLACE(train.batch_size)), error,
                        "found %lld sequences of up to %lld tokens; expected at most %d tokens",
                        (long long)config->train.batch_size, (long long)length, INT_MAX);
    return true;
}

static bool check_lengths(const struct run_config *config, struct error *error)
{
    if (!config->train.phase_count)
        return check_length(config, config_key_at(PLACE(data.seq_len)), config->data.seq_len,
                            error);
    for (size_t i = 0; i < config->train.phase_count; i++)
        if (!check_length(config, config_key_at(PLACE(train.phases)),
                          config->train.phases[i].seq_len, error))
            return false;
    return true;
}

static bool check_training(const struct run_config *config, struct error *error)
{
    if (config->train.micro_batch_size > config->train.batch_size)
        return fail_key(config, config_key_at(PLACE(train.micro_batch_size)), error,
                        "found %lld; expected at most train.batch_size, %lld",
                        (long long)config->train.micro_batch_size,
                        (long long)config->train.batch_size);
    if (config->train.min_learning_rate > config->train.learning_rate)
        return fail_key(config, config_key_at(PLACE(train.min_learning_rate)), error,
                        "found %g; expected at most train.learning_rate, %g",
                        config->train.min_learning_rate, config->train.learning_rate);
    return true;
}

bool config_check(struct run_config *config, struct error *error)
{
    return check_required(config, error) && check_architecture(config, error) &&
           check_lengths(config, error) && check_training(config, error);
}
