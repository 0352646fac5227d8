#include "data/manifest.h"

#include "base/directory.h"
#include "base/file.h"
#include "base/format.h"
#include "base/json.h"
#include "base/partial.h"
#include "data/dataset.h"
#include "data/file_contents.h"
#include "data/shard_format.h"
#include "text/normalizer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Increase it when the shards of the same text and settings change. */
enum { MANIFEST_FORMAT = 2 };

static const char manifest_name[] = "manifest.json";

const char *const dataset_prefixes[2] = {"train", "valid"};

/* Returns the value. Sets the error if it is NULL, which jansson returns when memory is short. */
static json_t *check_allocated(json_t *value, struct error *error)
{
    if (!value)
        fail_work(error, "out of memory: the manifest of a prepared directory");
    return value;
}

/* ---- description of the sources of the shards ---- */

static json_t *describe_vocabulary(const struct vocabulary *vocabulary)
{
    return json_pack("{s:i, s:s}", "size", (int)vocabulary_size(vocabulary), "hash",
                     format_hash(vocabulary_hash(vocabulary)).text);
}

static json_t *describe_tokenizer(struct tokenizer_options options)
{
    return json_pack("{s:b, s:b, s:b}", "lowercase", options.lowercase, "strip_accents",
                     strips_accents(options), "tokenize_chinese_chars",
                     options.tokenize_chinese_chars);
}

/* The names of the keys must not change, or all data of older versions would be stale. Takes over
 * the two lists. json_pack fails if a part is NULL, and then releases the others. */
static json_t *describe(const struct tokenizer *tokenizer, const struct prepare_options *options,
                        json_t *train, json_t *valid)
{
    const char *sentences = options->sentences == SENTENCES_SPLIT ? "split" : "line";
    double valid_fraction = options->valid_count ? 0.0 : options->valid_fraction;
    return json_pack(
        "{s:i, s:o, s:o, s:s, s:f, s:i, s:s, s:b, s:o, s:o}", "format", MANIFEST_FORMAT,
        "vocabulary", describe_vocabulary(tokenizer_vocabulary(tokenizer)), "tokenizer",
        describe_tokenizer(tokenizer_get_options(tokenizer)), "sentences", sentences,
        "valid_fraction", valid_fraction, "least_documents", options->min_documents, "text_field",
        options->text_field.name ? options->text_field.name : CORPUS_TEXT_FIELD, "strict",
        options->strict, "train", train, "valid", valid);
}

/* Returns the directory's manifest. NULL: there is none, or it cannot be read and *error is set. */
static json_t *read_manifest(const char *directory, struct error *error)
{
    char *path = path_join(directory, manifest_name, error);
    json_t *manifest = path && path_is_taken(path) ? json_read_sealed(path, true, error) : NULL;
    free(path);
    return manifest;
}

/* Returns a new description of the files; with files NULL, a copy of the earlier one. */
static json_t *describe_files(const struct corpus_files *files, const json_t *earlier,
                              struct error *error)
{
    if (files)
        return file_contents_describe(files, earlier, error);
    return check_allocated(earlier ? json_deep_copy(earlier) : json_array(), error);
}

json_t *manifest_describe(const char *directory, const struct tokenizer *tokenizer,
                          const struct prepare_options *options, const struct corpus_files *files,
                          struct error *error)
{
    struct error unreadable = {0};
    json_t *manifest = read_manifest(directory, &unreadable), *lists[2] = {NULL, NULL};
    const json_t *earlier = json_object_get(manifest, "made_from");
    bool done = true;
    for (int i = 0; i < 2 && done; i++) {
        lists[i] = describe_files(files ? &files[i] : NULL,
                                  json_object_get(earlier, dataset_prefixes[i]), error);
        done = lists[i];
    }
    json_decref(manifest);
    if (done)
        return check_allocated(describe(tokenizer, options, lists[0], lists[1]), error);
    json_decref(lists[0]);
    return NULL;
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
    /* A path that is not UTF-8 was refused before. */
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
    return check_allocated(
        json_pack("{s:s, s:I}", "name", name, "bytes", (json_int_t)status.st_size), error);
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
        if (!json_add(list, "shards", shard, error))
            return false;
    }
}

/* Returns the name of a listed shard that is missing or has another size than when it was written;
 * NULL if there is none. */
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

