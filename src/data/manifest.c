#include "data/manifest.h"

#include "base/file.h"
#include "base/json.h"
#include "data/dataset.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Raise it when the same text and settings give other shards than before. */
enum { MANIFEST_FORMAT = 1 };

static const char manifest_name[] = "manifest.json";

const char *const dataset_prefixes[2] = {"train", "valid"};

/* Passes a value on; NULL, which jansson gives when memory is short, becomes an error. */
static json_t *made(json_t *value, struct error *error)
{
    if (!value)
        fail_work(error, "out of memory: the manifest of a prepared directory");
    return value;
}

/* ---- what the shards are made from ---- */

/* By its resolved path, so that the same command given in another directory finds the same files.
 */
static json_t *describe_file(const char *path, struct error *error)
{
    struct stat status;
    char *resolved = realpath(path, NULL);
    if (!resolved || stat(resolved, &status) != 0) {
        fail_path(error, errno, path, "read");
        free(resolved);
        return NULL;
    }
    json_int_t nanoseconds =
        (json_int_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
    json_t *file = json_pack("{s:s, s:I, s:I}", "path", resolved, "bytes",
                             (json_int_t)status.st_size, "modified", nanoseconds);
    if (!file)
        fail_work(error, "%s: cannot be named in a manifest: no UTF-8, or out of memory", resolved);
    free(resolved);
    return file;
}

json_t *manifest_describe_files(const struct corpus_files *files, struct error *error)
{
    json_t *list = made(json_array(), error);
    for (size_t i = 0; i < files->count && list; i++) {
        json_t *file = describe_file(files->paths[i], error);
        if (json_array_append_new(list, file) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *describe_vocabulary(const struct vocabulary *vocabulary)
{
    char hash[20];
    snprintf(hash, sizeof hash, "%016" PRIx64, vocabulary_hash(vocabulary));
    return json_pack("{s:i, s:s}", "size", (int)vocabulary_size(vocabulary), "hash", hash);
}

static json_t *describe_tokenizer(struct tokenizer_options options)
{
    bool strip = options.strip_accents == STRIP_ACCENTS_AS_LOWERCASE
                     ? options.lowercase
                     : options.strip_accents == STRIP_ACCENTS_YES;
    return json_pack("{s:b, s:b, s:b}", "lowercase", options.lowercase, "strip_accents", strip,
                     "tokenize_chinese_chars", options.tokenize_chinese_chars);
}

/* Takes the two lists over. json_pack fails if a part is NULL, and then releases the others. */
static json_t *describe(const struct tokenizer *tokenizer, const struct prepare_options *options,
                        json_t *train, json_t *valid)
{
    const char *sentences = options->sentences == SENTENCES_SPLIT ? "split" : "line";
    double valid_fraction = options->valid_count ? 0.0 : options->valid_fraction;
    return json_pack("{s:i, s:o, s:o, s:s, s:f, s:b, s:o, s:o}", "format", MANIFEST_FORMAT,
                     "vocabulary", describe_vocabulary(tokenizer_vocabulary(tokenizer)),
                     "tokenizer", describe_tokenizer(tokenizer_get_options(tokenizer)), "sentences",
                     sentences, "valid_fraction", valid_fraction, "strict", options->strict,
                     "train", train, "valid", valid);
}

json_t *manifest_describe(const struct tokenizer *tokenizer, const struct prepare_options *options,
                          const struct corpus_files *train, const struct corpus_files *valid,
                          struct error *error)
{
    json_t *train_files = manifest_describe_files(train, error);
    if (!train_files)
        return NULL;
    json_t *valid_files = manifest_describe_files(valid, error);
    if (!valid_files) {
        json_decref(train_files);
        return NULL;
    }
    return made(describe(tokenizer, options, train_files, valid_files), error);
}

/* ---- the summary ---- */

struct summary_field {
    const char *name;
    size_t offset;
};

#define FIELD(name, member)                                                                        \
    {                                                                                              \
        name, offsetof(struct prepare_summary, member)                                             \
    }

static const struct summary_field summary_fields[] = {
    FIELD("bytes", counts.bytes),
    FIELD("lines", counts.lines),
    FIELD("documents", counts.documents),
    FIELD("invalid_utf8", counts.invalid_utf8),
    FIELD("train_documents", train_documents),
    FIELD("train_sentences", train_sentences),
    FIELD("train_tokens", train_tokens),
    FIELD("valid_documents", valid_documents),
    FIELD("valid_sentences", valid_sentences),
    FIELD("valid_tokens", valid_tokens),
    FIELD("unknown_tokens", unknown_tokens),
};

enum { SUMMARY_FIELDS = sizeof summary_fields / sizeof *summary_fields };

static json_t *summary_to_json(const struct prepare_summary *summary)
{
    json_t *object = json_object();
    bool done = object;
    for (int i = 0; i < SUMMARY_FIELDS && done; i++) {
        uint64_t value;
        memcpy(&value, (const char *)summary + summary_fields[i].offset, sizeof value);
        done = json_object_set_new(object, summary_fields[i].name,
                                   json_integer((json_int_t)value)) == 0;
    }
    /* A path that is no UTF-8 was refused before. */
    if (done && json_object_set_new(object, "first_invalid",
                                    json_string(summary->counts.first_invalid)) == 0)
        return object;
    json_decref(object);
    return NULL;
}

static bool summary_from_json(const json_t *object, struct prepare_summary *summary)
{
    const char *first_invalid = json_string_value(json_object_get(object, "first_invalid"));
    if (!first_invalid)
        return false;
    snprintf(summary->counts.first_invalid, sizeof summary->counts.first_invalid, "%s",
             first_invalid);
    for (int i = 0; i < SUMMARY_FIELDS; i++) {
        const json_t *field = json_object_get(object, summary_fields[i].name);
        if (!json_is_integer(field) || json_integer_value(field) < 0)
            return false;
        uint64_t value = (uint64_t)json_integer_value(field);
        memcpy((char *)summary + summary_fields[i].offset, &value, sizeof value);
    }
    return true;
}

/* ---- the shards ---- */

static json_t *describe_shard(const char *path, const char *prefix, unsigned number,
                              struct error *error)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        fail_path(error, errno, path, "examine");
        return NULL;
    }
    char name[64];
    snprintf(name, sizeof name, "%s-%05u.shard", prefix, number);
    return made(json_pack("{s:s, s:I}", "name", name, "bytes", (json_int_t)status.st_size), error);
}

/* Appends the prefix's shards to the list. */
static bool list_shards(json_t *list, const char *directory, const char *prefix,
                        struct error *error)
{
    for (unsigned number = 0;; number++) {
        char *path = dataset_shard_path(directory, prefix, number, error);
        if (!path)
            return false;
        bool exists = path_exists(path);
        json_t *shard = exists ? describe_shard(path, prefix, number, error) : NULL;
        free(path);
        if (!exists)
            return true;
        if (json_array_append_new(list, shard) != 0)
            return false;
    }
}

/* The name of a listed shard that is not there as it was written; NULL when all are. */
static const char *find_lost_shard(const char *directory, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *shard = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(shard, "name"));
        json_int_t bytes = json_integer_value(json_object_get(shard, "bytes"));
        struct error error = {0};
        struct stat status;
        char *path = name ? path_join(directory, name, &error) : NULL;
        bool there = path && stat(path, &status) == 0 && status.st_size == bytes;
        free(path);
        if (!there)
            return name ? name : "a shard";
    }
    return NULL;
}

