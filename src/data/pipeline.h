/* A stream of items read by one thread at a time, worked on by all, written by one at a time in the
 * order of reading. Every thread does whatever is due, so reading and writing overlap with the work
 * and no thread waits for a turn that another could take. */
#ifndef CLOZE_DATA_PIPELINE_H
#define CLOZE_DATA_PIPELINE_H

#include "base/error.h"

#include <stddef.h>

struct pipeline {
    void *context; /* handed to the three */

    /* Fills an item. *end: there was nothing left to fill it with. Never runs twice at a time. */
    bool (*read)(void *context, void *item, bool *end, struct error *error);

    /* `thread`: 0 .. threads-1, another one in every call that runs at the same time. */
    bool (*work)(void *context, int thread, void *item, struct error *error);

    /* Uses an item up; in the order of reading, never twice at a time. May run beside read. NULL:
     * the work is all. */
    bool (*write)(void *context, void *item, struct error *error);

    void *items; /* [item_count] of item_size bytes: what can be under way at a time */
    size_t item_count, item_size;
    int threads;
};

/* Items that keep this many threads busy: one read ahead and one to be written for each that is
 * worked on. */
static inline size_t pipeline_items(int threads)
{
    return 2 * (size_t)threads + 2;
}

/* Runs until everything is read and written, or until one of the functions fails; then the error is
 * that of the first failure. */
bool pipeline_run(const struct pipeline *pipeline, struct error *error);

#endif
