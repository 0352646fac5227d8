/* XXH3, 64 bits (xxhash.com): checksums of files and hashes of keys. Not cryptographic. */
#ifndef CLOZE_BASE_HASH_H
#define CLOZE_BASE_HASH_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *data, size_t size);

/* A hash of bytes that come in pieces: hash_stream_end returns what hash_bytes returns for all the
 * pieces joined. */
struct hash_stream;

struct hash_stream *hash_stream_begin(struct error *error); /* NULL when memory is short */
void hash_stream_put(struct hash_stream *stream, const void *data, size_t size);
uint64_t hash_stream_end(const struct hash_stream *stream); /* may be called at any time */
void hash_stream_free(struct hash_stream *stream);

/* Sets the size and hash of a regular file's contents. The file is read, not mapped, so that an
 * error of a failing disk is an error. */
bool hash_file(const char *path, uint64_t *size, uint64_t *hash, struct error *error);

#endif
