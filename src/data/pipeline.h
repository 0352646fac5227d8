/* A stream of items: one thread at a time reads them, all threads work on them, and one at a time
 * writes them in the order of reading. Every thread takes whatever task is next, so reading and
 * writing overlap with the work, and no thread waits while there is a task that it could take. */
#ifndef CLOZE_DATA_PIPELINE_H
#define CLOZE_DATA_PIPELINE_H

#include "base/error.h"

#include <stddef.h>

struct pipeline {
    void *context; /* the first argument of the three functions */

    /* Fills an item, or sets *end at the end of the stream. Runs in one thread at a time. */
    bool (*read)(void *context, void *item, bool *end, struct error *error);

    /* Works on an item. `thread` is from 0 to threads - 1 and differs among simultaneous calls. */
    bool (*work)(void *context, int thread, void *item, struct error *error);

    /* Writes an item. Runs in the order of reading, in one thread at a time, and possibly at the
     * same time as read. May be NULL: then nothing is written. */
    bool (*write)(void *context, void *item, struct error *error);

    void *items; /* [item_count] of item_size bytes: the items in the pipeline at the same time */
    size_t item_count, item_size;
    int threads;
};

/* Returns how many items keep `threads` threads busy: for each item that is worked on, one that is
 * read ahead and one that waits to be written. */
static inline size_t pipeline_items(int threads)
{
    return 2 * (size_t)threads + 2;
}

/* Runs until all items are written or one of the functions fails; then returns false and the error
 * of the first failure. */
bool pipeline_run(const struct pipeline *pipeline, struct error *error);

#endif
