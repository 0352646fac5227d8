/* Runs cloze and breaks one of its system calls: kills the process in its place, lets it fail, or
 * lets it write or read less than it was asked to.
 *
 * The process is traced (ptrace) and stops at every call that concerns files (seccomp), whoever in
 * it makes the call, the C library included. Every failure to do so fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_FAULTS_H
#define CLOZE_TESTS_SUPPORT_FAULTS_H

#include "support/program.h"

#include <stdbool.h>
#include <stddef.h>

/* A call on a file at or below the watched directory. */
struct fault_call {
    int number;       /* of such calls, from 1 */
    const char *name; /* "write" */
    const char *path; /* absolute; of a renaming, the new one */
    bool fails;       /* may be made to fail: all but close, which closes also when it fails */
    size_t size;      /* bytes that it is to write or read; 0: it does neither */
};

struct fault {
    enum { FAULT_NONE, FAULT_KILL, FAULT_ERROR, FAULT_SHORT } kind;
    int error; /* of FAULT_ERROR, an errno value; the call is not made */
};

/* Decides what becomes of a call. It is made, or not, after the function returns; the thread that
 * makes it waits so long. */
typedef struct fault fault_plan(void *context, const struct fault_call *call);

/* run_cloze, with the calls on files at or below the directory put to the plan. */
struct program_result run_cloze_with_faults(const char *const *arguments, const char *directory,
                                            fault_plan *plan, void *context);

#endif
