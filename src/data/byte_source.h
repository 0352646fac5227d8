/* The bytes of a file, or of a member of an archive, decompressed. Compression (gzip, zstd, xz,
 * bzip2, lz4) is recognized by the contents; a file whose name ends in that of a compression must
 * be compressed that way.
 *
 * Damage is an error: each format's own checksums and lengths are verified, a file must not be cut
 * off, and nothing but zeros after gzip may follow the compressed data. Only zstd and lz4 can be
 * written without a checksum (their programs write one).
 *
 * Memory: less than 1 MiB, up to 16 MiB where skippable frames come first, besides the
 * decompressor's, which is large with zstd --long (data/zstd_reader.h). */
#ifndef CLOZE_DATA_BYTE_SOURCE_H
#define CLOZE_DATA_BYTE_SOURCE_H

#include "data/byte_stream.h"

#include <stdint.h>

struct byte_source;

/* Returns NULL if the file is missing, is not a regular file, cannot be read, or is not compressed
 * as its name says. The path must outlive the source. Errors begin with the path. */
struct byte_source *byte_source_open(const char *path, struct error *error);

/* Opens a stream in the same way. The stream and its name must outlive the source. */
struct byte_source *byte_source_open_stream(struct byte_stream input, const char *name,
                                            struct error *error);
void byte_source_close(struct byte_source *source); /* NULL is accepted */

/* Returns the beginning of the contents without reading past it; call it before
 * byte_source_next. These are all bytes, or at least CONTENT_SAMPLE of them, or those before a
 * damaged place. They belong to the source until its next call. Fails only when memory is short. */
bool byte_source_peek(struct byte_source *source, const void **bytes, size_t *size,
                      struct error *error);

/* Returns the next bytes, which belong to the source until its next call; size is 0 only at the
 * end. Errors have only a reason: the caller knows the place in the text. */
bool byte_source_next(struct byte_source *source, const void **bytes, size_t *size,
                      struct error *error);

/* Returns how many bytes byte_source_next has returned. */
uint64_t byte_source_delivered(const struct byte_source *source);

/* Returns how many bytes of the file have been read so far, before decompression; 0 for another
 * stream. */
uint64_t byte_source_position(const struct byte_source *source);

/* Returns the source as a stream, which is valid as long as the source. */
struct byte_stream byte_source_stream(struct byte_source *source);

#endif
