/* Files and directories. Every error names the path.
 *
 * Thread-safe, but that a struct file_writer is used by one thread at a time. */
#ifndef CLOZE_BASE_FILE_H
#define CLOZE_BASE_FILE_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdint.h>

/* "PATH: cannot ACTION: reason", the reason being the text of an errno value. What naming another
 * path can mend (no such file, no permission, a directory) is ERROR_INPUT, all else ERROR_WORK.
 * Returns false. */
bool fail_path(struct error *error, int number, const char *path, const char *action);

/* "a/b"; b alone when it is absolute or a is empty. Owned by the caller; NULL when memory is short.
 */
char *path_join(const char *a, const char *b, struct error *error);

/* The part before the last '/', "/" for what stands in the root, "." without a '/'. Owned by the
 * caller. */
char *path_directory(const char *path, struct error *error);

/* The part of an absolute path behind the working directory, as a person there would type it; the
 * path itself if it is elsewhere. Not owned: points into the path. */
const char *path_shown(const char *path);

/* Of what a link points to. */
/* Of what a link points to. */
bool path_exists(const char *path);
bool path_is_directory(const char *path);

/* Whether there is anything of this name, be it a link that leads nowhere: what is optional is
 * absent only if not. */
bool path_is_taken(const char *path);

/* The whole of a regular file is appended to `out`. A missing file is ERROR_INPUT; a directory, a
 * FIFO or a device is refused by name; more than `limit` bytes are refused with both sizes. On
 * failure `out` holds what it held. */
bool file_read(const char *path, size_t limit, struct buffer *out, struct error *error);

/* Takes the next bytes of a file; false, with the error set, ends the reading. */
typedef bool file_piece(void *context, const void *data, size_t size, struct error *error);

/* The contents of a regular file in pieces, in their order; refuses what file_read refuses. */
bool file_read_pieces(const char *path, file_piece *piece, void *context, struct error *error);

/* open (new files with mode 0666) and fsync, again as long as a signal interrupts them. */
int open_again(const char *path, int flags);
int fsync_again(int descriptor);

/* Writes all of the data at the descriptor's position, in one call where the system takes it whole;
 * interruptions by signals do not count. The path is for the message. */
bool descriptor_write(int descriptor, const char *path, const void *data, size_t size,
                      struct error *error);

struct mapping {
    const unsigned char *data;
    size_t size;
    void *block; /* what file_unmap gives back */
};

/* Maps a regular file, read-only and shared; refuses what file_read refuses. data is NULL for an
 * empty file. A file that others shorten while it is mapped ends the process, as with any mapping.
 */
bool file_map(const char *path, struct mapping *mapping, struct error *error);

/* An empty mapping is accepted. */
void file_unmap(struct mapping *mapping);

/* Writes a file that is either complete or absent: to "PATH.partial", then flushed to the disk and
 * renamed. A partial file that a killed process left there is overwritten; one that a living
 * process is writing is an error. Where PATH is a link, the file that it points to is written;
 * where it is a directory or a device, it is refused. Every byte is hashed on its way (XXH3, 64
 * bits, see base/hash.h).
 *
 *     struct file_writer *writer = file_writer_open(path, error);
 *     if (!writer) return false;
 *     if (!file_writer_put(writer, data, size, error)) { file_writer_abandon(writer); return false;
 * } return file_writer_commit(writer, error);
 */
struct file_writer;

struct file_writer *file_writer_open(const char *path, struct error *error);

/* After a failure the writer can only be abandoned. */
bool file_writer_put(struct file_writer *writer, const void *data, size_t size,
                     struct error *error);

/* Overwrites bytes already put (CHECKed), for a header whose contents are known last. The hash does
 * not see it. */
bool file_writer_patch(struct file_writer *writer, uint64_t offset, const void *data, size_t size,
                       struct error *error);

uint64_t file_writer_size(const struct file_writer *writer);
uint64_t file_writer_hash(const struct file_writer *writer);

/* Flushes, syncs, renames, syncs the directory. Frees the writer in any case; on failure the
 * partial file is removed and what stood at PATH before is untouched (but if only the last sync
 * fails, the new file is in place and may not survive a power cut). */
bool file_writer_commit(struct file_writer *writer, struct error *error);

/* Removes the partial file and frees the writer; NULL is accepted. */
void file_writer_abandon(struct file_writer *writer);

/* file_writer_* for a text that is at hand. */
bool file_write(const char *path, const void *data, size_t size, struct error *error);

/* Creates the directory and its parents; no error if it is there, ERROR_INPUT if it is something
 * else. */
bool directory_make(const char *path, struct error *error);

/* Removes a directory with all that it holds, without following links; no error if absent. What is
 * no directory, or a link to one, is refused. */
bool directory_remove(const char *path, struct error *error);

/* Flushes a directory's entries (creations and renames in it) to the disk. */
bool directory_sync(const char *path, struct error *error);

#endif
