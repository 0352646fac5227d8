/* What the files of train/process_group.h share that are built with MPI:
 *
 *     process_group_mpi.c         opening, closing, the communication thread and its jobs
 *     process_group_watch.c       whether the other ranks are there, and the end of all of them
 *     process_group_collective.c  what all ranks do together */
#ifndef CLOZE_TRAIN_PROCESS_GROUP_MPI_H
#define CLOZE_TRAIN_PROCESS_GROUP_MPI_H

#include "train/process_group.h"

#include <mpi.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

enum {
    COLLECTIVE_CHANNEL = GROUP_CHANNELS,
    CHANNELS,
    HEARTBEAT_TAG = CHANNELS,
};

/* The sends and receives that were started and are not known to be done. */
struct channel {
    MPI_Request *requests; /* [2 * ranks] */
    int count;
};

/* What the ranks tell each other of themselves when they meet. */
struct member {
    uint64_t build; /* a hash of the program */
    uint64_t free_memory;
    cpu_set_t processors; /* that it may run on */
    char host[64];
    int process;
};

/* What process_group_agree asks. */
struct verdict {
    bool done;
    struct error error;
};

struct process_group {
    int rank, size;
    struct member *members;   /* [size] */
    struct verdict *verdicts; /* [size] */
    unsigned *flags;          /* [size] of process_group_any */
    bool failed;              /* whether process_group_agree has returned false */
    atomic_int time_limit;    /* milliseconds */
    atomic_bool awaited;      /* whether the computation waits for the end of the job */

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t
        changed;    /* signalled when a member below, up to `fatal`, changes; the lock guards
                             * them */
    group_job *job; /* NULL: none is under way */
    void *context;
    double busy; /* seconds of the last job in which something was under way */
    bool woken, stopping;
    const struct error *fatal; /* of process_group_abort */

    /* Used by the communication thread alone. */
    struct channel channels[CHANNELS];
    MPI_Status
        *statuses; /* [2 * size] which nobody reads: gcc warns of MPICH's MPI_STATUSES_IGNORE */
    double idle;   /* seconds of the job in which nothing was under way */

    /* Heartbeats, of the ranks that this one watches; used by the same thread. */
    MPI_Request *heartbeat_receives, *heartbeat_sends; /* [size] */
    char *heartbeat_bytes;         /* [size] what they carry, which is nothing */
    double *heard;                 /* [size] when one has come */
    double heartbeat_sent, looked; /* when it last sent them, and looked for others' */
};

/* Ends the processes of all ranks, after a message on stderr: that `what` is the matter with a
 * rank. Called by the thread that may call MPI, as all that follows. */
_Noreturn void process_group_end_all(const struct process_group *group, int rank, const char *what);

/* Ends all if a call of MPI has not succeeded. */
void process_group_check(const struct process_group *group, int code);

/* Ends all if process_group_abort was called. */
void process_group_end_if_failed(struct process_group *group);

/* Begins, goes on and ends to send and receive heartbeats. In between the thread is to call
 * watch_ranks at least every tenth of a second; it ends all when a rank is lost. */
void watch_begin(struct process_group *group);
void watch_ranks(struct process_group *group);
void watch_end(struct process_group *group);

#endif
