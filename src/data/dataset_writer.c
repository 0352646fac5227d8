#include "base/file_writer.h"
#include "base/min.h"
#include "data/dataset.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/partial.h"
#include "data/shard_format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A growing table of numbers on the disk. Its file is unlinked as soon as it is open, so that a
 * killed process leaves nothing on the disk. */
struct spill {
    FILE *stream;
    char *path; /* the path that the file had, for messages */
};

struct dataset_writer {
    char *directory;
    char *prefix;
    uint64_t shard_tokens;
    /* The header of the open shard, or of the next one, with the counts so far. */
    struct shard_header header;
    uint32_t document_sentences;

    struct file_writer *shard; /* NULL while none is open */
    struct hash_stream *body_hash;
    struct spill sentence_starts, document_starts;
};

char *dataset_shard_path(const char *directory, const char *prefix, uint64_t number,
                         struct error *error)
{
    struct buffer name = {0};
    if (!buffer_print(&name, error, "%s-%05" PRIu64 ".shard", prefix, number))
        return NULL;
    char *path = path_join(directory, name.data, error);
    buffer_free(&name);
    return path;
}

/* ---- tables ---- */

/* Opens a file without a name, which disappears when it is closed. */
static FILE *open_nameless(const char *path, struct error *error)
{
    char *partial = partial_path(path, error);
    int descriptor = partial ? partial_create_file(partial, path, error) : -1;
    FILE *stream = NULL;
    if (descriptor >= 0) {
        stream = unlink(partial) == 0 ? fdopen(descriptor, "wb+") : NULL;
        if (!stream) {
            fail_path(error, errno, path, "create");
            close(descriptor);
        }
    }
    free(partial);
    return stream;
}

static bool spill_open(struct spill *spill, const char *shard_path, const char *what,
                       struct error *error)
{
    struct buffer path = {0};
    if (!buffer_print(&path, error, "%s.%s", shard_path, what))
        return false;
    spill->path = path.data;
    spill->stream = open_nameless(spill->path, error);
    return spill->stream;
}

static void spill_close(struct spill *spill)
{
    if (spill->stream)
        fclose(spill->stream);
    free(spill->path);
    *spill = (struct spill){0};
}

static bool spill_put(struct spill *spill, uint64_t value, struct error *error)
{
    return fwrite(&value, sizeof value, 1, spill->stream) == 1 ||
           fail_path(error, errno, spill->path, "write");
}

/* ---- shards ---- */

struct dataset_writer *dataset_writer_open(const char *directory, const char *prefix,
                                           int32_t vocabulary_size, uint64_t vocabulary_hash,
                                           uint64_t shard_tokens, struct error *error)
{
    CHECK(vocabulary_size > 0 && shard_tokens > 0);
    struct dataset_writer *writer = allocate(1, sizeof *writer, error);
    if (!writer)
        return NULL;
    writer->header = (struct shard_header){
        .magic = SHARD_MAGIC,
        .version = SHARD_VERSION,
        .byte_order = SHARD_BYTE_ORDER,
        .id_bytes = shard_id_bytes((uint32_t)vocabulary_size),
        .vocabulary_size = (uint32_t)vocabulary_size,
        .vocabulary_hash = vocabulary_hash,
    };
    writer->shard_tokens = shard_tokens;
    writer->directory = strdup(directory);
    writer->prefix = strdup(prefix);
    if (!writer->directory || !writer->prefix) {
        fail_work(error, "out of memory: the name of a dataset");
        dataset_writer_abandon(writer);
        return NULL;
    }
    return writer;
}

/* Frees the memory and files of an open shard. */
static void free_shard(struct dataset_writer *writer)
{
    file_writer_abandon(writer->shard);
    writer->shard = NULL;
    hash_stream_free(writer->body_hash);
    writer->body_hash = NULL;
    spill_close(&writer->sentence_starts);
    spill_close(&writer->document_starts);
}

void dataset_writer_abandon(struct dataset_writer *writer)
{
    if (!writer)
        return;
    free_shard(writer);
    free(writer->directory);
    free(writer->prefix);
    free(writer);
}

static bool put_body(struct dataset_writer *writer, const void *data, size_t size,
                     struct error *error)
{
    hash_stream_put(writer->body_hash, data, size);
    return file_writer_put(writer->shard, data, size, error);
}

