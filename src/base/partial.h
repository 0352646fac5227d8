/* Partial files and directories: while NAME is being written, it is called
 * "NAME.cloze-HHHHHHHH.partial", a name that only this program uses; H are digits of NAME's hash. A
 * long NAME is cut, so that the partial name is not too long for a directory.
 *
 * The process that creates a partial file holds a lock on it. A partial file without a lock was
 * left by a killed process; it is removed, never written into. On a file system without locks it is
 * an error. A file "NAME.partial" belongs to another program.
 *
 * Thread-safe. */
#ifndef CLOZE_BASE_PARTIAL_H
#define CLOZE_BASE_PARTIAL_H

#include "base/error.h"

#include <stddef.h>

/* Returns the path with its last component replaced by the partial name. Owned by the caller; NULL
 * when memory is short. */
char *partial_path(const char *path, struct error *error);

/* Returns the length of NAME, or of what is left of it if it was cut, if `name` is a partial name;
 * otherwise 0. */
size_t partial_origin(const char *name);

/* Create `partial`, which must be partial_path(path). They return a descriptor, which holds the
 * lock: a file's is for writing and reading, a directory's only for closing. -1 on failure; errors
 * name the path. */
int partial_create_file(const char *partial, const char *path, struct error *error);
int partial_create_directory(const char *partial, const char *path, struct error *error);

/* True if the partial name still leads to the file or directory of the descriptor; false if it was
 * renamed, removed or replaced in the meantime. Call it before renaming or removing the name. */
bool partial_is_own(int descriptor, const char *partial);

#endif
