/* The processes that train one model together, on one machine or several: the ranks of an MPI job,
 * started by mpirun, mpiexec or srun.
 *
 * Everything that crosses between ranks goes through one thread of each process, the only one that
 * calls MPI: it runs one job at a time and otherwise answers the other ranks. Sends and receives do
 * not block, and while the computation goes on the thread sleeps between looking at them, because a
 * thread that waits inside of MPI takes a core from it.
 *
 * A rank that dies, hangs or fails ends all of them: nothing here returns an error that the ranks
 * do not all get. Every rank sends rank 0, and rank 0 sends every other one, a heartbeat once a
 * second; one that has not been heard for the time limit is lost, and the rank that notices names
 * it on stderr and ends the job. Heartbeats do not tell whether the computation goes on: a rank
 * that waits for a disk is waited for.
 *
 * With NULL for a group there is one process, and functions that accept NULL do what that means.
 *
 *     process_group_mpi.h      with MPI
 *     process_group_single.c   without: there are no groups */
#ifndef CLOZE_TRAIN_PROCESS_GROUP_H
#define CLOZE_TRAIN_PROCESS_GROUP_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct process_group;

/* Joins the other processes of the job; *group is NULL if this process was not started as one of
 * several. Without MPI, being one of several is an error. All ranks fail together, and rank 0 alone
 * gets a message. A process calls it once. */
bool process_group_open(struct process_group **group, struct error *error);

/* Leaves the group, when all ranks do. NULL is accepted. */
void process_group_close(struct process_group *group);

/* Ends the processes of all ranks because this one has failed; names it and says why on stderr. */
_Noreturn void process_group_abort(struct process_group *group, const struct error *error);

/* Sets for how many seconds a rank may be silent; 30 at first. NULL is accepted. */
void process_group_set_time_limit(struct process_group *group, double seconds);

/* NULL is accepted by all of these. */
int process_group_rank(const struct process_group *group); /* from 0 */
int process_group_size(const struct process_group *group); /* at least 1 */
int process_group_machines(const struct process_group *group);

/* True of rank 0, and of one process alone: of who writes the files and talks to the user. */
static inline bool process_group_leads(const struct process_group *group)
{
    return process_group_rank(group) == 0;
}

/* Returns how many ranks of this machine may run on the same processors, this one included. */
int process_group_sharers(const struct process_group *group);

/* Returns the bytes that this rank may allocate: what was free when all began, divided among the
 * ranks of this machine; of one process what is free now. */
uint64_t process_group_memory(const struct process_group *group);

struct rank_name {
    char text[128];
};

/* Returns "rank 3 (HOST, process 4711)". */
struct rank_name process_group_name(const struct process_group *group, int rank);

/* Returns the MPI library that cloze is built with and its version, or "not built in". */
const char *process_group_library(void);

/* ---- Collective: all ranks call them in the same order, each in the thread that trains, with
 * no job under way. NULL is accepted: the only rank is rank 0. ---- */

/* all [ranks * size] = the `size` bytes of each rank, in their order. */
void process_group_gather(struct process_group *group, const void *mine, size_t size, void *all);

/* Returns the flags that any rank has set. */
unsigned process_group_any(struct process_group *group, unsigned flags);

/* data [size] = that of rank 0. */
void process_group_broadcast(struct process_group *group, void *data, size_t size);

/* Returns true if `done` is true on all ranks. Otherwise rank 0 gets the error of the first rank
 * that failed, after the name of that rank if it is another one, and the others get its kind
 * without a message, so that the user is told once. */
bool process_group_agree(struct process_group *group, bool done, struct error *error);

/* True after process_group_agree has returned false: the other ranks end too. */
bool process_group_has_failed(const struct process_group *group);

/* ---- Jobs ---- */

typedef void group_job(struct process_group *group, void *context);

/* Lets the communication thread run a job, when no other is under way. */
void process_group_start(struct process_group *group, group_job *job, void *context);

/* Waits for the end of the job. Returns the seconds that it has taken, without those in which
 * nothing was under way. */
double process_group_wait(struct process_group *group);

/* Ends the current group_rest, because something has happened that a job waits for. Called from any
 * thread. */
void process_group_wake(struct process_group *group);

/* ---- Inside of a job. What is sent on a channel arrives in that order at the other rank's same
 * channel. Memory that is sent must not be changed, and memory that is received not be read, until
 * group_is_quiet is true. At most INT32_MAX bytes. ---- */

enum { GROUP_CHANNELS = 4 }; /* two for each bucket under way (train/buckets.c) */

void group_send(struct process_group *group, int channel, int rank, const void *data, size_t size);
void group_receive(struct process_group *group, int channel, int rank, void *data, size_t size);

/* True if all that was started on the channel is done. */
bool group_is_quiet(struct process_group *group, int channel);

/* Waits until the channel is quiet. */
void group_settle(struct process_group *group, int channel);

/* Waits until something may have changed: for a moment while messages are under way, otherwise
 * until process_group_wake, at most 0.1 s. */
void group_rest(struct process_group *group);

#endif
