/* The bytes of a file, decompressed. Compression (gzip, zstd, xz, bzip2) is recognized by the
 * file's contents; a file whose name ends as if it were compressed must be.
 *
 * No damage passes: each format's own checksums and lengths are verified, a file that is cut off is
 * an error, and so is anything behind the compressed data but zeros behind gzip. zstd alone may be
 * written without a checksum (the zstd program writes one). */
#ifndef CLOZE_DATA_BYTE_SOURCE_H
#define CLOZE_DATA_BYTE_SOURCE_H

#include "base/error.h"

#include <stddef.h>

struct byte_source;

/* NULL if the file is missing, no regular file, not readable, or not what its name says. The path
 * must outlive the source. Errors begin with the path. */
struct byte_source *byte_source_open(const char *path, struct error *error);
void byte_source_close(struct byte_source *source); /* NULL is accepted */

/* The next bytes, which belong to the source until its next call; size 0 only at the end. Errors
 * say the reason alone: the caller knows better where in the text it is. */
bool byte_source_next(struct byte_source *source, const void **bytes, size_t *size,
                      struct error *error);

#endif
