#include "support/synthetic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void require(bool done, const struct error *error)
{
    if (!done)
        fail_msg("synthetic data: %s", error->message);
}

struct vocabulary *synthetic_vocabulary(int words, int pieces)
{
    struct error error = {0};
    int count = SPECIAL_COUNT + words + pieces;
    const char **tokens = calloc((size_t)count, sizeof *tokens);
    char(*texts)[16] = calloc((size_t)count, sizeof *texts);
    assert_true(tokens && texts);
    for (int id = 0; id < count; id++) {
        bool word = id < SPECIAL_COUNT + words;
        snprintf(texts[id], sizeof texts[id], "%s%d", word ? "w" : "##p", id);
        tokens[id] = id < SPECIAL_COUNT ? special_token_names[id] : texts[id];
    }
    struct vocabulary *vocabulary = vocabulary_create(tokens, (size_t)count, "synthetic", &error);
    require(vocabulary, &error);
    free(texts);
    free(tokens);
    return vocabulary;
}

struct synthetic synthetic_begin(int32_t id_limit, uint64_t shard_tokens)
{
    struct error error = {0};
    void *scratch;
    assert_int_equal(scratch_set_up(&scratch), 0);
    struct synthetic synthetic = {.scratch = scratch, .id_limit = id_limit};
    synthetic.writer = dataset_writer_open(synthetic.scratch->directory, "test", id_limit, 0,
                                           shard_tokens, &error);
    require(synthetic.writer, &error);
    return synthetic;
}

void synthetic_ids(struct synthetic *synthetic, const int32_t *ids, size_t count)
{
    struct error error = {0};
    require(dataset_writer_sentence(synthetic->writer, ids, count, &error), &error);
}

void synthetic_sentence(struct synthetic *synthetic, size_t length, int32_t id)
{
    int32_t *ids = calloc(length, sizeof *ids);
    assert_non_null(ids);
    for (size_t i = 0; i < length; i++)
        ids[i] = id;
    synthetic_ids(synthetic, ids, length);
    free(ids);
}

void synthetic_document(struct synthetic *synthetic)
{
    struct error error = {0};
    require(dataset_writer_document(synthetic->writer, &error), &error);
}

const struct dataset *synthetic_open(struct synthetic *synthetic)
{
    struct error error = {0};
    require(dataset_writer_close(synthetic->writer, &error), &error);
    synthetic->dataset =
        dataset_open(synthetic->scratch->directory, "test", synthetic->id_limit, 0, &error);
    require(synthetic->dataset, &error);
    return synthetic->dataset;
}

void synthetic_end(struct synthetic *synthetic)
{
    void *scratch = synthetic->scratch;
    dataset_close(synthetic->dataset);
    assert_int_equal(scratch_tear_down(&scratch), 0);
}
