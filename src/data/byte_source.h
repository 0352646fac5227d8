/* The bytes of a file, or of a member of an archive, decompressed. Compression (gzip, zstd, xz,
 * bzip2, lz4) is recognized by the contents; what is named as if it were compressed must be.
 *
 * No damage passes: each format's own checksums and lengths are verified, a file that is cut off is
 * an error, and so is anything that follows the compressed data but zeros after gzip. zstd and lz4
 * alone may be written without a checksum (their programs write one).
 *
 * Memory: below 1 MiB and what the decompressor needs; of zstd --long that is much
 * (data/zstd_reader.h). */
#ifndef CLOZE_DATA_BYTE_SOURCE_H
#define CLOZE_DATA_BYTE_SOURCE_H

#include "data/byte_stream.h"

struct byte_source;

/* NULL if the file is missing, not a regular file, not readable, or not what its name says. The
 * path must outlive the source. Errors begin with the path. */
struct byte_source *byte_source_open(const char *path, struct error *error);

/* The same for a stream with a name, both of which must outlive the source. */
struct byte_source *byte_source_open_stream(struct byte_stream input, const char *name,
                                            struct error *error);
void byte_source_close(struct byte_source *source); /* NULL is accepted */

/* Looks at the beginning of the contents, before they are read: all of it, or at least CONTENT_LOOK
 * bytes, or what comes before the damage. They belong to the source until its next call. Fails only
 * when memory is short. */
bool byte_source_look(struct byte_source *source, const void **bytes, size_t *size,
                      struct error *error);

/* The next bytes, which belong to the source until its next call; size 0 only at the end. Errors
 * say the reason alone: the caller knows better where in the text it is. */
bool byte_source_next(struct byte_source *source, const void **bytes, size_t *size,
                      struct error *error);

/* The source as a stream, which ends with it. */
struct byte_stream byte_source_stream(struct byte_source *source);

#endif