/* Returns whether the lists of files have the same contents; if not, writes the difference to
 * `reason`. */
static bool same_files(const json_t *now, const json_t *then, char *reason, size_t size)
{
    int64_t index = file_contents_compare(now, then);
    if (index == CONTENTS_SAME)
        return true;
    const json_t *file = json_array_get(now, (size_t)index);
    const json_t *before = json_array_get(then, (size_t)index);
    const char *path = json_string_value(json_object_get(file, "path"));
    if (!file)
        snprintf(reason, size, "files were removed from the list of input files");
    else if (json_equal(json_object_get(file, "path"), json_object_get(before, "path")))
        snprintf(reason, size, "%s has changed", path);
    else if (before)
        snprintf(reason, size, "%s holds other text than %s did", path,
                 json_string_value(json_object_get(before, "path")));
    else
        snprintf(reason, size, "%s is new in the list of input files", path);
    return false;
}

static bool same_text(const json_t *now, const json_t *then, char *reason, size_t size)
{
    for (int i = 0; i < 2; i++)
        if (!same_files(json_object_get(now, dataset_prefixes[i]),
                        json_object_get(then, dataset_prefixes[i]), reason, size))
            return false;
    return true;
}

static bool is_list_of_files(const char *key)
{
    return strcmp(key, dataset_prefixes[0]) == 0 || strcmp(key, dataset_prefixes[1]) == 0;
}

static bool same_settings(json_t *now, const json_t *then, char *reason, size_t size)
{
    const char *key;
    json_t *value;
    json_object_foreach (now, key, value) {
        if (is_list_of_files(key) || json_equal(value, json_object_get(then, key)))
            continue;
        snprintf(reason, size, "\"%s\" has changed", key);
        return false;
    }
    return true;
}

static enum manifest_state check_manifest(const char *directory, const json_t *manifest,
                                          json_t *made_from, struct prepare_summary *summary,
                                          char *reason, size_t size)
{
    const json_t *then = json_object_get(manifest, "made_from");
    if (!json_equal(json_object_get(made_from, "format"), json_object_get(then, "format"))) {
        snprintf(reason, size, "another version of cloze wrote %s", manifest_name);
        return MANIFEST_STALE;
    }
    if (!same_text(made_from, then, reason, size))
        return MANIFEST_OTHER_TEXT;
    if (!same_settings(made_from, then, reason, size))
        return MANIFEST_STALE;
    const char *lost = find_lost_shard(directory, json_object_get(manifest, "shards"));
    *summary = (struct prepare_summary){0};
    if (lost)
        snprintf(reason, size, "%s is missing or has a different size", lost);
    else if (!summary_from_json(json_object_get(manifest, "summary"), summary))
        snprintf(reason, size, "the summary in %s is incomplete", manifest_name);
    else
        return MANIFEST_MATCHES;
    return MANIFEST_STALE;
}

enum manifest_state manifest_compare(const char *directory, json_t *made_from,
                                     struct prepare_summary *summary, char *reason,
                                     size_t reason_size)
{
    struct error error = {0};
    json_t *manifest = read_manifest(directory, &error);
    enum manifest_state state = MANIFEST_STALE;
    snprintf(reason, reason_size, "%s", error.message);
    if (manifest)
        state = check_manifest(directory, manifest, made_from, summary, reason, reason_size);
    json_decref(manifest);
    return state;
}

/* ---- writing and clearing ---- */

