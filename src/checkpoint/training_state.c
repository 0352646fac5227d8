#include "checkpoint/training_state.h"

#include "base/file.h"
#include "base/format.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "cloze/version.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FORMAT_VERSION = 1 };

/* The keys of integers. */
static const struct integer_key {
    const char *name;
    size_t offset; /* of an int64_t in struct training_state */
    int64_t minimum;
} integer_keys[] = {
    {"step", offsetof(struct training_state, step), 0},
    {"tokens", offsetof(struct training_state, tokens), 0},
    {"seed", offsetof(struct training_state, seed), INT64_MIN},
    {"phase", offsetof(struct training_state, phase), 0},
    {"micro_batch_size", offsetof(struct training_state, micro_batch_size), 1},
    {"skipped_steps", offsetof(struct training_state, skipped_steps), 0},
    {"skipped_in_row", offsetof(struct training_state, skipped_in_row), 0},
    {"grad_norm_count", offsetof(struct training_state, norms.count), 0},
};

/* The keys of real numbers, except the best loss. */
static const struct real_key {
    const char *name;
    size_t offset; /* of a double in struct training_state */
} real_keys[] = {
    {"seconds", offsetof(struct training_state, seconds)},
    {"grad_norm_mean", offsetof(struct training_state, norms.mean)},
    {"grad_norm_variance", offsetof(struct training_state, norms.variance)},
};

enum {
    INTEGER_KEYS = sizeof integer_keys / sizeof *integer_keys,
    REAL_KEYS = sizeof real_keys / sizeof *real_keys,
};

/* ---- writing ---- */

/* Adds the size and checksum of one file to `files`, under its name. */
static bool describe_file(const char *directory, const char *name, json_t *files,
                          struct error *error)
{
    char *path = path_join(directory, name, error);
    uint64_t size, hash;
    bool read = path && hash_file(path, &size, &hash, error);
    free(path);
    if (!read)
        return false;
    json_t *description =
        json_pack("{s:I, s:s}", "size", (json_int_t)size, "xxh3", format_hash(hash).text);
    return json_object_set_new(files, name, description) == 0 ||
           fail_work(error, "%s/%s: out of memory", directory, name);
}

static int is_described(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && strcmp(entry->d_name, TRAINING_STATE_FILE) != 0;
}

static bool describe_files(const char *directory, json_t *files, struct error *error)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, is_described, alphasort);
    if (count < 0)
        return fail_path(error, errno, directory, "read the directory");
    bool done = true;
    for (int i = 0; i < count; i++) {
        done = done && describe_file(directory, entries[i]->d_name, files, error);
        free(entries[i]);
    }
    free(entries);
    return done;
}

static const char *best_key(bool is_metric)
{
    return is_metric ? "best_metric" : "best_mlm_loss";
}

/* Adds all values to the object. Returns false if memory is short or the configuration is not
 * UTF-8. */
static bool put_values(json_t *object, const struct training_state *state)
{
    bool best = state->best_step >= 0;
    int failed = json_object_set_new(object, "format_version", json_integer(FORMAT_VERSION));
    failed |= json_object_set_new(object, "cloze_version", json_string(CLOZE_VERSION));
    for (size_t i = 0; i < INTEGER_KEYS; i++) {
        const char *member = (const char *)state + integer_keys[i].offset;
        failed |= json_object_set_new(object, integer_keys[i].name,
                                      json_integer(*(const int64_t *)member));
    }
    for (size_t i = 0; i < REAL_KEYS; i++) {
        const char *member = (const char *)state + real_keys[i].offset;
        failed |=
            json_object_set_new(object, real_keys[i].name, json_real(*(const double *)member));
    }
    if (state->planned_steps)
        failed |= json_object_set_new(object, "planned_steps", json_integer(state->planned_steps));
    failed |= json_object_set_new(object, "threads", json_integer(state->threads));
    failed |= json_object_set_new(object, "ranks", json_integer(state->ranks));
    failed |= json_object_set_new(object, "kernels", json_string(state->kernels));
    failed |= json_object_set_new(object, "data", json_string(format_hash(state->data).text));
    failed |=
        json_object_set_new(object, "held_out", json_string(format_hash(state->held_out).text));
    failed |= json_object_set_new(object, "best_step",
                                  best ? json_integer(state->best_step) : json_null());
    failed |= json_object_set_new(object, best_key(state->best_is_metric),
                                  best ? json_real(state->best_score) : json_null());
    failed |= json_object_set_new(object, "evaluations_since_best",
                                  json_integer(state->evaluations_since_best));
    failed |= json_object_set_new(object, "config", json_string(state->config));
    return !failed;
}

