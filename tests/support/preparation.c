#include "support/preparation.h"

#include "base/directory.h"
#include "base/file.h"
#include "base/file_writer.h"
#include "base/hash.h"
#include "data/dataset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const words[BENCH_TOKENS] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a",
                                                "b",     "c",     "d",     "##a",   ".",      "!"};

struct tokenizer *bench_tokenizer(size_t tokens, bool lowercase)
{
    struct error error = {0};
    struct tokenizer_options options = tokenizer_default_options;
    options.lowercase = lowercase;
    struct vocabulary *vocabulary = vocabulary_create(words, tokens, "test", &error);
    return vocabulary ? tokenizer_create(vocabulary, options, &error) : NULL;
}

int bench_set_up(void **state)
{
    struct scratch *scratch = NULL;
    struct bench *bench = calloc(1, sizeof *bench);
    if (!bench || scratch_set_up((void **)&scratch) != 0)
        return -1;
    bench->scratch = *scratch;
    free(scratch);
    bench->tokenizer = bench_tokenizer(BENCH_TOKENS, true);
    snprintf(bench->output, sizeof bench->output, "%s/out", bench->scratch.directory);
    bench->messages = tmpfile();
    *state = bench;
    if (!bench->tokenizer || !bench->messages)
        return -1;
    bench->log = log_open(bench->messages);
    return 0;
}

int bench_tear_down(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    tokenizer_free(bench->tokenizer);
    fclose(bench->messages);
    bool removed = directory_remove(bench->scratch.directory, &error);
    free(bench);
    return removed ? 0 : -1;
}

struct prepare_options bench_options(const char *const *train, const char *const *valid)
{
    return (struct prepare_options){
        .train = train,
        .train_count = 1,
        .valid = valid,
        .valid_count = valid ? 1 : 0,
        .threads = 2,
    };
}

struct prepare_summary bench_prepare(struct bench *bench, const struct prepare_options *options)
{
    struct error error = {0};
    struct prepare_summary summary = {0};
    if (!prepare_dataset(bench->output, bench->tokenizer, options, &summary, &bench->log, &error))
        fail_msg("%s", error.message);
    return summary;
}

void bench_expect_failure(struct bench *bench, const struct prepare_options *options,
                          const char *message)
{
    struct error error = {0};
    struct prepare_summary summary;
    assert_false(
        prepare_dataset(bench->output, bench->tokenizer, options, &summary, &bench->log, &error));
    if (!strstr(error.message, message))
        fail_msg("found: %s; expected: %s", error.message, message);
}

bool bench_was_logged(struct bench *bench, const char *text)
{
    char said[4096];
    rewind(bench->messages);
    size_t size = fread(said, 1, sizeof said - 1, bench->messages);
    said[size] = 0;
    rewind(bench->messages);
    assert_int_equal(ftruncate(fileno(bench->messages), 0), 0);
    return strstr(said, text);
}

struct dataset *bench_open_dataset(const struct bench *bench, const char *prefix)
{
    struct error error = {0};
    const struct vocabulary *vocabulary = tokenizer_vocabulary(bench->tokenizer);
    struct dataset *dataset = dataset_open(bench->output, prefix, vocabulary_size(vocabulary),
                                           vocabulary_hash(vocabulary), &error);
    if (!dataset)
        fail_msg("%s", error.message);
    return dataset;
}

void bench_expect_dataset(struct bench *bench, const char *prefix, const char *expected)
{
    struct error error = {0};
    struct buffer found = {0};
    struct dataset *dataset = bench_open_dataset(bench, prefix);
    for (uint64_t i = 0; i < dataset_documents(dataset); i++) {
        struct document document = dataset_document(dataset, i);
        assert_true(buffer_print(&found, &error, "%s", i ? "|" : ""));
        for (uint32_t j = 0; j < document.sentences; j++) {
            int32_t ids[64];
            uint64_t first = document.sentence_starts[j], last = document.sentence_starts[j + 1];
            dataset_read(dataset, document.shard, first, last, ids);
            for (uint64_t k = 0; k < last - first; k++)
                assert_true(buffer_print(&found, &error, "%c%d", k ? ' ' : '(', ids[k]));
            assert_true(buffer_print(&found, &error, ")"));
        }
    }
    assert_string_equal(found.data, expected);
    buffer_free(&found);
    dataset_close(dataset);
}

char *bench_path(const struct bench *bench, const char *name)
{
    struct error error = {0};
    char *path = path_join(bench->output, name, &error);
    assert_non_null(path);
    return path;
}

uint64_t bench_hash(const struct bench *bench, const char *name)
{
    struct error error = {0};
    uint64_t size, hash;
    char *path = bench_path(bench, name);
    if (!hash_file(path, &size, &hash, &error))
        fail_msg("%s", error.message);
    free(path);
    return hash;
}

bool bench_has(const struct bench *bench, const char *name)
{
    char *path = bench_path(bench, name);
    bool exists = path_exists(path);
    free(path);
    return exists;
}

void bench_write(const struct bench *bench, const char *name, const char *text)
{
    struct error error = {0};
    char *path = bench_path(bench, name);
    assert_true(file_write(path, text, strlen(text), &error));
    free(path);
}
