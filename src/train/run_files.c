#include "train/run_files.h"

#include "base/directory.h"
#include "base/file.h"
#include "base/file_writer.h"
#include "base/format.h"
#include "base/hash.h"
#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "config/config_print.h"
#include "data/manifest.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char config_name[] = "config.yaml";
static const char vocabulary_name[] = "vocab.txt";
static const char description_name[] = "vocabulary.json";
static const char metrics_name[] = "metrics.jsonl";
static const char fills_name[] = "fills.jsonl";
static const char warnings_name[] = "warnings.jsonl";
static const char predictions_name[] = "predictions.tsv";

static const char *const written_names[] = {config_name,     vocabulary_name, description_name,
                                            metrics_name,    fills_name,      warnings_name,
                                            predictions_name};

enum { WRITTEN_NAMES = sizeof written_names / sizeof *written_names };

/* Whether a run of this kind writes the file. */
static bool is_written(const struct run_config *config, const char *name)
{
    const bool task = run_config_is_task(config);
    return name == predictions_name ? task : name != fills_name || !task;
}

static bool fail_foreign(const char *path, const char *why, struct error *error)
{
    return fail_input(error,
                      "%s: %s, and the run would replace it; choose a directory of its own for the "
                      "run (output: or --set output=DIR), or move the file",
                      path, why);
}

/* ---- config.yaml ---- */

/* "# ... xxh3 0123456789abcdef\n" */
static const char config_mark[] = "# The effective configuration of a run of cloze, xxh3 ";

enum {
    MARK_LENGTH = sizeof config_mark - 1,
    MARK_LINE = MARK_LENGTH + 17,
};

static void print_mark(char line[MARK_LINE + 1], const char *text, size_t size)
{
    snprintf(line, MARK_LINE + 1, "%s%016" PRIx64 "\n", config_mark, hash_bytes(text, size));
}

/* Returns true, and drops the reason, if a file could not be read because of what it is. Otherwise
 * there may be too little memory, or a disk may be failing: then nothing is known of the file. */
static bool is_of_file(const struct error *reason, struct error *error)
{
    if (reason->kind == ERROR_WORK)
        *error = *reason;
    return reason->kind != ERROR_WORK;
}

/* Sets *marked if a run wrote the file as it is. */
static bool read_mark(const char *path, bool *marked, struct error *error)
{
    struct buffer text = {0};
    struct error reason = {0};
    char line[MARK_LINE + 1];
    bool read = file_read(path, CONFIG_FILE_LIMIT, &text, &reason);
    *marked = read && text.size >= MARK_LINE;
    if (*marked) {
        print_mark(line, text.data + MARK_LINE, text.size - MARK_LINE);
        *marked = memcmp(text.data, line, MARK_LINE) == 0;
    }
    buffer_free(&text);
    return read || is_of_file(&reason, error);
}

static bool check_config(const char *output, struct error *error)
{
    bool marked;
    char *path = path_join(output, config_name, error);
    bool own = path && (!path_is_taken(path) ||
                        (read_mark(path, &marked, error) &&
                         (marked || fail_foreign(path, "is not as a run wrote it", error))));
    free(path);
    return own;
}

bool run_files_started(const char *output, bool *started, struct error *error)
{
    *started = false;
    char *path = path_join(output, config_name, error);
    bool done = path && (!path_is_taken(path) || read_mark(path, started, error));
    free(path);
    return done;
}

static bool write_marked(const char *path, const struct buffer *text, struct error *error)
{
    char line[MARK_LINE + 1];
    struct buffer marked = {0};
    print_mark(line, text->data, text->size);
    bool done = buffer_append(&marked, line, MARK_LINE, error) &&
                buffer_append(&marked, text->data, text->size, error) &&
                file_write(path, marked.data, marked.size, error);
    buffer_free(&marked);
    return done;
}

/* Writes the configuration with paths relative to the file, so that it still describes the run in
 * its directory after that has been moved or copied. */
static bool write_config(const struct run_config *config, const char *path, struct error *error)
{
    char here[] = ".";
    struct run_config own = *config;
    struct buffer text = {0};
    own.output = here;
    bool done = config_print(&own, false, &text, error) && write_marked(path, &text, error);
    buffer_free(&text);
    return done;
}