bool training_state_write(const char *directory, const struct training_state *state,
                          struct error *error)
{
    char *path = path_join(directory, TRAINING_STATE_FILE, error);
    if (!path)
        return false;
    json_t *object = json_object(), *files = json_object();
    bool done = false;
    if (!put_values(object, state) || json_object_set(object, "files", files) != 0)
        fail_work(error, "%s: out of memory, or a number or text that JSON does not have", path);
    else
        done = describe_files(directory, files, error) && json_write_sealed(path, object, error);
    json_decref(files);
    json_decref(object);
    free(path);
    return done;
}

/* ---- reading ---- */

/* The file that is read and the error to set. */
struct source {
    const char *path;
    const json_t *object;
    struct error *error;
};

static bool fail_key(const struct source *source, const char *key, const char *expected)
{
    const json_t *found = json_object_get(source->object, key);
    if (!found)
        return fail_input(source->error, "%s: no key \"%s\"; expected %s", source->path, key,
                          expected);
    char *text = json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT);
    fail_input(source->error, "%s: \"%s\" is %.80s; expected %s", source->path, key,
               text ? text : "unprintable", expected);
    free(text);
    return false;
}

/* Says in words what a whole number must be. */
static struct text64 integer_from(int64_t minimum)
{
    struct text64 words = {"a whole number"};
    if (minimum > INT64_MIN)
        snprintf(words.text, sizeof words.text, "a whole number, at least %lld",
                 (long long)minimum);
    return words;
}

static bool get_integers(const struct source *source, struct training_state *state)
{
    for (size_t i = 0; i < INTEGER_KEYS; i++) {
        const struct integer_key *key = &integer_keys[i];
        const json_t *value = json_object_get(source->object, key->name);
        if (!json_is_integer(value) || json_integer_value(value) < key->minimum)
            return fail_key(source, key->name, integer_from(key->minimum).text);
        *(int64_t *)((char *)state + key->offset) = json_integer_value(value);
    }
    return true;
}

static bool get_reals(const struct source *source, struct training_state *state)
{
    for (size_t i = 0; i < REAL_KEYS; i++) {
        const json_t *value = json_object_get(source->object, real_keys[i].name);
        if (!json_is_number(value))
            return fail_key(source, real_keys[i].name, "a number");
        *(double *)((char *)state + real_keys[i].offset) = json_number_value(value);
    }
    return true;
}

static bool get_best(const struct source *source, struct training_state *state)
{
    const json_t *step = json_object_get(source->object, "best_step");
    state->best_is_metric = json_object_get(source->object, best_key(true));
    const char *key = best_key(state->best_is_metric);
    const json_t *score = json_object_get(source->object, key);
    state->best_step = -1;
    if (json_is_null(step) && json_is_null(score))
        return true;
    if (!json_is_integer(step) || json_integer_value(step) < 0)
        return fail_key(source, "best_step", "a whole number, at least 0, or null with its score");
    if (!json_is_number(score))
        return fail_key(source, key, "a number, or null with its step");
    state->best_step = json_integer_value(step);
    state->best_score = json_number_value(score);
    return true;
}

static bool get_others(const struct source *source, struct training_state *state)
{
    const json_t *config = json_object_get(source->object, "config");
    const json_t *version = json_object_get(source->object, "cloze_version");
    if (!json_is_string(config))
        return fail_key(source, "config", "a text");
    if (!json_is_string(version))
        return fail_key(source, "cloze_version", "a text");
    snprintf(state->cloze_version, sizeof state->cloze_version, "%s", json_string_value(version));
    state->config = strdup(json_string_value(config));
    return state->config || fail_work(source->error, "%s: out of memory", source->path);
}

