#include "train/run_tokenizer.h"

#include "base/file.h"
#include "base/format.h"
#include "base/json.h"
#include "checkpoint/tokenizer_source.h"
#include "data/file_contents.h"
#include "train/run_files.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- from a model ---- */

/* Checks that a vocabulary extends another one at its end: a model has a row for each token, so
 * that existing tokens must keep their ids. */
static bool check_extends(const struct vocabulary *longer, const char *path,
                          const struct vocabulary *model, const char *directory,
                          struct error *error)
{
    int32_t size = vocabulary_size(model);
    if (vocabulary_size(longer) < size)
        return fail_input(error,
                          "%s: has %d tokens, fewer than the %d of the model in %s; it must start "
                          "with all of them",
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
    const char *directory = config->model.init_directory;
    if (!directory)
        return true;
    struct tokenizer *model = tokenizer_load(directory, error);
    bool done = model && check_extends(vocabulary, config->tokenizer.vocab,
                                       tokenizer_vocabulary(model), directory, error);
    tokenizer_free(model);
    return done;
}

/* ---- trained ---- */

/* Describes what a trained vocabulary depends on. Files are not hashed again if their stamps agree
 * with an earlier description. NULL on failure. */
static json_t *describe_training(const struct run_config *config, const json_t *earlier,
                                 struct error *error)
{
    enum { VOCABULARY_FORMAT = 2 }; /* raise it when the same text gives another vocabulary */
    const struct tokenizer_options *options = &config->tokenizer.options;
    struct corpus_files files;
    if (!corpus_files_expand(&files, (const char *const *)config->data.train.items,
                             config->data.train.count, error))
        return NULL;
    json_t *inputs = file_contents_describe(&files, json_object_get(earlier, "files"), error);
    corpus_files_free(&files);
    if (!inputs)
        return NULL;
    json_t *description = json_pack(
        "{s:i, s:I, s:b, s:i, s:b, s:s, s:o}", "format", VOCABULARY_FORMAT, "size",
        (json_int_t)config->tokenizer.vocab_size, "lowercase", options->lowercase, "strip_accents",
        (int)options->strip_accents, "tokenize_chinese_chars", options->tokenize_chinese_chars,
        "text_field", config->data.text_field, "files", inputs);
    /* A run that was started before this key existed has the same vocabulary without it. */
    if (description && config->tokenizer.limit_alphabet &&
        json_object_set_new(description, "limit_alphabet",
                            json_integer(config->tokenizer.limit_alphabet)) != 0) {
        json_decref(description);
        description = NULL;
    }
    if (!description)
        fail_work(error, "out of memory: the description of a vocabulary");
    return description;
}

/* Trains a vocabulary and saves it. */
static struct vocabulary *train_vocabulary(const struct run_config *config, json_t *description,
                                           int threads, struct log *log, struct error *error)
{
    const struct vocabulary_request request = {
        .files = (const char *const *)config->data.train.items,
        .count = config->data.train.count,
        .size = (int32_t)config->tokenizer.vocab_size,
        .options = config->tokenizer.options,
        .limit_alphabet = (size_t)config->tokenizer.limit_alphabet,
        .text_field = {config->data.text_field, "data.text_field"},
        .strict = config->data.strict,
        .threads = threads,
    };
    struct vocabulary *vocabulary = prepare_vocabulary(&request, log, error);
    if (vocabulary && run_files_write_vocabulary(config->output, vocabulary, description, error))
        return vocabulary;
    vocabulary_free(vocabulary);
    return NULL;
}

/* True if both descriptions are of the same training. Paths and stamps of files do not count. */
static bool same_training(json_t *now, const json_t *then)
{
    const char *key;
    json_t *value;
    if (!then)
        return false;
    json_object_foreach (now, key, value) {
        const json_t *before = json_object_get(then, key);
        bool same = strcmp(key, "files") == 0
                        ? file_contents_compare(value, before) == CONTENTS_SAME
                        : json_equal(value, before);
        if (!same)
            return false;
    }
    return true;
}

/* Loads the vocabulary at `path` if it exists and was made as `description` says. */
static struct vocabulary *load_current(const char *path, const json_t *kept, json_t *description,
                                       struct log *log)
{
    struct error unreadable = {0};
    if (!path_exists(path))
        return NULL;
    const char *hash = json_string_value(json_object_get(kept, "hash"));
    bool current = hash && same_training(description, json_object_get(kept, "made_from"));
    struct vocabulary *vocabulary = current ? vocabulary_load(path, &unreadable) : NULL;
    if (!current)
        log_line(log,
                 "the text or settings have changed; rebuilding the vocabulary\n"
                 "  %s",
                 path);
    else if (!vocabulary || strcmp(format_hash(vocabulary_hash(vocabulary)).text, hash) != 0) {
        log_warning(log,
                    "rebuilding a damaged vocabulary:\n"
                    "  %s",
                    path);
        vocabulary_free(vocabulary);
        vocabulary = NULL;
    }
    return vocabulary;
}

/* Loads the vocabulary or trains it; `kept` is the contents of vocabulary.json, or NULL. */
static struct vocabulary *open_or_train(const struct run_config *config, const char *path,
                                        const json_t *kept, int threads, bool *trained,
                                        struct log *log, struct error *error)
{
    json_t *description = describe_training(config, json_object_get(kept, "made_from"), error);
    if (!description)
        return NULL;
    struct vocabulary *vocabulary = load_current(path, kept, description, log);
    if (!vocabulary) {
        vocabulary = train_vocabulary(config, description, threads, log, error);
        *trained = vocabulary;
    }
    json_decref(description);
    return vocabulary;
}

static struct vocabulary *open_trained(const struct run_config *config, int threads, bool *trained,
                                       struct log *log, struct error *error)
{
    struct error unreadable = {0};
    struct vocabulary *vocabulary = NULL;
    char *path = path_join(config->output, "vocab.txt", error);
    char *description_path = path ? path_join(config->output, "vocabulary.json", error) : NULL;
    if (description_path) {
        json_t *kept = json_read_sealed(description_path, true, &unreadable);
        vocabulary = open_or_train(config, path, kept, threads, trained, log, error);
        json_decref(kept);
    }
    free(description_path);
    free(path);
    return vocabulary;
}

/* ---- the tokenizer ---- */

static void say_size(const struct run_config *config, const struct vocabulary *vocabulary,
                     struct log *log)
{
    if (config->tokenizer.vocab_size && config->tokenizer.vocab_size != vocabulary_size(vocabulary))
        log_warning(log, "tokenizer.vocab_size, %" PRId64 ", is not used: %s has %d tokens",
                    config->tokenizer.vocab_size, config->tokenizer.vocab,
                    vocabulary_size(vocabulary));
}

/* Logs whether text is lower-cased, if no file says so but only the configuration or the tokens of
 * a directory. */
static void say_case(const struct tokenizer *tokenizer, const char *path, struct log *log)
{
    bool cased = vocabulary_looks_cased(tokenizer_vocabulary(tokenizer));
    bool lowercase = tokenizer_get_options(tokenizer).lowercase;
    if (cased && lowercase)
        log_warning(log, "%s has upper case; tokenizer.lowercase: false would use it",
                    path_shown(path));
    else if (path_is_directory(path))
        log_line(log, "%s does not say its case: read as %s", path_shown(path),
                 lowercase ? "uncased" : "cased");
}

/* Opens a tokenizer with the configured options; its files agree with them (run_config_check.c). */
static struct tokenizer *open_with_options(const struct run_config *config, const char *path,
                                           struct log *log, struct error *error)
{
    const struct tokenizer_wish wish = {config->tokenizer.options, {true, true, true}};
    struct tokenizer *tokenizer = tokenizer_source_open(path, &wish, log, error);
    if (tokenizer && !tokenizer_get_given(tokenizer).lowercase)
        say_case(tokenizer, path, log);
    return tokenizer;
}

static struct tokenizer *open_given(const struct run_config *config, struct log *log,
                                    struct error *error)
{
    struct tokenizer *tokenizer = open_with_options(config, config->tokenizer.vocab, log, error);
    if (!tokenizer || check_against_model(tokenizer_vocabulary(tokenizer), config, error))
        return tokenizer;
    tokenizer_free(tokenizer);
    return NULL;
}

/* Keeps a copy of a vocabulary that was not trained by this run in the run directory. */
static bool keep_copy(const struct run_config *config, const struct tokenizer *tokenizer,
                      struct error *error)
{
    const char *from = config->tokenizer.vocab ? config->tokenizer.vocab : config->model.init_from;
    json_t *made_from = json_pack("{s:s}", "copy_of", from);
    bool kept = made_from ? run_files_write_vocabulary(
                                config->output, tokenizer_vocabulary(tokenizer), made_from, error)
                          : fail_work(error, "%s: not UTF-8, or out of memory", from);
    json_decref(made_from);
    return kept;
}

static struct tokenizer *open_new(const struct run_config *config, int threads, bool *trained,
                                  struct log *log, struct error *error)
{
    struct vocabulary *vocabulary = open_trained(config, threads, trained, log, error);
    return vocabulary ? tokenizer_create(vocabulary, config->tokenizer.options, error) : NULL;
}

struct tokenizer *run_tokenizer_open(const struct run_config *config, int threads, bool *trained,
                                     struct log *log, struct error *error)
{
    const char *init =
        config->model.init_directory ? config->model.init_directory : config->model.init_from;
    if (!config->tokenizer.vocab && !init)
        return open_new(config, threads, trained, log, error);
    struct tokenizer *tokenizer = config->tokenizer.vocab
                                      ? open_given(config, log, error)
                                      : open_with_options(config, init, log, error);
    if (tokenizer && config->tokenizer.vocab)
        say_size(config, tokenizer_vocabulary(tokenizer), log);
    if (!tokenizer || keep_copy(config, tokenizer, error))
        return tokenizer;
    tokenizer_free(tokenizer);
    return NULL;
}

/* ---- of a resumed run ---- */

/* Checks that a vocabulary that the configuration names is the run's, if it still exists. */
static bool check_given(const struct run_config *config, const struct tokenizer *tokenizer,
                        const char *checkpoint, struct error *error)
{
    if (!config->tokenizer.vocab || !path_exists(config->tokenizer.vocab))
        return true;
    struct tokenizer *given = open_given(config, NULL, error);
    bool same =
        given && (vocabulary_hash(tokenizer_vocabulary(given)) ==
                      vocabulary_hash(tokenizer_vocabulary(tokenizer)) ||
                  fail_input(error,
                             "%s: tokenizer.vocab: cannot resume with another vocabulary: %s is "
                             "not that of the run, which %s holds",
                             config->common.path, config->tokenizer.vocab, checkpoint));
    tokenizer_free(given);
    return same;
}

struct tokenizer *run_tokenizer_resume(const struct run_config *config, const char *checkpoint,
                                       struct error *error)
{
    struct tokenizer *tokenizer = tokenizer_load(checkpoint, error);
    if (!tokenizer || check_given(config, tokenizer, checkpoint, error))
        return tokenizer;
    tokenizer_free(tokenizer);
    return NULL;
}

bool run_tokenizer_restore(const struct run_config *config, const struct tokenizer *tokenizer,
                           struct log *log, struct error *error)
{
    const struct vocabulary *vocabulary = tokenizer_vocabulary(tokenizer);
    char *path = path_join(config->output, "vocab.txt", error);
    if (!path)
        return false;
    bool done = true, held = true;
    if (!path_is_taken(path)) {
        log_line(log, "%s was missing: written from the checkpoint", path_shown(path));
        done = vocabulary_save(vocabulary, path, error);
    } else
        done = run_files_hold_vocabulary(path, vocabulary, &held, error);
    if (done && !held)
        log_warning(log,
                    "not the vocabulary of the run, which its checkpoint holds; left as\n"
                    "  it is: %s",
                    path_shown(path));
    free(path);
    return done;
}
