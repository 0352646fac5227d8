#include "train/process_group_mpi.h"

#include "base/hash.h"
#include "base/machine.h"
#include "base/memory.h"
#include "base/min.h"
#include "base/thread.h"
#include "train/process_group_launch.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    DEFAULT_TIME_LIMIT = 30, /* seconds */
    START_SECONDS = 300,     /* for MPI_Init, which waits for all ranks */
    FINALIZE_SECONDS = 60,   /* for MPI_Finalize, which does so too */
};

/* How long the thread sleeps between two looks at messages under way: while the computation goes
 * on, and while it waits for them, so that its core is free. At 10 Gbit/s 60 KB arrive in 50 us,
 * less than the buffer of a socket holds. */
static const long LOOK_NANOSECONDS = 50000, AWAITED_NANOSECONDS = 10000;

/* How long it sleeps where nothing is under way, unless it is woken. */
static const long IDLE_NANOSECONDS = 100000000;

_Noreturn void process_group_abort(struct process_group *group, const struct error *error)
{
    pthread_mutex_lock(&group->lock);
    group->fatal = error;
    group->woken = true;
    pthread_cond_broadcast(&group->changed);
    pthread_mutex_unlock(&group->lock);
    pthread_join(group->thread, NULL); /* it ends the process */
    _exit(ERROR_WORK);
}

/* ---- inside of a job ---- */

static MPI_Request *new_request(struct process_group *group, int channel)
{
    struct channel *under_way = &group->channels[channel];
    CHECK(under_way->count < 2 * group->size);
    return &under_way->requests[under_way->count++];
}

void group_send(struct process_group *group, int channel, int rank, const void *data, size_t size)
{
    CHECK(size <= INT32_MAX);
    process_group_check(group, MPI_Isend(data, (int)size, MPI_BYTE, rank, channel, MPI_COMM_WORLD,
                                         new_request(group, channel)));
}

void group_receive(struct process_group *group, int channel, int rank, void *data, size_t size)
{
    CHECK(size <= INT32_MAX);
    process_group_check(group, MPI_Irecv(data, (int)size, MPI_BYTE, rank, channel, MPI_COMM_WORLD,
                                         new_request(group, channel)));
}

bool group_is_quiet(struct process_group *group, int channel)
{
    struct channel *under_way = &group->channels[channel];
    int done = 1;
    if (under_way->count)
        process_group_check(
            group, MPI_Testall(under_way->count, under_way->requests, &done, group->statuses));
    if (done)
        under_way->count = 0;
    return done;
}

void group_settle(struct process_group *group, int channel)
{
    while (!group_is_quiet(group, channel))
        group_rest(group);
}

/* Returns how many channels have anything under way, as far as is known. */
static int count_busy(const struct process_group *group)
{
    int busy = 0;
    for (int channel = 0; channel < CHANNELS; channel++)
        busy += group->channels[channel].count > 0;
    return busy;
}

/* Sleeps until something changes, for IDLE_NANOSECONDS at most. The lock is held. */
static void sleep_locked(struct process_group *group)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += IDLE_NANOSECONDS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&group->changed, &group->lock, &until);
}

static void rest_idle(struct process_group *group)
{
    const double begun = machine_seconds();
    pthread_mutex_lock(&group->lock);
    if (!group->woken)
        sleep_locked(group);
    group->woken = false;
    pthread_mutex_unlock(&group->lock);
    group->idle += machine_seconds() - begun;
}

void group_rest(struct process_group *group)
{
    const bool awaited = atomic_load(&group->awaited);
    const struct timespec moment = {.tv_nsec = awaited ? AWAITED_NANOSECONDS : LOOK_NANOSECONDS};
    process_group_end_if_failed(group);
    watch_ranks(group);
    const int busy = count_busy(group);
    for (int channel = 0; channel < CHANNELS; channel++)
        group_is_quiet(group, channel); /* MPI goes on with a message when it is asked for it */
    if (busy == 0)
        rest_idle(group);
    else if (count_busy(group) == busy)
        nanosleep(&moment, NULL);
}

/* ---- the thread ---- */

/* Waits for a job. Returns NULL when the group is being closed. */
static group_job *wait_for_job(struct process_group *group)
{
    group_job *job = NULL;
    for (bool stopping = false; !job && !stopping;) {
        process_group_end_if_failed(group);
        watch_ranks(group);
        pthread_mutex_lock(&group->lock);
        if (!group->job && !group->stopping)
            sleep_locked(group);
        job = group->job;
        stopping = group->stopping;
        pthread_mutex_unlock(&group->lock);
    }
    return job;
}

static void run_job(struct process_group *group, group_job *job)
{
    const double begun = machine_seconds();
    group->idle = 0;
    job(group, group->context);
    pthread_mutex_lock(&group->lock);
    group->busy = machine_seconds() - begun - group->idle;
    group->job = NULL;
    pthread_cond_broadcast(&group->changed);
    pthread_mutex_unlock(&group->lock);
}

