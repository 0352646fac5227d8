#include "train/process_group_mpi.h"

#include "base/log.h"
#include "base/machine.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* Seconds between two heartbeats, and between two looks for those of others. */
static const double HEARTBEAT_SECONDS = 1, LOOK_SECONDS = 0.1;

/* Seconds after which the next rank says what one before it was to say. */
static const double TURN_SECONDS = 1;

/* How long a launcher is given to pass the last message on: when MPI_Abort is called, it may drop
 * what it has not read. */
static const long LAST_NANOSECONDS = 300000000;

/* Seconds for MPI_Abort, which may wait for a launcher that does not answer. */
enum { ABORT_SECONDS = 5 };

/* ---- the end of all ranks ---- */

_Noreturn void process_group_end_all(const struct process_group *group, int rank, const char *what)
{
    struct log log = log_open(stderr);
    log_line(&log, "cloze: %s: %s; all processes end", process_group_name(group, rank).text, what);
    nanosleep(&(struct timespec){.tv_nsec = LAST_NANOSECONDS}, NULL);
    alarm(ABORT_SECONDS);
    MPI_Abort(MPI_COMM_WORLD, ERROR_WORK);
    _exit(ERROR_WORK);
}

void process_group_check(const struct process_group *group, int code)
{
    char text[MPI_MAX_ERROR_STRING] = "", what[MPI_MAX_ERROR_STRING + 64];
    int length;
    if (code == MPI_SUCCESS)
        return;
    MPI_Error_string(code, text, &length);
    snprintf(what, sizeof what, "MPI failed, perhaps because another process has died: %s", text);
    process_group_end_all(group, group->rank, what);
}

void process_group_end_if_failed(struct process_group *group)
{
    pthread_mutex_lock(&group->lock);
    const struct error *fatal = group->fatal;
    pthread_mutex_unlock(&group->lock);
    if (fatal)
        process_group_end_all(group, group->rank, fatal->message);
}

/* ---- heartbeats ---- */

/* Rank 0 watches all others, and they watch rank 0. */
static bool watches(const struct process_group *group, int rank)
{
    return rank != group->rank && (rank == 0 || group->rank == 0);
}

static void listen_to(struct process_group *group, int rank)
{
    process_group_check(group,
                        MPI_Irecv(&group->heartbeat_bytes[rank], 1, MPI_BYTE, rank, HEARTBEAT_TAG,
                                  MPI_COMM_WORLD, &group->heartbeat_receives[rank]));
}

static void send_heartbeat(struct process_group *group, int rank)
{
    static const char nothing;
    int sent;
    process_group_check(group, MPI_Test(&group->heartbeat_sends[rank], &sent, MPI_STATUS_IGNORE));
    if (sent) /* otherwise that rank has not even taken the last one */
        process_group_check(group, MPI_Isend(&nothing, 1, MPI_BYTE, rank, HEARTBEAT_TAG,
                                             MPI_COMM_WORLD, &group->heartbeat_sends[rank]));
}

static void receive_heartbeats(struct process_group *group, int rank, double now)
{
    int arrived = 1;
    while (arrived) {
        process_group_check(
            group, MPI_Test(&group->heartbeat_receives[rank], &arrived, MPI_STATUS_IGNORE));
        if (arrived) {
            group->heard[rank] = now;
            listen_to(group, rank);
        }
    }
}

/* If rank 0 is lost, all others notice: the first of them says so, and the next one only if that
 * one has not ended the job soon after. */
static void check_heard(const struct process_group *group, int rank, double now)
{
    const double limit = atomic_load(&group->time_limit) / 1e3;
    const double turn = rank == 0 ? TURN_SECONDS * (group->rank - 1) : 0;
    char what[96];
    if (now - group->heard[rank] <= limit + turn)
        return;
    snprintf(what, sizeof what, "no answer for %g s (train.rank_timeout)", limit);
    process_group_end_all(group, rank, what);
}

void watch_begin(struct process_group *group)
{
    group->heartbeat_sent = group->looked = machine_seconds();
    for (int rank = 0; rank < group->size; rank++) {
        group->heartbeat_sends[rank] = group->heartbeat_receives[rank] = MPI_REQUEST_NULL;
        group->heard[rank] = group->heartbeat_sent;
        if (watches(group, rank))
            listen_to(group, rank);
    }
}

/* If this process was stopped itself, others have had no chance to be heard meanwhile. */
void watch_ranks(struct process_group *group)
{
    const double now = machine_seconds(), since = now - group->looked;
    const bool asleep = since > atomic_load(&group->time_limit) / 2e3;
    const bool due = now - group->heartbeat_sent >= HEARTBEAT_SECONDS;
    if (since < LOOK_SECONDS)
        return;
    group->looked = now;
    if (due)
        group->heartbeat_sent = now;
    for (int rank = 0; rank < group->size; rank++) {
        if (!watches(group, rank))
            continue;
        if (due)
            send_heartbeat(group, rank);
        receive_heartbeats(group, rank, now);
        if (asleep)
            group->heard[rank] = now;
        check_heard(group, rank, now);
    }
}

void watch_end(struct process_group *group)
{
    for (int rank = 0; rank < group->size; rank++) {
        if (!watches(group, rank))
            continue;
        process_group_check(group, MPI_Cancel(&group->heartbeat_receives[rank]));
        process_group_check(group, MPI_Wait(&group->heartbeat_receives[rank], MPI_STATUS_IGNORE));
        process_group_check(group, MPI_Wait(&group->heartbeat_sends[rank], MPI_STATUS_IGNORE));
    }
}
