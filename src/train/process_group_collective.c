#include "train/process_group_mpi.h"

#include <stdlib.h>
#include <string.h>

/* ---- from each to all ---- */

struct gathering {
    const void *mine;
    size_t size;
    char *all;
};

static void gather(struct process_group *group, void *context)
{
    const struct gathering *gathering = context;
    for (int rank = 0; rank < group->size; rank++) {
        char *place = gathering->all + (size_t)rank * gathering->size;
        if (rank == group->rank) {
            memcpy(place, gathering->mine, gathering->size);
            continue;
        }
        group_receive(group, COLLECTIVE_CHANNEL, rank, place, gathering->size);
        group_send(group, COLLECTIVE_CHANNEL, rank, gathering->mine, gathering->size);
    }
    group_settle(group, COLLECTIVE_CHANNEL);
}

void process_group_gather(struct process_group *group, const void *mine, size_t size, void *all)
{
    struct gathering gathering = {mine, size, all};
    if (!group) {
        memcpy(all, mine, size);
        return;
    }
    process_group_start(group, gather, &gathering);
    process_group_wait(group);
}

unsigned process_group_any(struct process_group *group, unsigned flags)
{
    unsigned any = 0;
    if (!group)
        return flags;
    process_group_gather(group, &flags, sizeof flags, group->flags);
    for (int rank = 0; rank < group->size; rank++)
        any |= group->flags[rank];
    return any;
}

/* ---- from rank 0 to all ---- */

struct broadcast {
    void *data;
    size_t size;
};

static void broadcast(struct process_group *group, void *context)
{
    const struct broadcast *message = context;
    if (group->rank)
        group_receive(group, COLLECTIVE_CHANNEL, 0, message->data, message->size);
    for (int rank = 1; rank < group->size && !group->rank; rank++)
        group_send(group, COLLECTIVE_CHANNEL, rank, message->data, message->size);
    group_settle(group, COLLECTIVE_CHANNEL);
}

void process_group_broadcast(struct process_group *group, void *data, size_t size)
{
    struct broadcast message = {data, size};
    if (!group)
        return;
    process_group_start(group, broadcast, &message);
    process_group_wait(group);
}

/* ---- errors ---- */

bool process_group_agree(struct process_group *group, bool done, struct error *error)
{
    if (!group)
        return done;
    struct verdict own = {.done = done};
    if (!done)
        own.error = *error;
    process_group_gather(group, &own, sizeof own, group->verdicts);
    for (int rank = 0; rank < group->size; rank++) {
        if (group->verdicts[rank].done)
            continue;
        group->failed = true;
        *error = group->verdicts[rank].error;
        if (group->rank)
            error->message[0] = 0;
        else if (rank)
            fail_context(error, "%s", process_group_name(group, rank).text);
        return false;
    }
    return true;
}

bool process_group_has_failed(const struct process_group *group)
{
    return group && group->failed;
}