/* ---- matching ---- */

/* Says what is different between two lists of files. */
static void compare_files(const json_t *now, const json_t *then, char *reason, size_t size)
{
    for (size_t i = 0; i < json_array_size(now); i++) {
        const json_t *file = json_array_get(now, i), *before = json_array_get(then, i);
        const char *path = json_string_value(json_object_get(file, "path"));
        if (json_equal(file, before))
            continue;
        if (json_equal(json_object_get(file, "path"), json_object_get(before, "path")))
            snprintf(reason, size, "%s has changed", path);
        else
            snprintf(reason, size, "%s is new in the list of input files", path);
        return;
    }
    snprintf(reason, size, "the list of input files is shorter");
}

static bool compare(json_t *now, const json_t *then, char *reason, size_t size)
{
    const char *key;
    json_t *value;
    json_object_foreach(now, key, value)
    {
        const json_t *before = json_object_get(then, key);
        if (json_equal(value, before))
            continue;
        if (json_is_array(value) && json_is_array(before))
            compare_files(value, before, reason, size);
        else
            snprintf(reason, size, "\"%s\" has changed", key);
        return false;
    }
    return true;
}

static bool check_manifest(const char *directory, const json_t *manifest, json_t *made_from,
                           struct prepare_summary *summary, char *reason, size_t size)
{
    if (!compare(made_from, json_object_get(manifest, "made_from"), reason, size))
        return false;
    const char *lost = find_lost_shard(directory, json_object_get(manifest, "shards"));
    *summary = (struct prepare_summary){0};
    if (lost)
        snprintf(reason, size, "%s is missing or has another size", lost);
    else if (!summary_from_json(json_object_get(manifest, "summary"), summary))
        snprintf(reason, size, "the summary in %s is incomplete", manifest_name);
    else
        return true;
    return false;
}

