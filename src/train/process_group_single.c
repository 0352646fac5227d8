#include "train/process_group.h"

#include "base/machine.h"
#include "train/process_group_launch.h"

#include <string.h>

bool process_group_open(struct process_group **group, struct error *error)
{
    *group = NULL;
    if (!launch_is_of_several())
        return true;
    fail_input(error, "started as one of several processes, but this cloze is built without "
                      "MPI; build it with cmake -DCLOZE_MPI=ON");
    if (launch_rank() > 0)
        error->message[0] = 0;
    return false;
}

void process_group_close(struct process_group *group)
{
    CHECK(!group);
}

_Noreturn void process_group_abort(struct process_group *group, const struct error *error)
{
    (void)group;
    (void)error;
    abort(); /* there are no groups */
}

void process_group_set_time_limit(struct process_group *group, double seconds)
{
    (void)group;
    (void)seconds;
}

int process_group_rank(const struct process_group *group)
{
    (void)group;
    return 0;
}

int process_group_size(const struct process_group *group)
{
    (void)group;
    return 1;
}

int process_group_machines(const struct process_group *group)
{
    (void)group;
    return 1;
}

int process_group_sharers(const struct process_group *group)
{
    (void)group;
    return 1;
}

uint64_t process_group_memory(const struct process_group *group)
{
    (void)group;
    return machine_memory_available();
}

struct rank_name process_group_name(const struct process_group *group, int rank)
{
    (void)group;
    (void)rank;
    return (struct rank_name){"rank 0"};
}

const char *process_group_library(void)
{
    return "not built in";
}

void process_group_gather(struct process_group *group, const void *mine, size_t size, void *all)
{
    (void)group;
    memcpy(all, mine, size);
}

unsigned process_group_any(struct process_group *group, unsigned flags)
{
    (void)group;
    return flags;
}

void process_group_broadcast(struct process_group *group, void *data, size_t size)
{
    (void)group, (void)data, (void)size;
}

bool process_group_agree(struct process_group *group, bool done, struct error *error)
{
    (void)group;
    (void)error;
    return done;
}

bool process_group_has_failed(const struct process_group *group)
{
    (void)group;
    return false;
}

/* ---- no jobs without a group ---- */

void process_group_start(struct process_group *group, group_job *job, void *context)
{
    (void)job, (void)context;
    CHECK(group);
}

double process_group_wait(struct process_group *group)
{
    CHECK(group);
    return 0;
}

void process_group_wake(struct process_group *group)
{
    CHECK(group);
}

void group_send(struct process_group *group, int channel, int rank, const void *data, size_t size)
{
    (void)channel, (void)rank, (void)data, (void)size;
    CHECK(group);
}

void group_receive(struct process_group *group, int channel, int rank, void *data, size_t size)
{
    (void)channel, (void)rank, (void)data, (void)size;
    CHECK(group);
}

bool group_is_quiet(struct process_group *group, int channel)
{
    (void)channel;
    CHECK(group);
    return true;
}

void group_settle(struct process_group *group, int channel)
{
    (void)channel;
    CHECK(group);
}

void group_rest(struct process_group *group)
{
    CHECK(group);
}
