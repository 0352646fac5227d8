#include "model/labels.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool fail_memory(struct labels *labels, struct error *error)
{
    labels_free(labels);
    return fail_work(error, "out of memory for the names of labels");
}

bool labels_copy(struct labels *to, const struct labels *from, struct error *error)
{
    *to = (struct labels){0};
    if (from->count == 0)
        return true;
    to->names = allocate((size_t)from->count, sizeof *to->names, error);
    if (!to->names)
        return false;
    for (; to->count < from->count; to->count++) {
        to->names[to->count] = strdup(from->names[to->count]);
        if (!to->names[to->count])
            return fail_memory(to, error);
    }
    return true;
}

bool labels_number(struct labels *labels, int count, struct error *error)
{
    *labels = (struct labels){.names = allocate((size_t)count, sizeof *labels->names, error)};
    if (!labels->names)
        return false;
    for (; labels->count < count; labels->count++) {
        char name[32];
        snprintf(name, sizeof name, "LABEL_%d", labels->count);
        labels->names[labels->count] = strdup(name);
        if (!labels->names[labels->count])
            return fail_memory(labels, error);
    }
    return true;
}

void labels_free(struct labels *labels)
{
    for (int i = 0; i < labels->count; i++)
        free(labels->names[i]);
    free(labels->names);
    *labels = (struct labels){0};
}

int labels_find(const struct labels *labels, const char *name)
{
    for (int i = 0; i < labels->count; i++)
        if (strcmp(labels->names[i], name) == 0)
            return i;
    return -1;
}
