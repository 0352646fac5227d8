#include "data/dataset.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/min.h"
#include "data/shard_format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct shard {
    struct mapping mapping;
    const struct shard_header *header; /* this and the next four point into the mapping */
    const uint16_t *ids_16;            /* ids_16 or ids_32 is NULL */
    const uint32_t *ids_32;
    const uint64_t *sentence_starts; /* [sentences + 1] */
    const uint64_t *document_starts; /* [documents + 1] */
    uint64_t first_document;         /* index of the first document in the dataset */
};

struct dataset {
    struct shard *shards;
    size_t count, capacity;
    uint64_t documents, sentences, tokens;
};

/* ---- verification ---- */

/* Checks that a version of this program has written the header on a machine of this byte order. */
static bool check_kind(const char *path, const struct mapping *mapping, struct error *error)
{
    const struct shard_header *header = (const void *)mapping->data;
    if (mapping->size < sizeof *header)
        return fail_input(error, "%s: has %zu bytes; a shard has at least %zu", path, mapping->size,
                          sizeof *header);
    if (memcmp(header->magic, SHARD_MAGIC, sizeof header->magic) != 0)
        return fail_input(error, "%s: is not a shard file: it does not start with " SHARD_MAGIC,
                          path);
    if (header->byte_order != SHARD_BYTE_ORDER)
        return fail_input(error, "%s: was written on a machine with a different byte order", path);
    if (header->version != SHARD_VERSION)
        return fail_input(error, "%s: has version %" PRIu32 " of the format; expected %d", path,
                          header->version, SHARD_VERSION);
    if (header->header_hash != hash_bytes(header, offsetof(struct shard_header, header_hash)))
        return fail_input(error, "%s: is damaged: the header does not match its checksum", path);
    return true;
}

static bool check_header(const char *path, const struct mapping *mapping, uint64_t number,
                         struct shard_layout *layout, struct error *error)
{
    const struct shard_header *header = (const void *)mapping->data;
    if (header->number != number)
        return fail_input(error, "%s: holds shard %" PRIu64 "; expected %" PRIu64, path,
                          header->number, number);
    if (header->vocabulary_size == 0 || header->vocabulary_size > INT32_MAX ||
        header->id_bytes != shard_id_bytes(header->vocabulary_size))
        return fail_input(
            error, "%s: is damaged: %" PRIu32 " bytes per id do not fit a vocabulary of %" PRIu32,
            path, header->id_bytes, header->vocabulary_size);
    if (header->documents == 0 || header->is_last > 1)
        return fail_input(error,
                          "%s: is damaged: the header counts %" PRIu64
                          " documents and marks the last shard with %" PRIu64,
                          path, header->documents, header->is_last);
    if (!shard_layout_of(header, layout) || layout->size != mapping->size)
        return fail_input(error,
                          "%s: is damaged: it has %zu bytes, which is not what %" PRIu64
                          " tokens, %" PRIu64 " sentences and %" PRIu64 " documents take",
                          path, mapping->size, header->tokens, header->sentences,
                          header->documents);
    return true;
}

static uint32_t largest_id(const void *ids, size_t size, uint32_t id_bytes)
{
    uint32_t largest = 0;
    if (id_bytes == sizeof(uint16_t)) {
        const uint16_t *ids_16 = ids;
        for (size_t i = 0; i < size / sizeof *ids_16; i++)
            largest = ids_16[i] > largest ? ids_16[i] : largest;
    } else {
        const uint32_t *ids_32 = ids;
        for (size_t i = 0; i < size / sizeof *ids_32; i++)
            largest = ids_32[i] > largest ? ids_32[i] : largest;
    }
    return largest;
}

/* Releases the pages of a mapping that are no longer needed. The system would take them when it
 * needs them, but until then they count as memory of this process. */
static void release(const struct mapping *mapping)
{
    madvise(mapping->block, mapping->size, MADV_DONTNEED);
}

/* Checks the hash and the ids of the body. It is read once, in slices that are released after use,
 * so that the whole shard is never resident. */