bool run_files_write_config(const struct run_config *config, struct log *log, struct error *error)
{
    char *path = path_join(config->output, config_name, error);
    bool done = path, own = true;
    if (path && !path_same_file(path, config->common.path)) {
        done = !path_is_taken(path) || read_mark(path, &own, error);
        if (!own && done)
            log_warning(log, "not as a run wrote it, so left as it is:\n  %s", path_shown(path));
        done = done && (!own || write_config(config, path, error));
    }
    free(path);
    return done;
}

bool run_files_check_output(const struct run_config *config, struct error *error)
{
    if (config_origin(config, RUN_CONFIG_KEY(config, output))->setting ||
        strcmp(path_name(config->common.path), config_name) != 0)
        return true;
    char *directory = path_directory(config->common.path, error);
    bool done = directory != NULL;
    if (done && !path_same_file(directory, config->output) && checkpoint_exists(directory))
        done = fail_input(error,
                          "%s: output is %s, but the run in %s was probably moved or copied from "
                          "there; to resume it, add --set output=%s",
                          config->common.path, config->output, directory, directory);
    free(directory);
    return done;
}

/* ---- vocab.txt and vocabulary.json ---- */

/* Sets *hash to that of the lines in a file, however they end; to that of the file's bytes if it is
 * not a vocabulary without the other files of a model, which name its special tokens. It is "" if
 * there is no file. */
static bool hash_of_file(const char *path, struct text32 *hash, struct error *error)
{
    uint64_t size, value;
    struct error reason = {0};
    *hash = (struct text32){""};
    if (!path)
        return true;
    struct vocabulary *vocabulary = vocabulary_load(path, &reason);
    if (!vocabulary && !is_of_file(&reason, error))
        return false;
    reason = (struct error){0};
    if (vocabulary)
        *hash = format_hash(vocabulary_lines_hash(vocabulary));
    else if (hash_file(path, &size, &value, &reason))
        *hash = format_hash(value);
    vocabulary_free(vocabulary);
    return is_of_file(&reason, error);
}

bool run_files_hold_vocabulary(const char *path, const struct vocabulary *vocabulary, bool *held,
                               struct error *error)
{
    struct text32 hash;
    bool done = hash_of_file(path, &hash, error);
    *held = done && strcmp(hash.text, format_hash(vocabulary_lines_hash(vocabulary)).text) == 0;
    return done;
}

static bool is_member(const json_t *object, const char *key, struct text32 hash)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value && *value && strcmp(value, hash.text) == 0;
}

static bool check_vocabulary(const struct run_config *config, const char *path,
                             const char *description_path, struct error *error)
{
    struct error damage = {0};
    bool described = path_is_taken(description_path);
    json_t *description = described ? json_read_sealed(description_path, true, &damage) : NULL;
    bool own = is_of_file(&damage, error);
    if (own && described && !json_object_get(description, "made_from"))
        own = fail_foreign(description_path, "is not as a run wrote it", error);
    else if (own && path_is_taken(path)) {
        struct text32 hash, given;
        own = hash_of_file(path, &hash, error) &&
              hash_of_file(config->tokenizer.vocab, &given, error) &&
              (is_member(description, "hash", hash) || is_member(description, "replaces", hash) ||
               (hash.text[0] && strcmp(hash.text, given.text) == 0) ||
               fail_foreign(path, "is not as a run wrote it", error));
    }
    json_decref(description);
    return own;
}

static bool check_vocabulary_files(const struct run_config *config, struct error *error)
{
    char *path = path_join(config->output, vocabulary_name, error);
    char *description_path = path ? path_join(config->output, description_name, error) : NULL;
    bool own = description_path && check_vocabulary(config, path, description_path, error);
    free(description_path);
    free(path);
    return own;
}

/* Writes the description before the vocabulary, with the hashes of the new and the old vocabulary:
 * whenever the process ends, it vouches for the one that is there. */
static bool write_both(const char *path, const char *description_path,
                       const struct vocabulary *vocabulary, json_t *made_from, struct error *error)
{
    struct text32 hash = format_hash(vocabulary_lines_hash(vocabulary)), old;
    if (!hash_of_file(path, &old, error))
        return false;
    json_t *description = json_pack("{s:O, s:s, s:s}", "made_from", made_from, "hash", hash.text,
                                    "replaces", old.text);
    bool done = description ? json_write_sealed(description_path, description, error)
                            : fail_work(error, "%s: out of memory", description_path);
    json_decref(description);
    return done && (strcmp(hash.text, old.text) == 0 || vocabulary_save(vocabulary, path, error));
}

