/* Directories: making, removing and syncing them. Every error names the path. Thread-safe. */
#ifndef CLOZE_BASE_DIRECTORY_H
#define CLOZE_BASE_DIRECTORY_H

#include "base/error.h"

/* Sets *found to whether the directory holds anything of this name; a link counts as what it points
 * to. Fails only when memory is short. */
bool directory_holds(const char *directory, const char *name, bool *found, struct error *error);

/* Creates the directory and its parents. A directory that exists is no error; anything else of this
 * name is ERROR_INPUT. */
bool directory_make(const char *path, struct error *error);

/* Checks, before long work, that the directory exists or directory_make would succeed, and that
 * files can be made in it. Creates nothing. */
bool directory_check_writable(const char *path, struct error *error);

/* Returns the path if there is anything of this name, or else the nearest directory above it. Owned
 * by the caller; NULL when memory is short. */
char *directory_existing(const char *path, struct error *error);

/* Removes the directory and those above it as long as they are empty, but not `above`, which
 * directory_existing returned before they were made. */
void directory_remove_empty(const char *path, const char *above);

/* Removes a directory with all that it holds, without following links. An absent directory is no
 * error; anything else of this name, also a link to a directory, is refused. */
bool directory_remove(const char *path, struct error *error);

/* Makes `path` a link to the directory `target`, in place of another link, but of nothing else. */
bool directory_link(const char *path, const char *target, struct error *error);

/* Flushes a directory's entries (creations and renames in it) to the disk. */
bool directory_sync(const char *path, struct error *error);

#endif