/* Writes a preliminary header; patch_header replaces it when the counts and hashes are known. */
static bool start_shard(struct dataset_writer *writer, struct error *error)
{
    char *path =
        dataset_shard_path(writer->directory, writer->prefix, writer->header.number, error);
    if (!path)
        return false;
    bool started = (writer->shard = file_writer_open(path, error)) &&
                   (writer->body_hash = hash_stream_begin(error)) &&
                   spill_open(&writer->sentence_starts, path, "sentences", error) &&
                   spill_open(&writer->document_starts, path, "documents", error) &&
                   file_writer_put(writer->shard, &writer->header, sizeof writer->header, error);
    free(path);
    return started;
}

/* Appends a table, with `end` as its last entry, to the shard. */
static bool put_table(struct dataset_writer *writer, struct spill *spill, uint64_t end,
                      struct error *error)
{
    char block[16 << 10];
    size_t size;
    if (!spill_put(spill, end, error))
        return false;
    if (fseeko(spill->stream, 0, SEEK_SET) != 0)
        return fail_path(error, errno, spill->path, "write");
    while ((size = fread(block, 1, sizeof block, spill->stream)) > 0)
        if (!put_body(writer, block, size, error))
            return false;
    return !ferror(spill->stream) || fail_path(error, errno, spill->path, "read back");
}

static bool patch_header(struct dataset_writer *writer, bool is_last, struct error *error)
{
    struct shard_header *header = &writer->header;
    header->is_last = is_last;
    header->body_hash = hash_stream_end(writer->body_hash);
    header->header_hash = hash_bytes(header, offsetof(struct shard_header, header_hash));
    return file_writer_patch(writer->shard, 0, header, sizeof *header, error);
}

static bool commit_shard(struct dataset_writer *writer, struct error *error)
{
    struct file_writer *shard = writer->shard;
    writer->shard = NULL;
    return file_writer_commit(shard, error);
}

static bool finish_shard(struct dataset_writer *writer, bool is_last, struct error *error)
{
    static const char zeros[SHARD_ALIGNMENT];
    struct shard_header *header = &writer->header;
    size_t padding = -(header->tokens * header->id_bytes) % SHARD_ALIGNMENT;
    bool finished = put_body(writer, zeros, padding, error) &&
                    put_table(writer, &writer->sentence_starts, header->tokens, error) &&
                    put_table(writer, &writer->document_starts, header->sentences, error) &&
                    patch_header(writer, is_last, error) && commit_shard(writer, error);
    if (!finished)
        return false;
    free_shard(writer);
    header->number++;
    header->documents = header->sentences = header->tokens = 0;
    return true;
}

/* ---- documents ---- */

/* A full shard is closed when the next document begins, since until then it may be the last one. */
static bool begin_document(struct dataset_writer *writer, struct error *error)
{
    if (writer->shard && writer->header.tokens >= writer->shard_tokens &&
        !finish_shard(writer, false, error))
        return false;
    if (!writer->shard && !start_shard(writer, error))
        return false;
    return spill_put(&writer->document_starts, writer->header.sentences, error);
}

static bool put_ids(struct dataset_writer *writer, const int32_t *ids, size_t count,
                    struct error *error)
{
    if (writer->header.id_bytes == sizeof *ids)
        return put_body(writer, ids, count * sizeof *ids, error);
    uint16_t packed[1024];
    const size_t room = sizeof packed / sizeof *packed;
    while (count > 0) {
        size_t slice = min_size(count, room);
        for (size_t i = 0; i < slice; i++)
            packed[i] = (uint16_t)ids[i];
        if (!put_body(writer, packed, slice * sizeof *packed, error))
            return false;
        ids += slice;
        count -= slice;
    }
    return true;
}

bool dataset_writer_sentence(struct dataset_writer *writer, const int32_t *ids, size_t count,
                             struct error *error)
{
    struct shard_header *header = &writer->header;
    if (count == 0)
        return true;
    for (size_t i = 0; i < count; i++)
        CHECK(ids[i] >= 0 && (uint32_t)ids[i] < header->vocabulary_size);
    if (writer->document_sentences == 0 && !begin_document(writer, error))
        return false;
    if (writer->document_sentences == UINT32_MAX)
        return fail_work(error, "a document of more than %u sentences", UINT32_MAX);
    if (!spill_put(&writer->sentence_starts, header->tokens, error) ||
        !put_ids(writer, ids, count, error))
        return false;
    writer->document_sentences++;
    header->sentences++;
    header->tokens += count;
    return true;
}

bool dataset_writer_document(struct dataset_writer *writer, struct error *error)
{
    (void)error;
    writer->header.documents += writer->document_sentences > 0;
    writer->document_sentences = 0;
    return true;
}

bool dataset_writer_close(struct dataset_writer *writer, struct error *error)
{
    CHECK(writer->document_sentences == 0);
    bool closed = !writer->shard || finish_shard(writer, true, error);
    dataset_writer_abandon(writer);
    return closed;
}
