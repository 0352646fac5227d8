/* A shard of more than 2^31 tokens and 4 GB. It is sparse, but verifying it reads all of it and
 * takes some seconds, so the test runs only where CLOZE_THOROUGH is set. */
#include "base/hash.h"
#include "data/dataset.h"
#include "data/examples.h"
#include "data/shard_format.h"
#include "support/scratch.h"
#include "support/skipping.h"
#include "support/synthetic.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORD = SPECIAL_COUNT, SEQ_LEN = 512, SPAN = SEQ_LEN - 2, TAIL = 8 };

/* The only document has a sentence that ends after 2^31 tokens, and one of eight tokens. */
#define LONG_SENTENCE (((uint64_t)1 << 31) + 100)
#define TOKENS        (LONG_SENTENCE + TAIL)

static void put(int file, uint64_t offset, const void *data, size_t size)
{
    assert_int_equal(pwrite(file, data, size, (off_t)offset), size);
}

/* Hashes the body: zeros and the given last bytes. */
static uint64_t hash_body(uint64_t zeros, const void *end, size_t size)
{
    enum { BLOCK = 1 << 20 };
    static const char nothing[BLOCK];
    struct error error = {0};
    struct hash_stream *hash = hash_stream_begin(&error);
    assert_non_null(hash);
    for (uint64_t left = zeros, part; left > 0; left -= part) {
        part = left < BLOCK ? left : BLOCK;
        hash_stream_put(hash, nothing, part);
    }
    hash_stream_put(hash, end, size);
    uint64_t result = hash_stream_end(hash);
    hash_stream_free(hash);
    return result;
}

static void write_shard(struct scratch *scratch, const struct vocabulary *vocabulary)
{
    struct {
        uint16_t ids[TAIL];
        uint64_t sentence_starts[3], document_starts[2];
    } end = {.sentence_starts = {0, LONG_SENTENCE, TOKENS}, .document_starts = {0, 2}};
    struct shard_header shard = {
        .magic = SHARD_MAGIC,
        .version = SHARD_VERSION,
        .byte_order = SHARD_BYTE_ORDER,
        .id_bytes = 2,
        .vocabulary_size = (uint32_t)vocabulary_size(vocabulary),
        .documents = 1,
        .sentences = 2,
        .tokens = TOKENS,
        .vocabulary_hash = vocabulary_hash(vocabulary),
        .is_last = 1,
    };
    struct shard_layout layout = {0};
    for (int i = 0; i < TAIL; i++)
        end.ids[i] = WORD;
    assert_true(shard_layout_of(&shard, &layout));
    assert_true(layout.size == sizeof shard + 2 * LONG_SENTENCE + sizeof end);
    shard.body_hash = hash_body(2 * LONG_SENTENCE, &end, sizeof end);
    shard.header_hash = hash_bytes(&shard, offsetof(struct shard_header, header_hash));
    int file = open(scratch_path(scratch, "train-00000.shard"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    put(file, 0, &shard, sizeof shard);
    put(file, layout.size - sizeof end, &end, sizeof end);
    close(file);
}

static void check_tokens(const struct dataset *dataset)
{
    int32_t ids[TAIL + 1];
    struct document document = dataset_document(dataset, 0);
    assert_true(dataset_tokens(dataset) == TOKENS);
    assert_true(document.sentence_starts[1] == LONG_SENTENCE);
    dataset_read(dataset, 0, LONG_SENTENCE - 1, TOKENS, ids);
    assert_int_equal(ids[0], 0);
    for (int i = 1; i <= TAIL; i++)
        assert_int_equal(ids[i], WORD);
}

/* Asserts that an epoch has all spans and that one of them ends the shard. */
static void check_examples(const struct dataset *dataset, const struct vocabulary *vocabulary)
{
    struct error error = {0};
    const struct example_options options = {.seed = 1, .seq_len = SEQ_LEN};
    struct epoch *epoch = epoch_open(dataset, vocabulary, options, 0, 1, &error);
    if (!epoch)
        fail_msg("%s", error.message);
    uint64_t count = epoch_examples(epoch);
    assert_true(count == (TOKENS + SPAN - 1) / SPAN);
    for (uint64_t position = 0; position < 100; position++) {
        struct example example = epoch_example(epoch, position);
        assert_true(example.instance < count);
        assert_true(example.a.first == example.instance * SPAN);
        assert_true(example.a.last == example.a.first + SPAN || example.a.last == TOKENS);
    }
    epoch_close(epoch);
}

static void a_shard_of_more_than_2_31_tokens_is_read(void **state)
{
    struct error error = {0};
    if (!getenv("CLOZE_THOROUGH"))
        skip_test("CLOZE_THOROUGH is not set: this writes a shard of more than 4 GiB");
    struct vocabulary *vocabulary = synthetic_vocabulary(5, 1);
    struct scratch *scratch = *state;
    write_shard(scratch, vocabulary);
    struct dataset *dataset = dataset_open(scratch->directory, "train", vocabulary_size(vocabulary),
                                           vocabulary_hash(vocabulary), &error);
    if (!dataset)
        fail_msg("%s", error.message);
    check_tokens(dataset);
    check_examples(dataset, vocabulary);
    dataset_close(dataset);
    vocabulary_free(vocabulary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(a_shard_of_more_than_2_31_tokens_is_read),
    };
    return group_status(cmocka_run_group_tests(tests, NULL, NULL), sizeof tests / sizeof *tests);
}
