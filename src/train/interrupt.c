#include "train/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

/* Set by the signal handler, which can only write to a global variable. */
static volatile sig_atomic_t requested, silenced;

/* SIGHUP and SIGUSR1 never end the process at once: a closed window often sends it twice, by the
 * kernel and by the shell. */
static void handle(int signal_number)
{
    if (requested && (signal_number == SIGINT || signal_number == SIGTERM) && !silenced)
        _exit(130);
    if (requested)
        return;
    requested = 1;
    if (silenced)
        return;
    const int saved = errno; /* of a call that this signal interrupts */
    static const char message[] = "\n"
                                  "Stopping: saving when this step is done.\n"
                                  "Press Ctrl-C again to quit without saving.\n";
    ssize_t ignored = write(STDERR_FILENO, message, sizeof message - 1);
    (void)ignored;
    errno = saved;
}

static bool is_ignored(int signal_number)
{
    struct sigaction action;
    return sigaction(signal_number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

void interrupt_install(bool quiet)
{
    silenced = quiet;
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    if (!is_ignored(SIGHUP)) /* nohup ignores it */
        sigaction(SIGHUP, &action, NULL);
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
