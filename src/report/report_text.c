#include "report/report_text.h"

#include "base/file.h"
#include "data/dataset.h"
#include "data/unigram.h"

#include <stdlib.h>

enum { FREQUENT = 20, RARE = 10, LENGTHS = 64 };

/* ---- lengths ---- */

/* Counts of lengths by the power of two. */
struct lengths {
    uint64_t counts[LENGTHS];
};

static void count_length(struct lengths *lengths, uint64_t length)
{
    int power = 0;
    while (length >>= 1)
        power++;
    lengths->counts[power]++;
}

static void count_lengths(const struct dataset *dataset, struct lengths *sentences,
                          struct lengths *documents)
{
    for (uint64_t i = 0; i < dataset_documents(dataset); i++) {
        const struct document document = dataset_document(dataset, i);
        const uint64_t *starts = document.sentence_starts;
        for (uint32_t j = 0; j < document.sentences; j++)
            count_length(sentences, starts[j + 1] - starts[j]);
        count_length(documents, starts[document.sentences] - starts[0]);
    }
}

static json_t *lengths_json(const struct lengths *lengths)
{
    int count = LENGTHS;
    json_t *list = json_array();
    while (count && !lengths->counts[count - 1])
        count--;
    for (int i = 0; i < count && list; i++)
        list = json_append(list, json_integer((json_int_t)lengths->counts[i]));
    return list;
}

static bool put_lengths(json_t *statistics, const struct dataset *dataset, struct error *error)
{
    struct lengths sentences = {0}, documents = {0};
    count_lengths(dataset, &sentences, &documents);
    return json_put(statistics, "sentence_lengths", lengths_json(&sentences), error) &&
           json_put(statistics, "document_lengths", lengths_json(&documents), error);
}

/* ---- tokens ---- */

/* Returns the most frequent tokens with their shares, of equals the first ones. */
static json_t *frequent_json(const uint64_t *counts, const struct vocabulary *vocabulary)
{
    const int32_t size = vocabulary_size(vocabulary);
    int32_t best[FREQUENT];
    int found = 0;
    uint64_t total = 0;
    for (int32_t id = 0; id < size; id++) {
        int at = found;
        total += counts[id];
        while (at > 0 && counts[best[at - 1]] < counts[id])
            at--;
        if (at == FREQUENT || !counts[id])
            continue;
        found += found < FREQUENT;
        for (int i = found - 1; i > at; i--)
            best[i] = best[i - 1];
        best[at] = id;
    }
    json_t *list = json_array();
    for (int i = 0; i < found && list; i++)
        list = json_append(list, json_pack("[s, f]", vocabulary_token(vocabulary, best[i]),
                                           (double)counts[best[i]] / (double)total));
    return list;
}

/* Puts how many tokens of the vocabulary, but for special ones, the text hardly has. */
static bool put_rare(json_t *statistics, const uint64_t *counts,
                     const struct vocabulary *vocabulary, struct error *error)
{
    json_int_t rare = 0, absent = 0;
    for (int32_t id = 0; id < vocabulary_size(vocabulary); id++)
        if (!vocabulary_is_special(vocabulary, id)) {
            rare += counts[id] < RARE;
            absent += counts[id] == 0;
        }
    return json_put(statistics, "rare", json_integer(rare), error) &&
           json_put(statistics, "absent", json_integer(absent), error);
}

/* Puts what guessing gives, if there is anything to guess. */
static bool put_guessing(json_t *statistics, const uint64_t *seen, const struct dataset *held_out,
                         const struct vocabulary *vocabulary, struct error *error)
{
    struct unigram guess;
    struct error nothing = {0};
    uint64_t *predicted = held_out ? unigram_count(held_out, vocabulary, error) : NULL;
    bool done = !held_out || predicted;
    if (done && unigram_compare(seen, held_out ? predicted : seen, vocabulary, &guess, &nothing))
        done = json_put(statistics, "guessing",
                        json_pack("{s:f, s:f, s:b}", "loss", guess.loss, "accuracy", guess.accuracy,
                                  "held_out", held_out != NULL),
                        error);
    free(predicted);
    return done;
}