static bool parse_hash(const char *text, uint64_t *hash)
{
    if (!text || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
        return false;
    *hash = strtoull(text, NULL, 16);
    return true;
}

/* Reads the keys that may be absent, most of them because older versions did not write them. */
static bool get_surroundings(const struct source *source, struct training_state *state)
{
    const json_t *threads = json_object_get(source->object, "threads");
    const json_t *ranks = json_object_get(source->object, "ranks");
    const json_t *kernels = json_object_get(source->object, "kernels");
    const json_t *data = json_object_get(source->object, "data");
    const json_t *held_out = json_object_get(source->object, "held_out");
    const json_t *planned = json_object_get(source->object, "planned_steps");
    const json_t *since_best = json_object_get(source->object, "evaluations_since_best");
    if (since_best && (!json_is_integer(since_best) || json_integer_value(since_best) < 0))
        return fail_key(source, "evaluations_since_best", "a whole number, at least 0");
    if (planned && (!json_is_integer(planned) || json_integer_value(planned) < 1))
        return fail_key(source, "planned_steps", "a whole number, at least 1");
    if (threads && (!json_is_integer(threads) || json_integer_value(threads) < 0))
        return fail_key(source, "threads", "a whole number, at least 0");
    if (ranks && (!json_is_integer(ranks) || json_integer_value(ranks) < 1))
        return fail_key(source, "ranks", "a whole number, at least 1");
    if (kernels && !json_is_string(kernels))
        return fail_key(source, "kernels", "a text");
    if (data && !parse_hash(json_string_value(data), &state->data))
        return fail_key(source, "data", "16 hexadecimal digits");
    if (held_out && !parse_hash(json_string_value(held_out), &state->held_out))
        return fail_key(source, "held_out", "16 hexadecimal digits");
    state->threads = json_integer_value(threads);
    state->ranks = ranks ? json_integer_value(ranks) : 1;
    state->planned_steps = json_integer_value(planned);
    state->evaluations_since_best = json_integer_value(since_best);
    if (kernels)
        snprintf(state->kernels, sizeof state->kernels, "%s", json_string_value(kernels));
    return true;
}

static bool get_file(const struct source *source, const char *name, const json_t *value,
                     struct checkpoint_file *file)
{
    const json_t *size = json_object_get(value, "size");
    /* No file outside the directory is opened, whatever the list says. */
    if (!name[0] || name[0] == '.' || strchr(name, '/'))
        return fail_input(source->error, "%s: files: \"%s\"; expected the plain name of a file",
                          source->path, name);
    if (!json_is_integer(size) || json_integer_value(size) < 0 ||
        !parse_hash(json_string_value(json_object_get(value, "xxh3")), &file->hash))
        return fail_input(source->error,
                          "%s: files: \"%s\": expected {\"size\": bytes, \"xxh3\": 16 hexadecimal "
                          "digits}",
                          source->path, name);
    file->size = (uint64_t)json_integer_value(size);
    file->name = strdup(name);
    return file->name || fail_work(source->error, "%s: out of memory", source->path);
}

static bool get_files(const struct source *source, struct training_state *state)
{
    json_t *files = json_object_get(source->object, "files");
    if (!json_is_object(files))
        return fail_key(source, "files", "an object");
    state->files = allocate(json_object_size(files), sizeof *state->files, source->error);
    if (!state->files)
        return false;
    const char *name;
    json_t *value;
    json_object_foreach (files, name, value)
        if (!get_file(source, name, value, &state->files[state->file_count++]))
            return false;
    return true;
}

static bool check_version(const struct source *source)
{
    const json_t *version = json_object_get(source->object, "format_version");
    if (json_is_integer(version) && json_integer_value(version) == FORMAT_VERSION)
        return true;
    return fail_key(source, "format_version", "1, the only version this program knows");
}

bool training_state_read(const char *directory, struct training_state *state, struct error *error)
{
    *state = (struct training_state){.best_step = -1};
    char *path = path_join(directory, TRAINING_STATE_FILE, error);
    json_t *object = path ? json_read_sealed(path, false, error) : NULL;
    struct source source = {path, object, error};
    bool done = object && check_version(&source) && get_integers(&source, state) &&
                get_reals(&source, state) && get_best(&source, state) &&
                get_others(&source, state) && get_surroundings(&source, state) &&
                get_files(&source, state);
    if (!done)
        training_state_free(state);
    json_decref(object);
    free(path);
    return done;
}

void training_state_free(struct training_state *state)
{
    for (size_t i = 0; i < state->file_count; i++)
        free(state->files[i].name);
    free(state->files);
    free(state->config);
    *state = (struct training_state){.best_step = -1};
}

/* ---- checking ---- */

bool checkpoint_file_verify(const char *directory, const struct checkpoint_file *file,
                            struct error *error)
{
    char *path = path_join(directory, file->name, error);
    uint64_t size, hash;
    bool intact = path && hash_file(path, &size, &hash, error);
    if (intact && size != file->size)
        intact = fail_input(error, "%s: holds %llu bytes; expected %llu", path,
                            (unsigned long long)size, (unsigned long long)file->size);
    else if (intact && hash != file->hash)
        intact = fail_input(error, "%s: its checksum is %016llx; expected %016llx", path,
                            (unsigned long long)hash, (unsigned long long)file->hash);
    free(path);
    return intact;
}
