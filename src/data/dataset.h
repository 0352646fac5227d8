/* Token shards on disk: the writer, the reader and the format's description.
 *
 * A dataset consists of the files PREFIX-00000.shard, PREFIX-00001.shard ... of a directory, in the
 * order of the text. Each document is in one shard as a whole. All integers are unsigned and
 * little-endian.
 *
 *     offset  size            content
 *     0       8               magic "CLZSHARD"
 *     8       4               version, 1
 *     12      4               byte order mark 0x01020304
 *     16      4               bytes per id: 2 (vocabulary of up to 65,536) or 4
 *     20      4               size of the vocabulary; every id is below it
 *     24      8               number of this shard, from 0
 *     32      8               documents D, at least 1
 *     40      8               sentences S
 *     48      8               tokens T
 *     56      8               hash of the vocabulary (vocabulary_hash)
 *     64      8               1 in the dataset's last shard, 0 in the others
 *     72      8               hash of the body (XXH3, all bytes from 128 on)
 *     80      40              zero
 *     120     8               hash of the header (XXH3, the first 120 bytes)
 *     128     T * bytes       ids, then zeros up to a multiple of 8
 *     ...     (S + 1) * 8     first token of each sentence, then T; strictly ascending from 0
 *     ...     (D + 1) * 8     first sentence of each document, then S; strictly ascending from 0 */
#ifndef CLOZE_DATA_DATASET_H
#define CLOZE_DATA_DATASET_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Returns "DIRECTORY/PREFIX-NNNNN.shard", which the caller frees; NULL when memory is short. */
char *dataset_shard_path(const char *directory, const char *prefix, uint64_t number,
                         struct error *error);

/* ---- writing ---- */

/* Used by one thread. */
struct dataset_writer;

/* Writes shards into an existing directory and replaces those of the same names. No file is created
 * before the first sentence. A shard ends with the first document with which it has at least
 * `shard_tokens` tokens, and gets its name only when it is complete and on the disk. Temporary
 * files next to it hold the tables of sentences and documents, so that memory does not depend on
 * their sizes.
 * Returns NULL when memory is short. */
struct dataset_writer *dataset_writer_open(const char *directory, const char *prefix,
                                           int32_t vocabulary_size, uint64_t vocabulary_hash,
                                           uint64_t shard_tokens, struct error *error);

/* Adds a sentence to the open document. A sentence without ids is ignored. Every id must be in the
 * vocabulary. */
bool dataset_writer_sentence(struct dataset_writer *writer, const int32_t *ids, size_t count,
                             struct error *error);

/* Ends the open document. A document without sentences is ignored. */
bool dataset_writer_document(struct dataset_writer *writer, struct error *error);

/* Completes the last shard and frees the writer, also on failure, which removes the open shard's
 * files. The last document must have been ended. Without any document no shard is written. */
bool dataset_writer_close(struct dataset_writer *writer, struct error *error);

/* Removes the open shard's files and frees the writer. Complete shards stay. NULL is accepted. */
void dataset_writer_abandon(struct dataset_writer *writer);

/* ---- reading ---- */

/* Immutable: any number of threads may use it. Shards are mapped read-only and must not change. */
struct dataset;

/* Opens all shards of the prefix and verifies every header, size, table, id and checksum; errors
 * name the file. The size and hash of their vocabulary must be those given. Returns NULL on
 * failure. */
struct dataset *dataset_open(const char *directory, const char *prefix, int32_t vocabulary_size,
                             uint64_t vocabulary_hash, struct error *error);
void dataset_close(struct dataset *dataset); /* NULL is accepted */

/* Returns a hash of the dataset's contents, which does not depend on the path. */
uint64_t dataset_hash(const struct dataset *dataset);

uint64_t dataset_documents(const struct dataset *dataset);
uint64_t dataset_sentences(const struct dataset *dataset);
uint64_t dataset_tokens(const struct dataset *dataset);

/* One document, as the boundaries of its sentences in its shard. */
struct document {
    const uint64_t *sentence_starts; /* [sentences + 1] first token in the shard, then the end */
    uint32_t sentences;              /* at least 1; none is empty */
    uint32_t shard;
};

/* Returns a document, index < dataset_documents. The dataset owns the boundaries. */
struct document dataset_document(const struct dataset *dataset, uint64_t index);

/* Copies the ids of the shard's tokens [first, last) to out. */
void dataset_read(const struct dataset *dataset, uint32_t shard, uint64_t first, uint64_t last,
                  int32_t *out);

#endif
