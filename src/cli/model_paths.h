/* Paths that lead to models, for somebody who types one. */
#ifndef CLOZE_CLI_MODEL_PATHS_H
#define CLOZE_CLI_MODEL_PATHS_H

#include "base/buffer.h"

#include <stdbool.h>

/* Appends a line for each directory whose path begins with `path` and continues it up to the next
 * '/', if it is that of a model or a run, or has one up to two levels below: `before` and the path.
 * They are sorted. Hidden directories are shown if their "." is typed. What cannot be read is left
 * out. */
bool model_paths_print(struct buffer *out, const char *before, const char *path,
                       struct error *error);

#endif
