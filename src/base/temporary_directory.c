#include "base/temporary_directory.h"

#include "base/directory.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/partial.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* All signals that end a process which does not handle them, except those of its own faults. */
static const int signals[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,   SIGPIPE, SIGALRM,
                              SIGUSR1, SIGUSR2, SIGXCPU, SIGVTALRM, SIGPROF, SIGXFSZ};

enum { SIGNALS = sizeof signals / sizeof *signals };

struct temporary_directory {
    char *path;  /* NULL if there is no directory to remove */
    int lock;    /* descriptor with the lock on a partial directory; -1: none */
    int pipe[2]; /* carries signals from the handler to the thread; a zero ends the thread */
    pthread_t thread;
    pthread_mutex_t removing; /* never released by the thread after a signal has come */
    struct sigaction before[SIGNALS];
};

/* The pipe of the one open directory, global because a signal handler has no argument for it. */
static volatile int handler_pipe = -1;

static void handle(int signal_number)
{
    int saved = errno;
    unsigned char byte = (unsigned char)signal_number;
    ssize_t ignored = write(handler_pipe, &byte, 1);
    (void)ignored;
    errno = saved;
}

/* True if the directory at the path is this process's own. Another process with the same target
 * uses the same partial name, and may have made its directory after this one was removed. A name in
 * TMPDIR is unique. */
static bool is_own(const struct temporary_directory *directory)
{
    return directory->lock < 0 || partial_is_own(directory->lock, directory->path);
}

/* Removes the directory until it has been missing for a while: other threads may still write into
 * it or make it again, until they notice that it is missing. */
static void remove_all(const struct temporary_directory *directory)
{
    enum { ATTEMPTS = 200, MISSING = 10, MICROSECONDS = 5000 };
    for (int i = 0, missing = 0; i < ATTEMPTS && missing < MISSING; i++) {
        struct error ignored = {0};
        missing = path_is_directory(directory->path) && is_own(directory) ? 0 : missing + 1;
        if (missing || !directory_remove(directory->path, &ignored))
            usleep(MICROSECONDS);
    }
}

/* Waits for a signal and removes the directory, which a signal handler must not do itself. */
static void *wait_for_signal(void *argument)
{
    struct temporary_directory *directory = argument;
    unsigned char byte = 0;
    ssize_t got;
    do
        got = read(directory->pipe[0], &byte, 1);
    while (got < 0 && errno == EINTR);
    if (got < 1 || byte == 0)
        return NULL;
    pthread_mutex_lock(&directory->removing);
    if (directory->path)
        remove_all(directory);
    signal(byte, SIG_DFL);
    kill(getpid(), byte);
    for (;;)
        pause();
}

static void install_handlers(struct temporary_directory *directory)
{
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    handler_pipe = directory->pipe[1];
    for (int i = 0; i < SIGNALS; i++) {
        sigaction(signals[i], NULL, &directory->before[i]);
        if (directory->before[i].sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
}

static bool make_partial(struct temporary_directory *directory, const char *target,
                         struct error *error)
{
    char *path = partial_path(target, error);
    directory->lock = path ? partial_create_directory(path, target, error) : -1;
    if (directory->lock >= 0) {
        directory->path = path;
        return true;
    }
    free(path);
    return false;
}

static bool make_in_tmp(struct temporary_directory *directory, const char *name,
                        struct error *error)
{
    const char *parent = getenv("TMPDIR");
    struct buffer path = {0};
    if (!buffer_print(&path, error, "%s/%s-XXXXXX", parent && *parent ? parent : "/tmp", name))
        return false;
    if (mkdtemp(path.data)) {
        directory->path = path.data;
        return true;
    }
    fail_errno(error, errno, "cannot make a temporary directory %s; set TMPDIR to another place",
               path.data);
    buffer_free(&path);
    return false;
}

static void free_directory(struct temporary_directory *directory)
{
    for (int i = 0; i < 2; i++)
        if (directory->pipe[i] >= 0)
            close(directory->pipe[i]);
    if (directory->lock >= 0)
        close(directory->lock);
    pthread_mutex_destroy(&directory->removing);
    free(directory->path);
    free(directory);
}

typedef bool maker(struct temporary_directory *directory, const char *name, struct error *error);

static struct temporary_directory *open_made(maker *make, const char *name, struct error *error)
{
    CHECK(handler_pipe < 0);
    struct temporary_directory *directory = allocate(1, sizeof *directory, error);
    if (!directory)
        return NULL;
    pthread_mutex_init(&directory->removing, NULL);
    directory->pipe[0] = directory->pipe[1] = directory->lock = -1;
    bool ready =
        pipe2(directory->pipe, O_CLOEXEC) == 0 || fail_errno(error, errno, "cannot make a pipe");
    if (ready && thread_start(&directory->thread, wait_for_signal, directory,
                              "removes temporary files", error)) {
        install_handlers(directory);
        /* A signal that comes now waits for the directory, to remove it. */
        pthread_mutex_lock(&directory->removing);
        bool made = make(directory, name, error);
        pthread_mutex_unlock(&directory->removing);
        if (made)
            return directory;
        struct error ignored = {0};
        temporary_directory_close(directory, &ignored);
        return NULL;
    }
    free_directory(directory);
    return NULL;
}

struct temporary_directory *temporary_directory_open(const char *name, struct error *error)
{
    return open_made(make_in_tmp, name, error);
}

struct temporary_directory *temporary_directory_open_for(const char *target, struct error *error)
{
    return open_made(make_partial, target, error);
}

const char *temporary_directory_path(const struct temporary_directory *directory)
{
    return directory->path;
}

/* A signal comes either before the rename or when there is nothing to remove any more. */
static bool rename_to(struct temporary_directory *directory, const char *target,
                      struct error *error)
{
    pthread_mutex_lock(&directory->removing);
    bool own = is_own(directory), renamed = own && rename(directory->path, target) == 0;
    if (renamed) {
        free(directory->path);
        directory->path = NULL;
    } else if (!own)
        fail_work(error, "%s: cannot write: %s was replaced by another process", target,
                  directory->path);
    else
        fail_path(error, errno, target, "rename the finished directory to this");
    pthread_mutex_unlock(&directory->removing);
    return renamed;
}

bool temporary_directory_keep(struct temporary_directory *directory, const char *target,
                              struct error *error)
{
    char *parent = path_directory(target, error);
    bool kept = parent && directory_sync(directory->path, error) &&
                rename_to(directory, target, error) && directory_sync(parent, error);
    free(parent);
    return kept;
}

bool temporary_directory_close(struct temporary_directory *directory, struct error *error)
{
    if (!directory)
        return true;
    /* Waits for ever, and for the end of the process, once a signal has come. */
    pthread_mutex_lock(&directory->removing);
    bool removed =
        !directory->path || !is_own(directory) || directory_remove(directory->path, error);
    for (int i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &directory->before[i], NULL);
    pthread_mutex_unlock(&directory->removing);
    const unsigned char end = 0;
    ssize_t ignored = write(directory->pipe[1], &end, 1);
    (void)ignored;
    pthread_join(directory->thread, NULL);
    handler_pipe = -1;
    free_directory(directory);
    return removed;
}
