/* Paths, and files that are read or mapped; base/file_writer.h writes files, base/directory.h has
 * directories. Every error names the path. Thread-safe. */
#ifndef CLOZE_BASE_FILE_H
#define CLOZE_BASE_FILE_H

#include "base/buffer.h"
#include "base/error.h"

#include <sys/types.h>

/* Sets the error "PATH: cannot ACTION: reason", where the reason is the text of an errno value. It
 * is ERROR_INPUT if another path can help (no such file, no permission, a directory), or else
 * ERROR_WORK. Returns false. */
bool fail_path(struct error *error, int number, const char *path, const char *action);

/* Sets the error "PATH: is KIND; expected a regular file", where KIND is that of the mode, followed
 * by `rest`: a reason or what to do. Returns false. */
bool fail_irregular(struct error *error, const char *path, mode_t mode, const char *rest);

/* "a/b"; b alone when it is absolute or a is empty. Owned by the caller; NULL when memory is
 * short. */
char *path_join(const char *a, const char *b, struct error *error);

/* Returns the part before the last '/'; "/" for a name in the root, "." for a path without a '/'.
 * Owned by the caller. */
char *path_directory(const char *path, struct error *error);

/* Returns the path without the slashes at its end; "/" stays. Owned by the caller; NULL when memory
 * is short. */
char *path_without_slashes(const char *path, struct error *error);

/* Returns the part after the last '/', or the path itself if it has none. Not owned: it points into
 * the path. */
const char *path_name(const char *path);

/* Returns the part of an absolute path after the working directory, as a person there would type
 * it; the path itself if it is elsewhere. Not owned: it points into the path. */
const char *path_shown(const char *path);

/* True if the path exists, or is a directory. Both follow links. */
bool path_exists(const char *path);
bool path_is_directory(const char *path);

/* True if both paths lead to the same file or directory, whatever their links and spellings. */
bool path_same_file(const char *a, const char *b);

/* True if there is anything of this name, even a link that leads nowhere. An optional file is
 * absent only if this is false. */
bool path_is_taken(const char *path);

/* Appends the whole of a regular file to `out`. A missing file is ERROR_INPUT; the error for a
 * directory, a FIFO or a device says what it is, and the error for more than `limit` bytes has both
 * sizes. On failure `out` is unchanged. */
bool file_read(const char *path, size_t limit, struct buffer *out, struct error *error);

/* Takes the next bytes of a file. It may return false, with the error set, to end the reading. */
typedef bool file_piece(void *context, const void *data, size_t size, struct error *error);

/* Passes the contents of a regular file to `piece`, piece by piece and in order. Refuses what
 * file_read refuses. */
bool file_read_pieces(const char *path, file_piece *piece, void *context, struct error *error);

/* Call open (with mode 0666 for new files), fsync, and flock (exclusive, without waiting), again as
 * long as a signal interrupts them. The lock ends with its descriptor or the process; EWOULDBLOCK
 * means that another process has it. */
int open_again(const char *path, int flags);
int fsync_again(int descriptor);
int lock_again(int descriptor);

/* Writes all of the data at the descriptor's position, in one call if the system takes it whole.
 * After an interruption by a signal it goes on. The path is for the message. */
bool descriptor_write(int descriptor, const char *path, const void *data, size_t size,
                      struct error *error);

struct mapping {
    const unsigned char *data;
    size_t size;
    void *block; /* the memory that file_unmap returns to the system */
};

/* Maps a regular file, read-only and shared; refuses what file_read refuses. data is NULL for an
 * empty file. A file that others shorten while it is mapped ends the process, as with any
 * mapping. */
bool file_map(const char *path, struct mapping *mapping, struct error *error);

/* An empty mapping is accepted. */
void file_unmap(struct mapping *mapping);

#endif
