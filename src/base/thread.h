/* Threads that work in the background. */
#ifndef CLOZE_BASE_THREAD_H
#define CLOZE_BASE_THREAD_H

#include "base/error.h"

#include <pthread.h>

/* Starts a thread with all signals blocked: they must interrupt the system calls of the main
 * thread, and not those of this one. `purpose` completes the error "cannot start the thread that
 * PURPOSE"; on failure there is no thread to join. */
bool thread_start(pthread_t *thread, void *(*run)(void *context), void *context,
                  const char *purpose, struct error *error);

#endif