static void *run_jobs(void *argument)
{
    struct process_group *group = argument;
    prctl(PR_SET_TIMERSLACK, 1000UL); /* a sleep of 50 us would otherwise take up to 100 */
    watch_begin(group);
    for (group_job *job; (job = wait_for_job(group)) != NULL;)
        run_job(group, job);
    watch_end(group);
    return NULL;
}

void process_group_start(struct process_group *group, group_job *job, void *context)
{
    pthread_mutex_lock(&group->lock);
    CHECK(!group->job);
    group->job = job;
    group->context = context;
    group->woken = false;
    pthread_cond_broadcast(&group->changed);
    pthread_mutex_unlock(&group->lock);
}

double process_group_wait(struct process_group *group)
{
    atomic_store(&group->awaited, true);
    pthread_mutex_lock(&group->lock);
    while (group->job)
        pthread_cond_wait(&group->changed, &group->lock);
    const double busy = group->busy;
    pthread_mutex_unlock(&group->lock);
    atomic_store(&group->awaited, false);
    return busy;
}

void process_group_wake(struct process_group *group)
{
    pthread_mutex_lock(&group->lock);
    group->woken = true;
    pthread_cond_broadcast(&group->changed);
    pthread_mutex_unlock(&group->lock);
}

/* ---- opening and closing ---- */

static bool reserve(struct process_group *group, struct error *error)
{
    const size_t size = (size_t)group->size, request = sizeof(MPI_Request);
    bool done = (group->members = allocate(size, sizeof *group->members, error)) &&
                (group->verdicts = allocate(size, sizeof *group->verdicts, error)) &&
                (group->flags = allocate(size, sizeof *group->flags, error)) &&
                (group->statuses = allocate(2 * size, sizeof *group->statuses, error)) &&
                (group->heartbeat_receives = allocate(size, request, error)) &&
                (group->heartbeat_sends = allocate(size, request, error)) &&
                (group->heartbeat_bytes = allocate(size, 1, error)) &&
                (group->heard = allocate(size, sizeof *group->heard, error));
    for (int i = 0; i < CHANNELS && done; i++)
        done = (group->channels[i].requests = allocate(2 * size, request, error));
    return done;
}

static void release(struct process_group *group)
{
    for (int i = 0; i < CHANNELS; i++)
        free(group->channels[i].requests);
    free(group->heard);
    free(group->heartbeat_bytes);
    free(group->heartbeat_sends);
    free(group->heartbeat_receives);
    free(group->statuses);
    free(group->flags);
    free(group->verdicts);
    free(group->members);
    free(group);
}

static struct process_group *create(int rank, int size, struct error *error)
{
    pthread_condattr_t clock;
    struct process_group *group = allocate(1, sizeof *group, error);
    if (!group)
        return NULL;
    group->rank = rank;
    group->size = size;
    atomic_init(&group->time_limit, DEFAULT_TIME_LIMIT * 1000);
    pthread_mutex_init(&group->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&group->changed, &clock);
    pthread_condattr_destroy(&clock);
    if (reserve(group, error))
        return group;
    release(group);
    return NULL;
}

static bool describe(struct member *member, struct error *error)
{
    uint64_t size;
    member->process = (int)getpid();
    member->free_memory = machine_memory_available();
    gethostname(member->host, sizeof member->host - 1);
    /* Where it is unknown, as with more processors than a cpu_set_t has, all ranks of the host
     * share. */
    if (sched_getaffinity(0, sizeof member->processors, &member->processors) != 0)
        memset(&member->processors, 0xff, sizeof member->processors);
    return hash_file("/proc/self/exe", &size, &member->build, error);
}

/* Learns who the other ranks are, before the thread is started. A program may only go on with
 * others of the same build: what it sends has the same structures. */
static bool meet(struct process_group *group, const struct member *own, struct error *error)
{
    process_group_check(group, MPI_Allgather(own, sizeof *own, MPI_BYTE, group->members,
                                             sizeof *own, MPI_BYTE, MPI_COMM_WORLD));
    for (int rank = 1; rank < group->size; rank++)
        if (group->members[rank].build != group->members[0].build)
            return fail_input(error, "%s runs another build of cloze than rank 0",
                              process_group_name(group, rank).text);
    return true;
}

static bool finalize(void)
{
    alarm(FINALIZE_SECONDS);
    const bool done = MPI_Finalize() == MPI_SUCCESS;
    alarm(0);
    return done;
}

/* Ends MPI after an error that all ranks have, which rank 0 says first: mpirun may pass nothing on
 * after another one has ended. */
static bool give_up(struct process_group *group, struct error *error)
{
    if (group->rank == 0)
        fprintf(stderr, "cloze: %s\n", error->message);
    error->message[0] = 0;
    MPI_Barrier(MPI_COMM_WORLD);
    release(group);
    finalize();
    return false;
}

/* ---- starting ---- */

/* What MPI does before there are heartbeats has no time limit of its own. */
static void end_at_alarm(int signal_number)
{
    static const char message[] = "cloze: a process does not answer while MPI starts\n";
    (void)signal_number;
    ssize_t ignored = write(STDERR_FILENO, message, sizeof message - 1);
    (void)ignored;
    _exit(ERROR_WORK);
}

