#include "base/directory.h"
#include "data/dataset.h"

#include "base/buffer.h"
#include "base/hash.h"
#include "base/random.h"
#include "data/shard_format.h"
#include "support/contents.h"
#include "support/scratch.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { VOCABULARY_SIZE = 100, NO_LIMIT = 1 << 30 };

static const uint64_t vocabulary_hash = 0x0123456789ABCDEF;

/* ---- support ---- */

static struct dataset_writer *open_writer(const struct scratch *scratch, int32_t size,
                                          uint64_t shard_tokens)
{
    struct error error = {0};
    struct dataset_writer *writer = dataset_writer_open(scratch->directory, "train", size,
                                                        vocabulary_hash, shard_tokens, &error);
    assert_non_null(writer);
    return writer;
}

static void put_sentence(struct dataset_writer *writer, const int32_t *ids, size_t count)
{
    struct error error = {0};
    assert_true(dataset_writer_sentence(writer, ids, count, &error));
}

static void end_document(struct dataset_writer *writer)
{
    struct error error = {0};
    assert_true(dataset_writer_document(writer, &error));
}

static void close_writer(struct dataset_writer *writer)
{
    struct error error = {0};
    if (!dataset_writer_close(writer, &error))
        fail_msg("%s", error.message);
}

static struct dataset *open_dataset(const struct scratch *scratch, int32_t size)
{
    struct error error = {0};
    struct dataset *dataset =
        dataset_open(scratch->directory, "train", size, vocabulary_hash, &error);
    if (!dataset)
        fail_msg("%s", error.message);
    return dataset;
}

/* Writes two documents, (10 11 12)(13) and (14), into one shard. */
static void write_small_dataset(const struct scratch *scratch, uint64_t shard_tokens)
{
    struct dataset_writer *writer = open_writer(scratch, VOCABULARY_SIZE, shard_tokens);
    put_sentence(writer, (const int32_t[]){10, 11, 12}, 3);
    put_sentence(writer, (const int32_t[]){13}, 1);
    end_document(writer);
    put_sentence(writer, (const int32_t[]){14}, 1);
    end_document(writer);
    close_writer(writer);
}

static void expect_document(const struct dataset *dataset, uint64_t index, uint32_t shard,
                            const int32_t *ids, const uint64_t *sizes, uint32_t sentences)
{
    struct document document = dataset_document(dataset, index);
    assert_int_equal(document.shard, shard);
    assert_int_equal(document.sentences, sentences);
    for (uint32_t i = 0; i < sentences; i++) {
        int32_t found[64];
        uint64_t first = document.sentence_starts[i], last = document.sentence_starts[i + 1];
        assert_int_equal(last - first, sizes[i]);
        dataset_read(dataset, shard, first, last, found);
        assert_memory_equal(found, ids, sizes[i] * sizeof *ids);
        ids += sizes[i];
    }
}

