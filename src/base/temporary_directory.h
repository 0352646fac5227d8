/* A directory for files that a command needs while it works, or for its results until they are
 * finished. It is removed when the command ends, also by a signal such as SIGINT, SIGTERM, SIGQUIT
 * or SIGPIPE: then it is removed before the process ends by that signal. Only SIGKILL and the
 * signals of a fault of the program leave it. A signal that was ignored is still ignored.
 *
 * A process can have one at a time. */
#ifndef CLOZE_BASE_TEMPORARY_DIRECTORY_H
#define CLOZE_BASE_TEMPORARY_DIRECTORY_H

#include "base/error.h"

struct temporary_directory;

/* Makes "NAME-XXXXXX" in $TMPDIR or /tmp. Returns NULL on failure. */
struct temporary_directory *temporary_directory_open(const char *name, struct error *error);

/* Makes the partial directory of `target` (base/partial.h), for temporary_directory_keep. The
 * parent of `target` must exist. The leftover of a killed process is removed. Returns NULL on
 * failure. */
struct temporary_directory *temporary_directory_open_for(const char *target, struct error *error);

const char *temporary_directory_path(const struct temporary_directory *directory);

/* Keeps the directory by renaming it to `target`, on the same file system; it must still be closed.
 * Its entries are flushed to the disk before, and the rename afterwards. If only the rename could
 * not be flushed, the function fails although the directory has its new name. */
bool temporary_directory_keep(struct temporary_directory *directory, const char *target,
                              struct error *error);

/* Removes the directory with its contents, unless it was kept; files that are open or mapped remain
 * usable. Accepts NULL. Fails if something cannot be removed, but always frees the structure. */
bool temporary_directory_close(struct temporary_directory *directory, struct error *error);

#endif
