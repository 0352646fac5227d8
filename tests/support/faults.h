/* Runs cloze and injects a fault into one of its system calls: kills the process instead of the
 * call, makes the call fail, or makes it write or read fewer bytes than requested.
 *
 * The process is traced (ptrace) and stops at every call that concerns files (seccomp), also at
 * calls of libraries. Every failure to trace it fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_FAULTS_H
#define CLOZE_TESTS_SUPPORT_FAULTS_H

#include "support/program.h"

#include <stdbool.h>
#include <stddef.h>

/* A call on a file at or below the watched directory. */
struct fault_call {
    int number;       /* number of the call, from 1 */
    const char *name; /* name of the system call, such as "write" */
    const char *path; /* absolute path; of a renaming, the new path */
    bool fails;       /* whether it may be made to fail: all but close, which always closes */
    size_t size;      /* bytes to write or read; 0: it does neither */
};

struct fault {
    enum { FAULT_NONE, FAULT_KILL, FAULT_ERROR, FAULT_SHORT } kind;
    int error; /* with FAULT_ERROR: an errno value; the call is not made */
};

/* Decides on the fault of a call. The thread that makes the call waits until the function
 * returns. */
typedef struct fault fault_plan(void *context, const struct fault_call *call);

/* As run_cloze; the plan decides on each call on a file at or below the directory. */
struct program_result run_cloze_with_faults(const char *const *arguments, const char *directory,
                                            fault_plan *plan, void *context);

#endif