static bool check_body(const char *path, const struct mapping *mapping,
                       const struct shard_layout *layout, struct error *error)
{
    enum { SLICE = 8 << 20 };
    const struct shard_header *header = (const void *)mapping->data;
    struct hash_stream *hash = hash_stream_begin(error);
    if (!hash)
        return false;
    uint32_t largest = 0;
    for (uint64_t start = sizeof *header; start < layout->size; start += SLICE) {
        uint64_t size = min_uint64(layout->size - start, SLICE);
        hash_stream_put(hash, mapping->data + start, size);
        if (start < layout->ids_end) {
            uint64_t ids = min_uint64(layout->ids_end - start, size);
            uint32_t id = largest_id(mapping->data + start, ids, header->id_bytes);
            largest = id > largest ? id : largest;
        }
        release(mapping);
    }
    uint64_t body_hash = hash_stream_end(hash);
    hash_stream_free(hash);
    if (body_hash != header->body_hash)
        return fail_input(error, "%s: is damaged: the contents do not match their checksum", path);
    if (largest >= header->vocabulary_size)
        return fail_input(error, "%s: contains id %" PRIu32 "; the vocabulary has %" PRIu32, path,
                          largest, header->vocabulary_size);
    return true;
}

/* Checks that a table of `count` starts and the end ascends strictly from 0 to `end`. */
static bool check_table(const char *path, const char *what, const uint64_t *starts, uint64_t count,
                        uint64_t end, struct error *error)
{
    bool valid = starts[0] == 0 && starts[count] == end;
    for (uint64_t i = 0; i < count && valid; i++)
        valid = starts[i] < starts[i + 1];
    return valid ||
           fail_input(error, "%s: is damaged: the starts of its %s are out of order", path, what);
}

static bool check_vocabulary(const char *path, const struct shard_header *header,
                             int32_t vocabulary_size, uint64_t vocabulary_hash, struct error *error)
{
    return (header->vocabulary_size == (uint32_t)vocabulary_size &&
            header->vocabulary_hash == vocabulary_hash) ||
           fail_input(error,
                      "%s: was made with a different vocabulary: %" PRIu32
                      " tokens, hash %016" PRIx64 "; expected %" PRId32 ", %016" PRIx64,
                      path, header->vocabulary_size, header->vocabulary_hash, vocabulary_size,
                      vocabulary_hash);
}

/* ---- opening ---- */

static void point_into(struct shard *shard, const struct shard_layout *layout)
{
    const unsigned char *data = shard->mapping.data;
    const void *ids = data + sizeof *shard->header;
    shard->header = (const void *)data;
    shard->ids_16 = shard->header->id_bytes == sizeof(uint16_t) ? ids : NULL;
    shard->ids_32 = shard->header->id_bytes == sizeof(uint32_t) ? ids : NULL;
    shard->sentence_starts = (const void *)(data + layout->sentence_starts);
    shard->document_starts = (const void *)(data + layout->document_starts);
}

static bool check_tables(const char *path, const struct shard *shard, struct error *error)
{
    const struct shard_header *header = shard->header;
    bool valid = check_table(path, "sentences", shard->sentence_starts, header->sentences,
                             header->tokens, error) &&
                 check_table(path, "documents", shard->document_starts, header->documents,
                             header->sentences, error);
    for (uint64_t i = 0; i < header->documents && valid; i++)
        if (shard->document_starts[i + 1] - shard->document_starts[i] > UINT32_MAX)
            valid = fail_input(error, "%s: a document has more than %" PRIu32 " sentences", path,
                               UINT32_MAX);
    release(&shard->mapping);
    return valid;
}

static bool open_shard(struct shard *shard, const char *path, uint64_t number,
                       int32_t vocabulary_size, uint64_t vocabulary_hash, struct error *error)
{
    struct shard_layout layout = {0};
    if (!file_map(path, &shard->mapping, error))
        return false;
    if (!check_kind(path, &shard->mapping, error) ||
        !check_header(path, &shard->mapping, number, &layout, error))
        return false;
    point_into(shard, &layout);
    return check_vocabulary(path, shard->header, vocabulary_size, vocabulary_hash, error) &&
           check_body(path, &shard->mapping, &layout, error) && check_tables(path, shard, error);
}