static size_t count_files(const struct scratch *scratch)
{
    size_t count = 0;
    DIR *directory = opendir(scratch->directory);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static void expect_refused(struct scratch *scratch, int32_t vocabulary_size, uint64_t hash,
                           const char *message)
{
    struct error error = {0};
    assert_null(dataset_open(scratch->directory, "train", vocabulary_size, hash, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_memory_equal(error.message, scratch->directory, strlen(scratch->directory));
    assert_string_equal(error.message + strlen(scratch->directory), message);
}

/* ---- writing and reading ---- */

static void reads_what_was_written(void **state)
{
    write_small_dataset(*state, NO_LIMIT);
    struct dataset *dataset = open_dataset(*state, VOCABULARY_SIZE);
    assert_int_equal(dataset_documents(dataset), 2);
    assert_int_equal(dataset_sentences(dataset), 3);
    assert_int_equal(dataset_tokens(dataset), 5);
    expect_document(dataset, 0, 0, (const int32_t[]){10, 11, 12, 13}, (const uint64_t[]){3, 1}, 2);
    expect_document(dataset, 1, 0, (const int32_t[]){14}, (const uint64_t[]){1}, 1);
    dataset_close(dataset);
    assert_int_equal(count_files(*state), 1);
}

/* The expected bytes follow the table in data/dataset.h. */
static void the_format_is_as_documented(void **state)
{
    static const unsigned char start[72] = {
        'C', 'L', 'Z',  'S',  'H',  'A',  'R',  'D',  1,    0,    0, 0, 4, 3, 2, 1, 2, 0,
        0,   0,   100,  0,    0,    0,    0,    0,    0,    0,    0, 0, 0, 0, 2, 0, 0, 0,
        0,   0,   0,    0,    3,    0,    0,    0,    0,    0,    0, 0, 5, 0, 0, 0, 0, 0,
        0,   0,   0xEF, 0xCD, 0xAB, 0x89, 0x67, 0x45, 0x23, 0x01, 1, 0, 0, 0, 0, 0, 0, 0};
    static const unsigned char zeros[40];
    static const unsigned char body[72] = {
        10, 0, 11, 0, 12, 0, 13, 0, 14, 0, 0, 0, 0, 0, 0, 0, /* ids */
        0,  0, 0,  0, 0,  0, 0,  0, 3,  0, 0, 0, 0, 0, 0, 0, 4,
        0,  0, 0,  0, 0,  0, 0,  5,                             /* sentences */
        0,  0, 0,  0, 0,  0, 0,                                 /* T */
        0,  0, 0,  0, 0,  0, 0,  0, 2,  0, 0, 0, 0, 0, 0, 0, 3, /* documents */
    };
    write_small_dataset(*state, NO_LIMIT);
    struct buffer bytes = contents_of(scratch_path(*state, "train-00000.shard"));
    assert_int_equal(bytes.size, 128 + sizeof body);
    assert_memory_equal(bytes.data, start, sizeof start);
    assert_memory_equal(bytes.data + 80, zeros, sizeof zeros);
    assert_memory_equal(bytes.data + 128, body, sizeof body);
    uint64_t body_hash = hash_bytes(body, sizeof body), header_hash = hash_bytes(bytes.data, 120);
    assert_memory_equal(bytes.data + 72, &body_hash, 8);
    assert_memory_equal(bytes.data + 120, &header_hash, 8);
    buffer_free(&bytes);
}

static void a_document_never_crosses_a_shard(void **state)
{
    struct dataset_writer *writer = open_writer(*state, VOCABULARY_SIZE, 3);
    for (int32_t document = 0; document < 5; document++) {
        put_sentence(writer, (const int32_t[]){document, 20}, 2);
        end_document(writer);
    }
    close_writer(writer);
    assert_int_equal(count_files(*state), 3);
    struct dataset *dataset = open_dataset(*state, VOCABULARY_SIZE);
    assert_int_equal(dataset_documents(dataset), 5);
    for (int32_t document = 0; document < 5; document++)
        expect_document(dataset, (uint64_t)document, (uint32_t)document / 2,
                        (const int32_t[]){document, 20}, (const uint64_t[]){2}, 1);
    dataset_close(dataset);
}

static void a_shard_that_is_just_full_is_the_last(void **state)
{
    write_small_dataset(*state, 5);
    assert_int_equal(count_files(*state), 1);
    dataset_close(open_dataset(*state, VOCABULARY_SIZE));
}

static void empty_sentences_and_documents_are_ignored(void **state)
{
    struct dataset_writer *writer = open_writer(*state, VOCABULARY_SIZE, NO_LIMIT);
    end_document(writer);
    put_sentence(writer, NULL, 0);
    end_document(writer);
    put_sentence(writer, (const int32_t[]){1}, 1);
    put_sentence(writer, NULL, 0);
    end_document(writer);
    end_document(writer);
    close_writer(writer);
    struct dataset *dataset = open_dataset(*state, VOCABULARY_SIZE);
    assert_int_equal(dataset_documents(dataset), 1);
    assert_int_equal(dataset_sentences(dataset), 1);
    dataset_close(dataset);
}

static void without_documents_there_is_no_file(void **state)
{
    close_writer(open_writer(*state, VOCABULARY_SIZE, NO_LIMIT));
    assert_int_equal(count_files(*state), 0);
}

static void an_abandoned_shard_leaves_nothing(void **state)
{
    struct dataset_writer *writer = open_writer(*state, VOCABULARY_SIZE, NO_LIMIT);
    put_sentence(writer, (const int32_t[]){1, 2, 3}, 3);
    assert_int_equal(count_files(*state),
                     1); /* only the partial shard: the tables' files are unlinked */
    dataset_writer_abandon(writer);
    assert_int_equal(count_files(*state), 0);
}

/* Compares random documents with a copy in memory, for both widths of an id and many shards. */
static void random_datasets_come_back(void **state)
{
    enum { DOCUMENTS = 300, TOKENS = 40000 };
    const int32_t sizes[] = {65536, 65537};
    int32_t *ids = malloc(TOKENS * sizeof *ids);
    assert_non_null(ids);
    for (int round = 0; round < 2; round++) {
        uint64_t sentence_sizes[DOCUMENTS][8], documents[DOCUMENTS], used = 0;
        struct random random = random_begin(7, RANDOM_TEST, (uint64_t)round, 0);
        struct dataset_writer *writer = open_writer(*state, sizes[round], 1000);
        for (int i = 0; i < DOCUMENTS; i++) {
            documents[i] = 1 + random_below(&random, 8);
            for (uint64_t j = 0; j < documents[i]; j++) {
                uint64_t size = sentence_sizes[i][j] = 1 + random_below(&random, 16);
                for (uint64_t k = 0; k < size; k++)
                    ids[used + k] = (int32_t)random_below(&random, (uint32_t)sizes[round]);
                ids[used] = sizes[round] - 1;
                put_sentence(writer, ids + used, size);
                used += size;
            }
            end_document(writer);
        }
        close_writer(writer);
        struct dataset *dataset = open_dataset(*state, sizes[round]);
        assert_int_equal(dataset_documents(dataset), DOCUMENTS);
        assert_int_equal(dataset_tokens(dataset), used);
        used = 0;
        for (uint64_t i = 0; i < DOCUMENTS; i++) {
            uint32_t shard = dataset_document(dataset, i).shard;
            expect_document(dataset, i, shard, ids + used, sentence_sizes[i],
                            (uint32_t)documents[i]);
            for (uint64_t j = 0; j < documents[i]; j++)
                used += sentence_sizes[i][j];
        }
        assert_true(dataset_document(dataset, DOCUMENTS - 1).shard > 5);
        dataset_close(dataset);
    }
    free(ids);
}

static void an_unwritable_directory_is_an_error(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    struct dataset_writer *writer =
        dataset_writer_open(scratch_path(scratch, "missing"), "train", 10, 0, NO_LIMIT, &error);
    assert_non_null(writer);
    assert_false(dataset_writer_sentence(writer, (const int32_t[]){1}, 1, &error));
    assert_non_null(strstr(error.message, "missing/train-00000.shard: cannot create"));
    dataset_writer_abandon(writer);
}

/* ---- refusals ---- */

static void a_missing_shard_is_named(void **state)
{
    struct scratch *scratch = *state;
    expect_refused(scratch, VOCABULARY_SIZE, vocabulary_hash,
                   "/train-00000.shard: cannot open: No such file or directory");
    write_small_dataset(scratch, 1);
    assert_int_equal(count_files(scratch), 2);
    assert_int_equal(remove(scratch_path(scratch, "train-00001.shard")), 0);
    expect_refused(scratch, VOCABULARY_SIZE, vocabulary_hash,
                   "/train-00001.shard: cannot open: No such file or directory");
}

static void a_different_vocabulary_is_refused(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    write_small_dataset(scratch, NO_LIMIT);
    expect_refused(scratch, VOCABULARY_SIZE, 1,
                   "/train-00000.shard: was made with a different vocabulary: 100 tokens, hash "
                   "0123456789abcdef; expected 100, 0000000000000001");
    expect_refused(scratch, 101, vocabulary_hash,
                   "/train-00000.shard: was made with a different vocabulary: 100 tokens, hash "
                   "0123456789abcdef; expected 101, 0123456789abcdef");
    expect_refused(scratch, 0, 0,
                   "/train-00000.shard: was made with a different vocabulary: 100 tokens, hash "
                   "0123456789abcdef; expected 0, 0000000000000000");
    struct dataset *dataset =
        dataset_open(scratch->directory, "train", VOCABULARY_SIZE, vocabulary_hash, &error);
    assert_non_null(dataset);
    dataset_close(dataset);
}

static void every_damaged_byte_is_noticed(void **state)
{
    struct scratch *scratch = *state;
    write_small_dataset(scratch, NO_LIMIT);
    struct buffer bytes = contents_of(scratch_path(scratch, "train-00000.shard"));
    for (size_t i = 0; i < bytes.size; i++) {
        struct error error = {0};
        bytes.data[i] = (char)(bytes.data[i] ^ 0x10);
        scratch_write(scratch, "train-00000.shard", bytes.data, bytes.size);
        assert_null(
            dataset_open(scratch->directory, "train", VOCABULARY_SIZE, vocabulary_hash, &error));
        assert_non_null(strstr(error.message, "train-00000.shard: "));
        bytes.data[i] = (char)(bytes.data[i] ^ 0x10);
    }
    buffer_free(&bytes);
}

static void every_truncation_is_noticed(void **state)
{
    struct scratch *scratch = *state;
    write_small_dataset(scratch, NO_LIMIT);
    struct buffer bytes = contents_of(scratch_path(scratch, "train-00000.shard"));
    for (size_t size = 0; size < bytes.size; size++) {
        struct error error = {0};
        scratch_write(scratch, "train-00000.shard", bytes.data, size);
        assert_null(
            dataset_open(scratch->directory, "train", VOCABULARY_SIZE, vocabulary_hash, &error));
    }
    expect_refused(scratch, VOCABULARY_SIZE, vocabulary_hash,
                   "/train-00000.shard: is damaged: it has 199 bytes, which is not what 5 tokens, "
                   "3 sentences and 2 documents take");
    scratch_write(scratch, "train-00000.shard", bytes.data, 100);
    expect_refused(scratch, VOCABULARY_SIZE, vocabulary_hash,
                   "/train-00000.shard: has 100 bytes; a shard has at least 128");
    buffer_free(&bytes);
}

/* A change to a shard that makes the contents invalid, with right hashes. */
struct forgery {
    size_t offset; /* offset of a value of 4 or 8 bytes */
    size_t size;
    uint64_t value;
    const char *message;
};

static void expect_forgery_refused(struct scratch *scratch, const struct forgery *forgery)
{
    struct buffer bytes = contents_of(scratch_path(scratch, "good"));
    struct shard_header header;
    memcpy(bytes.data + forgery->offset, &forgery->value, forgery->size);
    memcpy(&header, bytes.data, sizeof header);
    header.body_hash = hash_bytes(bytes.data + sizeof header, bytes.size - sizeof header);
    header.header_hash = hash_bytes(&header, offsetof(struct shard_header, header_hash));
    memcpy(bytes.data, &header, sizeof header);
    scratch_write(scratch, "train-00000.shard", bytes.data, bytes.size);
    /* The vocabulary is the one that the header names. */
    expect_refused(scratch, (int32_t)header.vocabulary_size, header.vocabulary_hash,
                   forgery->message);
    buffer_free(&bytes);
}

#define FILE_NAME      "/train-00000.shard: "
#define DISORDER(what) FILE_NAME "is damaged: the starts of its " what " are out of order"
#define WRONG_SIZE(tokens, sentences, documents)                                                   \
    FILE_NAME "is damaged: it has 200 bytes, which is not what " tokens " tokens, " sentences      \
              " sentences and " documents " documents take"

static void shards_with_invalid_contents_are_refused(void **state)
{
    static const struct forgery forgeries[] = {
        {0, 4, 0, FILE_NAME "is not a shard file: it does not start with CLZSHARD"},
        {8, 4, 2, FILE_NAME "has version 2 of the format; expected 1"},
        {12, 4, 0x04030201, FILE_NAME "was written on a machine with a different byte order"},
        {16, 4, 4, FILE_NAME "is damaged: 4 bytes per id do not fit a vocabulary of 100"},
        {20, 4, 0, FILE_NAME "is damaged: 2 bytes per id do not fit a vocabulary of 0"},
        {20, 4, 0x80000000,
         FILE_NAME "is damaged: 2 bytes per id do not fit a vocabulary of 2147483648"},
        {20, 4, 14, FILE_NAME "contains id 14; the vocabulary has 14"},
        {24, 8, 1, FILE_NAME "holds shard 1; expected 0"},
        {32, 8, 0,
         FILE_NAME "is damaged: the header counts 0 documents and marks the last shard with 1"},
        {64, 8, 2,
         FILE_NAME "is damaged: the header counts 2 documents and marks the last shard with 2"},
        {64, 8, 0, "/train-00001.shard: cannot open: No such file or directory"},
        {32, 8, 3, WRONG_SIZE("5", "3", "3")},
        {32, 8, UINT64_MAX, WRONG_SIZE("5", "3", "18446744073709551615")},
        {40, 8, UINT64_MAX / 8, WRONG_SIZE("5", "2305843009213693951", "2")},
        {48, 8, (uint64_t)1 << 63, WRONG_SIZE("9223372036854775808", "3", "2")},
        {48, 8, UINT64_MAX / 2, WRONG_SIZE("9223372036854775807", "3", "2")},
        {48, 8, 6, DISORDER("sentences")}, /* the size is right, but the table ends with 5 */
        {144, 8, 1, DISORDER("sentences")},
        {152, 8, 4, DISORDER("sentences")},
        {152, 8, UINT64_MAX, DISORDER("sentences")},
        {168, 8, 6, DISORDER("sentences")},
        {176, 8, 1, DISORDER("documents")},
        {184, 8, 3, DISORDER("documents")},
        {184, 8, 0, DISORDER("documents")},
        {192, 8, 4, DISORDER("documents")},
    };
    struct scratch *scratch = *state;
    write_small_dataset(scratch, NO_LIMIT);
    struct buffer bytes = contents_of(scratch_path(scratch, "train-00000.shard"));
    scratch_write(scratch, "good", bytes.data, bytes.size);
    buffer_free(&bytes);
    for (size_t i = 0; i < sizeof forgeries / sizeof *forgeries; i++)
        expect_forgery_refused(scratch, &forgeries[i]);
}

static void a_directory_in_place_of_a_shard_is_refused(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    assert_true(directory_make(scratch_path(scratch, "train-00000.shard"), &error));
    assert_null(
        dataset_open(scratch->directory, "train", VOCABULARY_SIZE, vocabulary_hash, &error));
    assert_non_null(strstr(error.message, "train-00000.shard: is a directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(reads_what_was_written),
        SCRATCH_TEST(the_format_is_as_documented),
        SCRATCH_TEST(a_document_never_crosses_a_shard),
        SCRATCH_TEST(a_shard_that_is_just_full_is_the_last),
        SCRATCH_TEST(empty_sentences_and_documents_are_ignored),
        SCRATCH_TEST(without_documents_there_is_no_file),
        SCRATCH_TEST(an_abandoned_shard_leaves_nothing),
        SCRATCH_TEST(random_datasets_come_back),
        SCRATCH_TEST(an_unwritable_directory_is_an_error),
        SCRATCH_TEST(a_missing_shard_is_named),
        SCRATCH_TEST(a_different_vocabulary_is_refused),
        SCRATCH_TEST(every_damaged_byte_is_noticed),
        SCRATCH_TEST(every_truncation_is_noticed),
        SCRATCH_TEST(shards_with_invalid_contents_are_refused),
        SCRATCH_TEST(a_directory_in_place_of_a_shard_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