bool run_files_write_vocabulary(const char *output, const struct vocabulary *vocabulary,
                                json_t *made_from, struct error *error)
{
    char *path = path_join(output, vocabulary_name, error);
    char *description_path = path ? path_join(output, description_name, error) : NULL;
    bool done =
        description_path && write_both(path, description_path, vocabulary, made_from, error);
    free(description_path);
    free(path);
    return done;
}

/* ---- metrics.jsonl, fills.jsonl, warnings.jsonl, predictions.tsv and data/ ---- */

static bool check_beside_config(const char *output, const char *name, struct error *error)
{
    bool started;
    char *path = path_join(output, name, error);
    bool own =
        path && (!path_is_taken(path) ||
                 (run_files_started(output, &started, error) &&
                  (started || fail_foreign(path, "stands in a directory without a run", error))));
    free(path);
    return own;
}

/* Checks the files that only the config.yaml beside them tells to be those of a run. */
static bool check_results(const struct run_config *config, struct error *error)
{
    const char *const names[] = {metrics_name, fills_name, warnings_name, predictions_name};
    bool own = true;
    for (size_t i = 0; i < sizeof names / sizeof *names && own; i++)
        own = !is_written(config, names[i]) || check_beside_config(config->output, names[i], error);
    return own;
}

static bool check_data(const char *output, struct error *error)
{
    char *path = path_join(output, "data", error);
    bool own = path && manifest_check_own(path, error);
    free(path);
    return own;
}

/* ---- checks before the work ---- */

static bool check_directory(const char *output, const char *name, struct error *error)
{
    char *path = path_join(output, name, error);
    bool usable = path && (!path_is_taken(path) || directory_check_writable(path, error));
    free(path);
    return usable;
}

static bool is_appended_to(const char *name)
{
    return name == metrics_name || name == fills_name || name == warnings_name;
}

static bool check_file(const char *output, const char *name, struct error *error)
{
    char *path = path_join(output, name, error);
    bool usable = path && (!path_is_taken(path) || file_check_writable(path, error));
    /* The other files are replaced; these are appended to. */
    if (usable && is_appended_to(name) && path_exists(path) && access(path, W_OK) != 0)
        usable = fail_path(error, errno, path, "write");
    free(path);
    return usable;
}

/* Checks the data directory. A resumed run only reads it. */
static bool check_data_directory(const char *output, bool resumed, struct error *error)
{
    char *path = path_join(output, "data", error);
    bool usable =
        path && ((resumed && path_is_directory(path)) || check_directory(output, "data", error));
    free(path);
    return usable;
}

static bool check_written_files(const struct run_config *config, struct error *error)
{
    bool usable = true;
    for (size_t i = 0; i < WRITTEN_NAMES && usable; i++)
        usable = !is_written(config, written_names[i]) ||
                 check_file(config->output, written_names[i], error);
    return usable;
}

/* Checks now, not when the first file is written, that all of them can be written. */
static bool check_places(const struct run_config *config, bool resumed, struct error *error)
{
    return check_data_directory(config->output, resumed, error) &&
           check_directory(config->output, "events", error) && check_written_files(config, error);
}

/* ---- patterns of input files ---- */

static bool fail_matches(const char *key, const char *pattern, const char *path,
                         struct error *error)
{
    return fail_input(error,
                      "%s: %s also matches %s, which the run writes; choose another directory for "
                      "the run (output: or --set output=DIR), or a narrower pattern",
                      key, pattern, path);
}

/* True if the pattern matches the file, whether or not that exists. A directory part without
 * wildcards may be spelt in any way. */
static bool pattern_matches(const char *pattern, const char *path)
{
    struct error ignored = {0};
    const char *name = strrchr(pattern, '/');
    const char *own_name = strrchr(path, '/') + 1;
    char *directory = path_directory(pattern, &ignored);
    char *own_directory = path_directory(path, &ignored);
    bool matches = fnmatch(pattern, path, FNM_PATHNAME) == 0;
    if (directory && own_directory && path_same_file(directory, own_directory))
        matches = fnmatch(name ? name + 1 : pattern, own_name, 0) == 0;
    free(own_directory);
    free(directory);
    return matches;
}