bool manifest_matches(const char *directory, json_t *made_from, struct prepare_summary *summary,
                      char *reason, size_t reason_size)
{
    struct error error = {0};
    reason[0] = 0;
    char *path = path_join(directory, manifest_name, &error);
    bool matches = false;
    if (path && path_exists(path)) {
        json_t *manifest = json_read_sealed(path, &error);
        if (manifest)
            matches = check_manifest(directory, manifest, made_from, summary, reason, reason_size);
        else
            snprintf(reason, reason_size, "%s", error.message);
        json_decref(manifest);
    }
    free(path);
    return matches;
}

/* ---- writing and clearing ---- */

static json_t *describe_shards(const char *directory, struct error *error)
{
    json_t *shards = made(json_array(), error);
    for (int i = 0; i < 2 && shards; i++)
        if (!list_shards(shards, directory, dataset_prefixes[i], error)) {
            json_decref(shards);
            return NULL;
        }
    return shards;
}

static json_t *make_manifest(const char *directory, json_t *made_from,
                             const struct prepare_summary *summary, struct error *error)
{
    json_t *shards = describe_shards(directory, error);
    return shards ? made(json_pack("{s:O, s:o, s:o}", "made_from", made_from, "summary",
                                   summary_to_json(summary), "shards", shards),
                         error)
                  : NULL;
}

bool manifest_write(const char *directory, json_t *made_from, const struct prepare_summary *summary,
                    struct error *error)
{
    json_t *manifest = make_manifest(directory, made_from, summary, error);
    char *path = manifest ? path_join(directory, manifest_name, error) : NULL;
    bool written = path && json_write_sealed(path, manifest, error);
    free(path);
    json_decref(manifest);
    return written;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool ends_with(const char *text, const char *ending)
{
    size_t size = strlen(text), length = strlen(ending);
    return size >= length && strcmp(text + size - length, ending) == 0;
}

/* What a finished or an interrupted preparation has left; nothing else, whoever put it there. */
static bool is_prepared_file(const char *name)
{
    if (strcmp(name, "manifest.json.partial") == 0)
        return true;
    for (int i = 0; i < 2; i++) {
        size_t length = strlen(dataset_prefixes[i]);
        if (starts_with(name, dataset_prefixes[i]) && name[length] == '-' &&
            (ends_with(name, ".shard") || ends_with(name, ".partial")))
            return true;
    }
    return false;
}

static bool remove_prepared_files(DIR *stream, const char *directory, struct error *error)
{
    for (struct dirent *entry; (entry = readdir(stream));)
        if (is_prepared_file(entry->d_name) && unlinkat(dirfd(stream), entry->d_name, 0) != 0)
            return fail_path(error, errno, directory, "remove old shards");
    return true;
}

bool manifest_clear(const char *directory, struct error *error)
{
    DIR *stream = opendir(directory);
    if (!stream)
        return fail_path(error, errno, directory, "open the directory");
    bool cleared = unlinkat(dirfd(stream), manifest_name, 0) == 0 || errno == ENOENT;
    if (!cleared)
        fail_path(error, errno, directory, "remove the old manifest");
    cleared = cleared && directory_sync(directory, error) &&
              remove_prepared_files(stream, directory, error);
    closedir(stream);
    return cleared;
}
