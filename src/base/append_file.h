/* A file that records are appended to, each of them whole: what a write has left of a record when
 * it failed is cut off again. Used by one thread. */
#ifndef CLOZE_BASE_APPEND_FILE_H
#define CLOZE_BASE_APPEND_FILE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct append_file {
    int descriptor; /* -1: not open */
    char *path;     /* for messages */
    uint64_t end;   /* of the last whole record */
    bool torn;      /* something may stand behind it */
};

/* Opens the file, creating it if absent; with `fresh` it must be absent. On failure the structure
 * is to be closed all the same. */
bool append_file_open(struct append_file *file, const char *path, bool fresh, struct error *error);

/* One write call a record, where the system takes it whole: whoever follows the file, or finds it
 * after a crash, sees whole records. A failure costs this record alone. */
bool append_file_put(struct append_file *file, const void *record, size_t size,
                     struct error *error);

void append_file_close(struct append_file *file);

#endif