/* Checks that no pattern matches a file of the run, which is not text to train on. If there is a
 * file with the pattern's name, the pattern means that file. */
static bool check_pattern(const char *key, const char *pattern, const char *path,
                          struct error *error)
{
    bool matches =
        path_exists(pattern) ? path_same_file(pattern, path) : pattern_matches(pattern, path);
    return !matches || fail_matches(key, pattern, path, error);
}

static bool check_patterns(const char *key, const struct strings *patterns, const char *path,
                           struct error *error)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (!check_pattern(key, patterns->items[i], path, error))
            return false;
    return true;
}

static bool check_inputs(const struct run_config *config, struct error *error)
{
    static const char *const data_names[] = {"data/manifest.json", "data/train-00000.shard",
                                             "data/valid-00000.shard"};
    for (size_t i = 0; i < WRITTEN_NAMES + sizeof data_names / sizeof *data_names; i++) {
        const char *name = i < WRITTEN_NAMES ? written_names[i] : data_names[i - WRITTEN_NAMES];
        if (!is_written(config, name))
            continue;
        char *path = path_join(config->output, name, error);
        bool apart = path &&
                     check_patterns(RUN_CONFIG_KEY(config, data.train)->path, &config->data.train,
                                    path, error) &&
                     check_patterns(RUN_CONFIG_KEY(config, data.valid)->path, &config->data.valid,
                                    path, error);
        free(path);
        if (!apart)
            return false;
    }
    return true;
}

/* ---- all of them ---- */

static bool check(const struct run_config *config, struct error *error)
{
    int64_t *steps;
    size_t count;
    if (!check_inputs(config, error) || !directory_check_writable(config->output, error) ||
        !check_directory(config->output, "checkpoints", error) ||
        !checkpoint_list(config->output, &steps, &count, error))
        return false;
    free(steps);
    return check_places(config, count > 0, error) &&
           (count > 0 ||
            (check_config(config->output, error) && check_vocabulary_files(config, error) &&
             check_results(config, error) && check_data(config->output, error)));
}

/* ---- the directory in use ---- */

/* What a run writes before it has read any text, in the order in which it is removed. */
static const char data_lock_name[] = "data/" DIRECTORY_LOCK_FILE;
static const char *const first_names[] = {data_lock_name, "data", vocabulary_name, description_name,
                                          config_name};

enum { FIRST_NAMES = sizeof first_names / sizeof *first_names };

static bool find_first_files(struct run_files *files, const char *output, struct error *error)
{
    for (size_t i = 0; i < FIRST_NAMES; i++) {
        char *path = path_join(output, first_names[i], error);
        if (!path)
            return false;
        files->found |= (unsigned)path_is_taken(path) << i;
        free(path);
    }
    return true;
}

/* Creates no lock in a directory with foreign files. An existing lock is taken first, because the
 * partial files of the checks would disturb a process that is using the directory. */
bool run_files_lock(const struct run_config *config, struct run_files *files, struct error *error)
{
    const char *output = config->output;
    files->lock.file = -1;
    files->above = directory_existing(output, error);
    if (!files->above || !directory_holds(output, DIRECTORY_LOCK_FILE, &files->lock_found, error) ||
        (files->lock_found && !directory_lock_take(&files->lock, output, error)))
        return false;
    return check(config, error) && directory_make(output, error) &&
           (files->lock_found || directory_lock_take(&files->lock, output, error)) &&
           find_first_files(files, output, error);
}

void run_files_release(struct run_files *files)
{
    if (!files->above)
        return;
    directory_lock_release(&files->lock);
    free(files->above);
    files->above = NULL;
}

static void remove_own(const char *output, const char *name)
{
    struct error ignored = {0};
    char *path = path_join(output, name, &ignored);
    if (path)
        remove(path); /* a directory only if it is empty */
    free(path);
}

void run_files_withdraw(const struct run_files *files, const struct run_config *config)
{
    struct error ignored = {0};
    const char *output = config->output;
    if (!check_config(output, &ignored) || !check_vocabulary_files(config, &ignored))
        return;
    for (size_t i = 0; i < FIRST_NAMES; i++)
        if (!(files->found >> i & 1))
            remove_own(output, first_names[i]);
    if (!files->lock_found)
        remove_own(output, DIRECTORY_LOCK_FILE);
    directory_remove_empty(output, files->above);
}