static json_t *describe_shards(const char *directory, struct error *error)
{
    json_t *shards = check_allocated(json_array(), error);
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
    return shards ? check_allocated(json_pack("{s:O, s:o, s:o}", "made_from", made_from, "summary",
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

/* ---- files that may be removed ---- */

/* Returns whether the name is that of a shard followed by `ending`: "" for the shard itself,
 * ".sentences" or ".documents" for one of its tables. */
static bool is_shard_name(const char *name, const char *ending)
{
    for (int i = 0; i < 2; i++) {
        size_t length = strlen(dataset_prefixes[i]);
        if (strncmp(name, dataset_prefixes[i], length) != 0 || name[length] != '-')
            continue;
        const char *number = name + length + 1;
        size_t digits = strspn(number, "0123456789");
        if (digits >= 5 && strncmp(number + digits, ".shard", 6) == 0 &&
            strcmp(number + digits + 6, ending) == 0)
            return true;
    }
    return false;
}

/* Returns whether the file was left by a killed preparation: no other program uses such names. */
static bool is_leftover(const char *name)
{
    char origin[64];
    size_t size = partial_origin(name);
    if (size == 0 || size >= sizeof origin)
        return false;
    snprintf(origin, sizeof origin, "%.*s", (int)size, name);
    return strcmp(origin, manifest_name) == 0 || is_shard_name(origin, "") ||
           is_shard_name(origin, ".sentences") || is_shard_name(origin, ".documents");
}

static bool is_prepared_file(const char *name)
{
    return is_shard_name(name, "") || is_leftover(name);
}

bool manifest_is_prepared(const char *directory, const char *path)
{
    struct error ignored = {0};
    const char *name = path_name(path);
    char *parent = path_directory(path, &ignored);
    bool prepared = parent && path_same_file(parent, directory) &&
                    (is_prepared_file(name) || strcmp(name, manifest_name) == 0);
    free(parent);
    return prepared;
}

/* Reads up to `size` bytes from the beginning of a file. Returns their number; 0 if it cannot be
 * read. */
static size_t read_start(int directory, const char *name, char *start, size_t size)
{
    int file = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t got = file >= 0 ? read(file, start, size) : -1;
    if (file >= 0)
        close(file);
    return got > 0 ? (size_t)got : 0;
}

/* Returns whether the file is a shard, or empty: a killed writer may leave an empty shard, and an
 * empty file has nothing to lose. */
static bool is_shard(int directory, const char *name)
{
    char start[sizeof SHARD_MAGIC - 1];
    size_t size = read_start(directory, name, start, sizeof start);
    return size == 0 || (size == sizeof start && memcmp(start, SHARD_MAGIC, size) == 0);
}

/* Returns whether the file is a manifest, also if it is damaged: then it is recognized by its first
 * key or by the shards next to it. */
static bool is_manifest(int directory, bool shards)
{
    char start[64];
    size_t size = read_start(directory, manifest_name, start, sizeof start);
    return shards || size == 0 || memmem(start, size, "\"made_from\"", 11);
}

static bool fail_foreign(const char *directory, const char *name, struct error *error)
{
    return fail_input(error,
                      "%s/%s: is not a file of prepared data, and would be replaced; move it, or "
                      "choose another directory for the data",
                      directory, name);
}

static bool check_entries(DIR *stream, const char *directory, struct error *error)
{
    bool shards = false, manifest = false;
    for (struct dirent *entry; (errno = 0, entry = readdir(stream));) {
        if (is_shard_name(entry->d_name, "")) {
            if (!is_shard(dirfd(stream), entry->d_name))
                return fail_foreign(directory, entry->d_name, error);
            shards = true;
        }
        manifest = manifest || strcmp(entry->d_name, manifest_name) == 0;
    }
    if (errno)
        return fail_path(error, errno, directory, "read the directory");
    return !manifest || is_manifest(dirfd(stream), shards) ||
           fail_foreign(directory, manifest_name, error);
}

/* Returns whether there is a valid manifest; then files with the names of shards are shards, even
 * damaged ones. */
static bool is_prepared(const char *directory)
{
    struct error ignored = {0};
    json_t *manifest = read_manifest(directory, &ignored);
    bool prepared = json_object_get(manifest, "made_from");
    json_decref(manifest);
    return prepared;
}

bool manifest_check_own(const char *directory, struct error *error)
{
    if (is_prepared(directory))
        return true;
    DIR *stream = opendir(directory);
    if (!stream)
        return errno == ENOENT || fail_path(error, errno, directory, "open the directory");
    bool own = check_entries(stream, directory, error);
    closedir(stream);
    return own;
}

static bool remove_prepared_files(DIR *stream, const char *directory, struct error *error)
{
    for (struct dirent *entry; (errno = 0, entry = readdir(stream));)
        if (is_prepared_file(entry->d_name) && unlinkat(dirfd(stream), entry->d_name, 0) != 0)
            return fail_path(error, errno, directory, "remove old shards");
    return errno == 0 || fail_path(error, errno, directory, "read the directory");
}

bool manifest_clear(const char *directory, struct error *error)
{
    if (!manifest_check_own(directory, error))
        return false;
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
