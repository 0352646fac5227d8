/* SIGINT, SIGTERM, SIGUSR1 (which batch systems send before the time is over, and which mpirun
 * passes on) and SIGHUP (a closed window) during a run: the first one requests a clean end after
 * the current step. A SIGINT or SIGTERM after an earlier one of these two ends the process at once
 * with status 130, unless the handlers are quiet. A signal that was ignored before, as SIGHUP is
 * under nohup and SIGINT in the background of a script, is still ignored. */
#ifndef CLOZE_TRAIN_INTERRUPT_H
#define CLOZE_TRAIN_INTERRUPT_H

#include "base/error.h"
#include "base/log.h"

#include <stdbool.h>

/* Installs the handlers for the whole process. Quiet ones write nothing to stderr and never end
 * the process: they are for a rank, whose launcher sends signals of its own when another rank
 * dies. From then on SIGPIPE is ignored, because a closed terminal must not end a run. */
void interrupt_install(bool quiet);

/* True if a signal has come. */
bool interrupt_requested(void);

/* Ends a training that was stopped: sets ERROR_INTERRUPTED with the message `stopped` and, unless
 * it is NULL, the command that continues. One that is too long for the message is logged before it
 * instead of being cut. Returns false. */
bool interrupt_end(const char *stopped, const char *command, struct log *log, struct error *error);

#endif
