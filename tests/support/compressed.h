/* Compressed files for tests. Every failure here fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_COMPRESSED_H
#define CLOZE_TESTS_SUPPORT_COMPRESSED_H

#include "support/scratch.h"

enum { COMPRESSIONS = 5 };

extern const char *const compression_names[COMPRESSIONS];   /* "gzip", ... */
extern const char *const compression_endings[COMPRESSIONS]; /* "gz", ... */

/* Writes a file in the scratch directory; returns its path. */
const char *write_compressed(struct scratch *scratch, const char *name, int compression,
                             const char *data, size_t size);

/* As write_compressed, but with a checksum in each format: libarchive writes zstd without one, the
 * zstd program with one. */
const char *write_checked(struct scratch *scratch, const char *name, int compression,
                          const char *data, size_t size);

#endif
