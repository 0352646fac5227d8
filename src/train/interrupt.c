#include "train/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Set by the signal handler, which can only write to a global variable: whether any signal has
 * come, and whether one of them was SIGINT or SIGTERM. */
static volatile sig_atomic_t requested, told_to_end, silenced;

/* Writes to stderr in a signal handler. */
static void say(const char *text)
{
    const int saved = errno; /* of a call that the signal interrupts */
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
    (void)ignored;
    errno = saved;
}

/* SIGHUP and SIGUSR1 neither end the process at once nor count for that: a closed window often
 * sends SIGHUP twice, by the kernel and by the shell, and a batch system SIGTERM after SIGUSR1. */
static void handle(int signal_number)
{
    const bool ends = signal_number == SIGINT || signal_number == SIGTERM, first = !requested;
    requested = 1;
    if (silenced)
        return;
    if (ends && told_to_end)
        _exit(130);
    if (first)
        say("\nStopping: saving when this step is done.\n");
    if (!ends)
        return;
    told_to_end = 1;
    say("Press Ctrl-C again to quit without saving.\n");
}

void interrupt_install(bool quiet)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGUSR1, SIGHUP};
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART}, before;
    sigemptyset(&action.sa_mask);
    silenced = quiet;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool interrupt_requested(void)
{
    return requested;
}

bool interrupt_end(const char *stopped, const char *command, struct log *log, struct error *error)
{
    const int length = snprintf(error->message, sizeof error->message, "%s%s%s", stopped,
                                command ? " To continue:\n  " : "", command ? command : "");
    error->kind = ERROR_INTERRUPTED;
    if (length < (int)sizeof error->message)
        return false;
    log_line(log, "To continue:\n  %s", command);
    snprintf(error->message, sizeof error->message, "%s", stopped);
    return false;
}
