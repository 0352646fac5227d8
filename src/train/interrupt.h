/* SIGINT and SIGTERM during a run: the first asks for a clean end after the step at hand, the
 * second ends the process at once with status 130. */
#ifndef CLOZE_TRAIN_INTERRUPT_H
#define CLOZE_TRAIN_INTERRUPT_H

#include <stdbool.h>

/* Installs the handlers for the whole process. SIGPIPE is ignored from here on: a closed terminal
 * must not end a run. */
void interrupt_install(void);

/* True once a signal has come. */
bool interrupt_requested(void);

#endif
