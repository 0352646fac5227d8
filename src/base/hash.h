/* XXH3, 64 bits (xxhash.com): checksums of files and hashes of keys. Not cryptographic. */
#ifndef CLOZE_BASE_HASH_H
#define CLOZE_BASE_HASH_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *data, size_t size);

/* A hash in pieces: the result of hash_stream_end is that of hash_bytes over all the pieces in a
 * row. */
struct hash_stream;

struct hash_stream *hash_stream_begin(struct error *error); /* NULL when memory is short */
void hash_stream_put(struct hash_stream *stream, const void *data, size_t size);
uint64_t hash_stream_end(const struct hash_stream *stream); /* may be asked at any time */
void hash_stream_free(struct hash_stream *stream);

/* Size and hash of a regular file's contents. They are read, not mapped: what a dying disk cannot
 * give is an error. */
bool hash_file(const char *path, uint64_t *size, uint64_t *hash, struct error *error);

#endif
