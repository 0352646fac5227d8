#include "support/loader_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct loader_fixture loader_fixture_begin(int documents)
{
    struct loader_fixture fixture = {
        .vocabulary = synthetic_vocabulary(LOADER_FIXTURE_WORDS, LOADER_FIXTURE_PIECES),
        .synthetic = synthetic_begin(LOADER_FIXTURE_VOCABULARY, 4000),
    };
    struct random random = random_begin(9, RANDOM_TEST, 0, 0);
    for (int document = 0; document < documents; document++) {
        uint32_t sentences = 1 + random_below(&random, 12);
        for (uint32_t i = 0; i < sentences; i++) {
            int32_t ids[30];
            uint32_t length = 1 + random_below(&random, 30);
            for (uint32_t t = 0; t < length; t++)
                ids[t] = SPECIAL_COUNT +
                         (int32_t)random_below(&random, LOADER_FIXTURE_VOCABULARY - SPECIAL_COUNT);
            synthetic_ids(&fixture.synthetic, ids, length);
        }
        synthetic_document(&fixture.synthetic);
    }
    fixture.dataset = synthetic_open(&fixture.synthetic);
    return fixture;
}

void loader_fixture_end(struct loader_fixture *fixture)
{
    synthetic_end(&fixture->synthetic);
    vocabulary_free(fixture->vocabulary);
}

struct loader_options loader_fixture_options(int batch_size, uint64_t last_step)
{
    return (struct loader_options){
        .examples = {.seed = 21, .seq_len = 64, .short_seq_prob = 0.1, .nsp = true},
        .masking = {.mask_prob = 0.15},
        .batch_size = batch_size,
        .first_step = 1,
        .last_step = last_step,
        .threads = LOADER_FIXTURE_THREADS,
    };
}

struct loader *loader_fixture_open(const struct loader_fixture *fixture,
                                   const struct loader_options *options)
{
    struct error error = {0};
    struct loader *loader = loader_open(fixture->dataset, fixture->vocabulary, options, &error);
    if (!loader)
        fail_msg("%s", error.message);
    return loader;
}

int loader_fixture_examples(const struct loader_fixture *fixture,
                            const struct loader_options *options)
{
    struct error error = {0};
    struct epoch *epoch =
        epoch_open(fixture->dataset, fixture->vocabulary, options->examples, 0, 1, &error);
    assert_non_null(epoch);
    const int examples = (int)epoch_examples(epoch);
    epoch_close(epoch);
    return examples;
}

const struct batch *loader_fixture_next(struct loader *loader)
{
    struct error error = {0};
    const struct batch *batch = loader_next(loader, &error);
    if (!batch)
        fail_msg("%s", error.message);
    return batch;
}
