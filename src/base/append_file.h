/* A file to which whole records are appended: if a write fails, the part of the record that it has
 * written is cut off again. Used by one thread. */
#ifndef CLOZE_BASE_APPEND_FILE_H
#define CLOZE_BASE_APPEND_FILE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct append_file {
    int descriptor; /* -1: not open */
    char *path;     /* for messages */
    uint64_t end;   /* where the last whole record ends, in bytes */
    bool torn;      /* part of a record may follow it */
};

/* Opens the file, creating it if absent; with `fresh` it must be absent. The structure must be
 * closed even on failure. */
bool append_file_open(struct append_file *file, const char *path, bool fresh, struct error *error);

/* Appends a record, in one write call if the system takes it whole, so that readers see whole
 * records, also after a crash. A failure loses only this record. */
bool append_file_put(struct append_file *file, const void *record, size_t size,
                     struct error *error);

void append_file_close(struct append_file *file);

#endif
