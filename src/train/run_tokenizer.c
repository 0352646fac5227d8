#include "train/run_tokenizer.h"

#include "base/file.h"
#include "base/json.h"
#include "data/manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- from a model ---- */

/* A model's rows are its vocabulary's tokens, so a vocabulary may only grow at its end. */
static bool check_extends(const struct vocabulary *longer, const char *path,
                          const struct vocabulary *model, const char *directory,
                          struct error *error)
{
    int32_t size = vocabulary_size(model);
    if (vocabulary_size(longer) < size)
        return fail_input(error,
                          "%s: %d tokens, fewer than the %d of the model in %s that it must begin "
                          "with",
                          path, vocabulary_size(longer), size, directory);
    for (int32_t id = 0; id < size; id++)
        if (strcmp(vocabulary_token(longer, id), vocabulary_token(model, id)) != 0)
            return fail_input(error,
                              "%s:%d: found \"%s\", expected \"%s\" as in the model in %s: new "
                              "tokens go to the end",
                              path, id + 1, vocabulary_token(longer, id),
                              vocabulary_token(model, id), directory);
    return true;
}

static bool check_against_model(const struct vocabulary *vocabulary,
                                const struct run_config *config, struct error *error)
{
    if (!config->model.init_from)
        return true;
    struct tokenizer *model = tokenizer_load(config->model.init_from, error);
    bool ok = model && check_extends(vocabulary, config->tokenizer.vocab,
                                     tokenizer_vocabulary(model), config->model.init_from, error);
    tokenizer_free(model);
    return ok;
}

/* ---- trained ---- */

static struct text32 hash_text(const struct vocabulary *vocabulary)
{
    struct text32 result;
    snprintf(result.text, sizeof result.text, "%016" PRIx64, vocabulary_hash(vocabulary));
    return result;
}

/* What a trained vocabulary depends on; NULL on failure. */
static json_t *describe_training(const struct run_config *config, struct error *error)
{
    enum { VOCABULARY_FORMAT = 1 }; /* raise it when the same text gives another vocabulary */
    const struct tokenizer_options *options = &config->tokenizer.options;
    struct corpus_files files;
    if (!corpus_files_expand(&files, (const char *const *)config->data.train.items,
                             config->data.train.count, error))
        return NULL;
    json_t *inputs = manifest_describe_files(&files, error);
    corpus_files_free(&files);
    if (!inputs)
        return NULL;
    json_t *description =
        json_pack("{s:i, s:I, s:b, s:i, s:b, s:o}", "format", VOCABULARY_FORMAT, "size",
                  (json_int_t)config->tokenizer.vocab_size, "lowercase", options->lowercase,
                  "strip_accents", (int)options->strip_accents, "tokenize_chinese_chars",
                  options->tokenize_chinese_chars, "files", inputs);
    if (!description)
        fail_work(error, "out of memory: the description of a vocabulary");
    return description;
}

static bool write_description(const char *path, const json_t *description,
                              const struct vocabulary *vocabulary, struct error *error)
{
    json_t *object =
        json_pack("{s:O, s:s}", "made_from", description, "hash", hash_text(vocabulary).text);
    bool done = object ? json_write_sealed(path, object, error)
                       : fail_work(error, "%s: out of memory", path);
    json_decref(object);
    return done;
}

/* Trains and saves; the description is written behind the vocabulary, so that it never vouches for
 * another one. */
static struct vocabulary *train_vocabulary(const struct run_config *config, const char *path,
                                           const char *description_path, json_t *description,
                                           int threads, struct log *log, struct error *error)
{
    struct vocabulary *vocabulary =
        prepare_vocabulary((const char *const *)config->data.train.items, config->data.train.count,
                           (int32_t)config->tokenizer.vocab_size, config->tokenizer.options,
                           config->data.strict, threads, log, error);
    if (vocabulary && vocabulary_save(vocabulary, path, error) &&
        write_description(description_path, description, vocabulary, error))
        return vocabulary;
    vocabulary_free(vocabulary);
    return NULL;
}

/* The vocabulary at `path` if it is there, as it was made from what `description` says. */
static struct vocabulary *load_current(const char *path, const char *description_path,
                                       const json_t *description, struct log *log)
{
    struct error unreadable = {0};
    if (!path_exists(path))
        return NULL;
    json_t *kept = json_read_sealed(description_path, &unreadable);
    const char *hash = json_string_value(json_object_get(kept, "hash"));
    bool current = hash && json_equal(json_object_get(kept, "made_from"), description);
    struct vocabulary *vocabulary = current ? vocabulary_load(path, &unreadable) : NULL;
    if (!current)
        log_line(log, "%s was made from other text or settings: training it anew", path);
    else if (!vocabulary || strcmp(hash_text(vocabulary).text, hash) != 0) {
        log_warning(log, "%s is damaged: training it anew", path);
        vocabulary_free(vocabulary);
        vocabulary = NULL;
    }
    json_decref(kept);
    return vocabulary;
}

static struct vocabulary *open_trained(const struct run_config *config, int threads,
                                       struct log *log, struct error *error)
{
    struct vocabulary *vocabulary = NULL;
    char *path = path_join(config->output, "vocab.txt", error);
    char *description_path = path ? path_join(config->output, "vocabulary.json", error) : NULL;
    json_t *description = description_path ? describe_training(config, error) : NULL;
    if (description)
        vocabulary = load_current(path, description_path, description, log);
    if (description && !vocabulary)
        vocabulary =
            train_vocabulary(config, path, description_path, description, threads, log, error);
    json_decref(description);
    free(description_path);
    free(path);
    return vocabulary;
}

/* ---- the tokenizer ---- */

static struct vocabulary *open_given(const struct run_config *config, struct error *error)
{
    struct vocabulary *vocabulary = vocabulary_load(config->tokenizer.vocab, error);
    if (!vocabulary || check_against_model(vocabulary, config, error))
        return vocabulary;
    vocabulary_free(vocabulary);
    return NULL;
}

/* A copy of a vocabulary that was not trained here, beside what it has been used for. */
static bool keep_copy(const struct run_config *config, const struct tokenizer *tokenizer,
                      struct error *error)
{
    char *path = path_join(config->output, "vocab.txt", error);
    bool ok = path && vocabulary_save(tokenizer_vocabulary(tokenizer), path, error);
    free(path);
    return ok;
}

struct tokenizer *run_tokenizer_open(const struct run_config *config, int threads, struct log *log,
                                     struct error *error)
{
    struct tokenizer *tokenizer;
    bool trained = !config->tokenizer.vocab && !config->model.init_from;
    if (!config->tokenizer.vocab && config->model.init_from)
        tokenizer = tokenizer_load(config->model.init_from, error);
    else {
        struct vocabulary *vocabulary =
            trained ? open_trained(config, threads, log, error) : open_given(config, error);
        tokenizer =
            vocabulary ? tokenizer_create(vocabulary, config->tokenizer.options, error) : NULL;
    }
    if (!tokenizer || trained || keep_copy(config, tokenizer, error))
        return tokenizer;
    tokenizer_free(tokenizer);
    return NULL;
}
