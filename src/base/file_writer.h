/* A file that is written whole or not at all: under its partial name (base/partial.h), then flushed
 * to the disk and renamed to PATH. A partial file that a killed process has left is replaced; one
 * that a living process is writing is an error. Where PATH is a link, the file that it points to is
 * written. A link to nothing, a directory and a device are refused. Errors name PATH.
 *
 *     struct file_writer *writer = file_writer_open(path, error);
 *     if (!writer)
 *         return false;
 *     if (!file_writer_put(writer, data, size, error)) {
 *         file_writer_abandon(writer);
 *         return false;
 *     }
 *     return file_writer_commit(writer, error);
 *
 * A writer is used by one thread at a time; different ones may be used by different threads. */
#ifndef CLOZE_BASE_FILE_WRITER_H
#define CLOZE_BASE_FILE_WRITER_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct file_writer;

struct file_writer *file_writer_open(const char *path, struct error *error);

/* Appends bytes. After a failure the writer can only be abandoned. */
bool file_writer_put(struct file_writer *writer, const void *data, size_t size,
                     struct error *error);

/* Overwrites bytes that were put before (CHECKed), for a header whose contents are known last. */
bool file_writer_patch(struct file_writer *writer, uint64_t offset, const void *data, size_t size,
                       struct error *error);

/* Flushes, syncs and renames the file and syncs its directory. Frees the writer in any case. On
 * failure the partial file is removed and the earlier file at PATH is untouched; but if only the
 * last sync fails, the new file is in place and may not survive a power cut. */
bool file_writer_commit(struct file_writer *writer, struct error *error);

/* Removes the partial file and frees the writer; NULL is accepted. */
void file_writer_abandon(struct file_writer *writer);

/* Writes a whole file from memory. */
bool file_write(const char *path, const void *data, size_t size, struct error *error);

/* Checks, before long work, that file_write could begin. An existing file at PATH is untouched. */
bool file_check_writable(const char *path, struct error *error);

#endif