static json_t *describe_datasets(const struct dataset *train, const struct dataset *held_out,
                                 const struct vocabulary *vocabulary, struct error *error)
{
    json_t *statistics = json_object();
    uint64_t *counts = unigram_count(train, vocabulary, error);
    bool done = counts && put_guessing(statistics, counts, held_out, vocabulary, error) &&
                json_put(statistics, "frequent", frequent_json(counts, vocabulary), error) &&
                put_rare(statistics, counts, vocabulary, error) &&
                put_lengths(statistics, train, error);
    free(counts);
    if (done)
        return statistics;
    json_decref(statistics);
    return NULL;
}

/* ---- the directory ---- */

/* Sets *there to whether there is a first shard. */
static bool find_shards(const char *directory, const char *prefix, bool *there, struct error *error)
{
    char *path = dataset_shard_path(directory, prefix, 0, error);
    const bool done = path;
    *there = done && path_exists(path);
    free(path);
    return done;
}

static struct dataset *open_shards(const char *directory, const char *prefix,
                                   const struct vocabulary *vocabulary, struct error *error)
{
    return dataset_open(directory, prefix, vocabulary_size(vocabulary), vocabulary_hash(vocabulary),
                        error);
}

static bool put_statistics(json_t *text, const char *directory, const struct vocabulary *vocabulary,
                           struct error *error)
{
    bool has_text, has_held_out;
    if (!find_shards(directory, "train", &has_text, error) ||
        !find_shards(directory, "valid", &has_held_out, error))
        return false;
    if (!vocabulary || !has_text)
        return true;
    struct dataset *train = open_shards(directory, "train", vocabulary, error);
    struct dataset *held_out =
        train && has_held_out ? open_shards(directory, "valid", vocabulary, error) : NULL;
    const bool done =
        train && (held_out || !has_held_out) &&
        json_put(text, "statistics", describe_datasets(train, held_out, vocabulary, error), error);
    dataset_close(held_out);
    dataset_close(train);
    return done;
}

/* Returns the paths and sizes of the files of a manifest. */
static json_t *files_json(const json_t *made_from)
{
    static const char *const prefixes[] = {"train", "valid"};
    json_t *list = json_array();
    for (size_t i = 0; i < 2 && list; i++) {
        size_t index;
        const json_t *file;
        json_array_foreach (json_object_get(made_from, prefixes[i]), index, file)
            list = json_append(list,
                               json_pack("[s, O?, O?]", prefixes[i], json_object_get(file, "path"),
                                         json_object_get(file, "bytes")));
    }
    return list;
}

static json_t *take_manifest(const json_t *manifest, const char *path, struct error *error)
{
    const json_t *made_from = json_object_get(manifest, "made_from");
    json_t *summary = json_object_get(manifest, "summary");
    if (!json_is_object(made_from) || !json_is_object(summary)) {
        fail_input(error, "%s: expected the keys \"made_from\" and \"summary\"", path);
        return NULL;
    }
    json_t *text = json_object();
    if (json_put(text, "summary", json_incref(summary), error) &&
        json_put(text, "files", files_json(made_from), error))
        return text;
    json_decref(text);
    return NULL;
}

json_t *report_text_json(const char *directory, const struct vocabulary *vocabulary,
                         struct error *error)
{
    json_t *text = NULL;
    char *path = path_join(directory, "manifest.json", error);
    if (path && !path_is_taken(path)) {
        free(path);
        return json_null();
    }
    json_t *manifest = path ? json_read_sealed(path, true, error) : NULL;
    if (manifest)
        text = take_manifest(manifest, path, error);
    if (text && !put_statistics(text, directory, vocabulary, error)) {
        json_decref(text);
        text = NULL;
    }
    json_decref(manifest);
    free(path);
    return text;
}
