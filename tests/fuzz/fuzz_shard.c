/* Token shards. The first byte says which of the two checksums are put right for the fuzzer, so
 * that what lies behind them is reached. What opens can be read document by document, and holds
 * what its header says. */
#include "base/hash.h"
#include "data/dataset.h"
#include "data/shard_format.h"
#include "fuzz/support.h"

#include <stdlib.h>
#include <string.h>

enum { REPAIR_BODY = 1, REPAIR_HEADER = 2 };

static void repair(struct buffer *shard, unsigned what)
{
    struct shard_header header;
    if (shard->size < sizeof header)
        return;
    memcpy(&header, shard->data, sizeof header);
    if (what & REPAIR_BODY)
        header.body_hash = hash_bytes(shard->data + sizeof header, shard->size - sizeof header);
    if (what & REPAIR_HEADER)
        header.header_hash = hash_bytes(&header, offsetof(struct shard_header, header_hash));
    memcpy(shard->data, &header, sizeof header);
}

/* Returns the header; zeros if there is none. */
static struct shard_header header_of(const struct buffer *shard)
{
    struct shard_header header = {0};
    if (shard->size >= sizeof header)
        memcpy(&header, shard->data, sizeof header);
    return header;
}

static void check_dataset(const struct dataset *dataset, uint32_t vocabulary_size)
{
    uint64_t sentences = 0, tokens = 0;
    for (uint64_t i = 0; i < dataset_documents(dataset); i++) {
        struct document document = dataset_document(dataset, i);
        CHECK(document.sentences > 0);
        for (uint32_t j = 0; j < document.sentences; j++) {
            uint64_t first = document.sentence_starts[j], last = document.sentence_starts[j + 1];
            CHECK(first < last);
            int32_t *ids = malloc((last - first) * sizeof *ids);
            CHECK(ids);
            dataset_read(dataset, document.shard, first, last, ids);
            for (uint64_t t = 0; t < last - first; t++)
                CHECK(ids[t] >= 0 && (uint32_t)ids[t] < vocabulary_size);
            free(ids);
            tokens += last - first;
        }
        sentences += document.sentences;
    }
    CHECK(sentences == dataset_sentences(dataset) && tokens == dataset_tokens(dataset));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {0};
    struct buffer shard = {0};
    unsigned repaired = fuzz_take_byte(&data, &size);
    CHECK(buffer_append(&shard, data, size, &error));
    repair(&shard, repaired);
    fuzz_write("train-00000.shard", shard.data, shard.size);
    /* The vocabulary is the one that the header names. */
    const struct shard_header header = header_of(&shard);
    struct dataset *dataset = dataset_open(fuzz_path("."), "train", (int32_t)header.vocabulary_size,
                                           header.vocabulary_hash, &error);
    if (dataset)
        check_dataset(dataset, header.vocabulary_size);
    else
        fuzz_check_error(&error);
    dataset_close(dataset);
    buffer_free(&shard);
    return 0;
}

static void seed_shard(const char *name, int32_t vocabulary_size)
{
    static const int32_t ids[] = {10, 11, 12, 13, 14, 15, 16};
    struct error error = {0};
    struct dataset_writer *writer =
        dataset_writer_open(fuzz_path("."), "train", vocabulary_size, 7, 1000, &error);
    CHECK(writer);
    for (int document = 0; document < 2; document++)
        CHECK(dataset_writer_sentence(writer, ids, 3, &error) &&
              dataset_writer_sentence(writer, ids + 2, (size_t)(2 + document), &error) &&
              dataset_writer_document(writer, &error));
    CHECK(dataset_writer_close(writer, &error));
    struct buffer seed = {0};
    CHECK(buffer_append(&seed, "3", 1, &error));
    fuzz_read(fuzz_path("train-00000.shard"), &seed);
    fuzz_seed(name, seed.data, seed.size);
    buffer_free(&seed);
}

void fuzz_seeds(void)
{
    seed_shard("narrow", 100);
    seed_shard("wide", 100000);
}