static bool start_mpi(int *rank, int *size, struct error *error)
{
    int provided;
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided) != MPI_SUCCESS ||
        provided < MPI_THREAD_SERIALIZED)
        return fail_work(error, "cannot start MPI with support for threads (%s)",
                         process_group_library());
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, rank);
    MPI_Comm_size(MPI_COMM_WORLD, size);
    if (*size > 1)
        return true;
    if (!finalize())
        return fail_work(error, "cannot end MPI (%s)", process_group_library());
    return !launch_is_of_several() ||
           fail_input(error,
                      "started as one of several processes by the launcher of another MPI library "
                      "than %s, with which this cloze is built",
                      process_group_library());
}

/* Ends all ranks because this one cannot begin; the others wait for it. */
static _Noreturn void fail_to_start(int rank, const struct error *error)
{
    fprintf(stderr, "cloze: rank %d: %s; all processes end\n", rank, error->message);
    MPI_Abort(MPI_COMM_WORLD, ERROR_WORK);
    _exit(ERROR_WORK);
}

static bool join_group(struct process_group **group, struct error *error)
{
    struct member own = {0};
    int rank = 0, size = 1;
    if (!start_mpi(&rank, &size, error)) {
        if (launch_rank() > 0)
            error->message[0] = 0; /* rank 0 says it */
        return false;
    }
    if (size == 1)
        return true;
    struct process_group *made = create(rank, size, error);
    if (!made || !describe(&own, error))
        fail_to_start(rank, error);
    if (!meet(made, &own, error))
        return give_up(made, error);
    if (!thread_start(&made->thread, run_jobs, made, "talks to other ranks", error))
        fail_to_start(rank, error);
    *group = made;
    return true;
}

bool process_group_open(struct process_group **group, struct error *error)
{
    *group = NULL;
    if (launch_rank() < 0 || launch_size() == 1)
        return true;
    signal(SIGALRM, end_at_alarm);
    alarm(START_SECONDS);
    const bool joined = join_group(group, error);
    alarm(0);
    signal(SIGALRM, SIG_DFL);
    return joined;
}

void process_group_close(struct process_group *group)
{
    if (!group)
        return;
    process_group_any(group, 0); /* no rank stops to answer before all have come here */
    alarm(FINALIZE_SECONDS);
    pthread_mutex_lock(&group->lock);
    group->stopping = true;
    pthread_cond_broadcast(&group->changed);
    pthread_mutex_unlock(&group->lock);
    pthread_join(group->thread, NULL);
    finalize();
    pthread_cond_destroy(&group->changed);
    pthread_mutex_destroy(&group->lock);
    release(group);
}

/* ---- what a group is ---- */

void process_group_set_time_limit(struct process_group *group, double seconds)
{
    if (group)
        atomic_store(&group->time_limit, (int)(seconds * 1000));
}

int process_group_rank(const struct process_group *group)
{
    return group ? group->rank : 0;
}

int process_group_size(const struct process_group *group)
{
    return group ? group->size : 1;
}

static bool is_local(const struct process_group *group, int rank)
{
    return strcmp(group->members[rank].host, group->members[group->rank].host) == 0;
}

int process_group_machines(const struct process_group *group)
{
    int machines = 0;
    for (int rank = 0; group && rank < group->size; rank++) {
        bool first = true;
        for (int other = 0; other < rank && first; other++)
            first = strcmp(group->members[rank].host, group->members[other].host) != 0;
        machines += first;
    }
    return group ? machines : 1;
}

int process_group_sharers(const struct process_group *group)
{
    int sharers = 1; /* this rank */
    for (int rank = 0; group && rank < group->size; rank++) {
        cpu_set_t both;
        if (rank == group->rank)
            continue;
        CPU_AND(&both, &group->members[rank].processors, &group->members[group->rank].processors);
        sharers += is_local(group, rank) && CPU_COUNT(&both) > 0;
    }
    return sharers;
}

uint64_t process_group_memory(const struct process_group *group)
{
    if (!group)
        return machine_memory_available();
    uint64_t least = group->members[group->rank].free_memory, ranks = 1;
    for (int rank = 0; rank < group->size; rank++) {
        if (rank == group->rank || !is_local(group, rank))
            continue;
        least = min_uint64(least, group->members[rank].free_memory);
        ranks++;
    }
    return least / ranks;
}

struct rank_name process_group_name(const struct process_group *group, int rank)
{
    struct rank_name name = {"rank 0"};
    if (group)
        snprintf(name.text, sizeof name.text, "rank %d (%s, process %d)", rank,
                 group->members[rank].host, group->members[rank].process);
    return name;
}

/* MPICH describes itself in many lines ("MPICH Version:\t4.0.2\n..."), Open MPI in one. */
const char *process_group_library(void)
{
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;
    MPI_Get_library_version(text, &length);
    text[strcspn(text, "\n,")] = 0;
    char *mark = strstr(text, " Version:\t");
    if (mark)
        memmove(mark, mark + strlen(" Version:"), strlen(mark + strlen(" Version:")) + 1);
    for (char *at = text; *at; at++)
        *at = *at == '\t' ? ' ' : *at;
    return text;
}
