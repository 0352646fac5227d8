#include "train/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

/* A signal handler has no other way to speak to its program. */
static volatile sig_atomic_t requested;

static void handle(int signal_number)
{
    (void)signal_number;
    if (requested)
        _exit(130);
    requested = 1;
    static const char message[] = "\ninterrupted: saving after this step (again to stop at once)\n";
    ssize_t ignored = write(STDERR_FILENO, message, sizeof message - 1);
    (void)ignored;
}

void interrupt_install(void)
{
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool interrupt_requested(void)
{
    return requested;
}