/* Appends the next shard. On failure it is also in the dataset, so that dataset_close unmaps it. */
static bool add_shard(struct dataset *dataset, const char *path, int32_t vocabulary_size,
                      uint64_t vocabulary_hash, struct error *error)
{
    if (!grow(&dataset->shards, &dataset->capacity, dataset->count + 1, sizeof *dataset->shards,
              error))
        return false;
    struct shard *shard = &dataset->shards[dataset->count++];
    if (!open_shard(shard, path, dataset->count - 1, vocabulary_size, vocabulary_hash, error))
        return false;
    shard->first_document = dataset->documents;
    dataset->documents += shard->header->documents;
    dataset->sentences += shard->header->sentences;
    dataset->tokens += shard->header->tokens;
    return true;
}

static bool has_last_shard(const struct dataset *dataset)
{
    return dataset->count > 0 && dataset->shards[dataset->count - 1].header->is_last;
}

static bool add_all_shards(struct dataset *dataset, const char *directory, const char *prefix,
                           int32_t vocabulary_size, uint64_t vocabulary_hash, struct error *error)
{
    while (!has_last_shard(dataset)) {
        char *path = dataset_shard_path(directory, prefix, dataset->count, error);
        bool added = path && add_shard(dataset, path, vocabulary_size, vocabulary_hash, error);
        free(path);
        if (!added)
            return false;
    }
    return true;
}

struct dataset *dataset_open(const char *directory, const char *prefix, int32_t vocabulary_size,
                             uint64_t vocabulary_hash, struct error *error)
{
    struct dataset *dataset = allocate(1, sizeof *dataset, error);
    if (!dataset)
        return NULL;
    if (!add_all_shards(dataset, directory, prefix, vocabulary_size, vocabulary_hash, error)) {
        dataset_close(dataset);
        return NULL;
    }
    return dataset;
}

void dataset_close(struct dataset *dataset)
{
    if (!dataset)
        return;
    for (size_t i = 0; i < dataset->count; i++)
        file_unmap(&dataset->shards[i].mapping);
    free(dataset->shards);
    free(dataset);
}

/* ---- reading ---- */

uint64_t dataset_documents(const struct dataset *dataset)
{
    return dataset->documents;
}

uint64_t dataset_sentences(const struct dataset *dataset)
{
    return dataset->sentences;
}

/* Hashes the headers' hashes: they have been verified and cover the hashes of the bodies. */
uint64_t dataset_hash(const struct dataset *dataset)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < dataset->count; i++) {
        const uint64_t both[] = {hash, dataset->shards[i].header->header_hash};
        hash = hash_bytes(both, sizeof both);
    }
    return hash;
}

uint64_t dataset_tokens(const struct dataset *dataset)
{
    return dataset->tokens;
}

/* Returns the shard of a document: the last one whose first document is not after it. */
static uint32_t find_shard(const struct dataset *dataset, uint64_t document)
{
    size_t low = 0, high = dataset->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (dataset->shards[middle].first_document <= document)
            low = middle;
        else
            high = middle;
    }
    return (uint32_t)low;
}

struct document dataset_document(const struct dataset *dataset, uint64_t index)
{
    CHECK(index < dataset->documents);
    uint32_t number = find_shard(dataset, index);
    const struct shard *shard = &dataset->shards[number];
    const uint64_t *start = shard->document_starts + (index - shard->first_document);
    return (struct document){
        .sentence_starts = shard->sentence_starts + start[0],
        .sentences = (uint32_t)(start[1] - start[0]),
        .shard = number,
    };
}

void dataset_read(const struct dataset *dataset, uint32_t shard_number, uint64_t first,
                  uint64_t last, int32_t *out)
{
    CHECK(shard_number < dataset->count);
    const struct shard *shard = &dataset->shards[shard_number];
    CHECK(first <= last && last <= shard->header->tokens);
    uint64_t count = last - first;
    if (shard->ids_16)
        for (uint64_t i = 0; i < count; i++)
            out[i] = shard->ids_16[first + i];
    else
        for (uint64_t i = 0; i < count; i++)
            out[i] = (int32_t)shard->ids_32[first + i];
}
