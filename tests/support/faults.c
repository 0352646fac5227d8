#include "support/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the calls ---- */

/* The indices of the arguments by which a call names its file; NONE: no argument. */
enum { NONE = -1 };

static const struct call_kind {
    long number;
    const char *name;
    int directory;  /* argument that is a descriptor to which the path is relative */
    int path;       /* argument that is the path */
    int descriptor; /* argument that is a descriptor, if there is no path */
    int size;       /* argument that is the number of bytes to write or read */
} call_kinds[] = {
    {SYS_open, "open", NONE, 0, NONE, NONE},
    {SYS_openat, "openat", 0, 1, NONE, NONE},
    {SYS_stat, "stat", NONE, 0, NONE, NONE},
    {SYS_lstat, "lstat", NONE, 0, NONE, NONE},
    {SYS_newfstatat, "newfstatat", 0, 1, 0, NONE},
    {SYS_access, "access", NONE, 0, NONE, NONE},
    {SYS_readlink, "readlink", NONE, 0, NONE, NONE},
    {SYS_mkdir, "mkdir", NONE, 0, NONE, NONE},
    {SYS_rmdir, "rmdir", NONE, 0, NONE, NONE},
    {SYS_unlink, "unlink", NONE, 0, NONE, NONE},
    {SYS_unlinkat, "unlinkat", 0, 1, NONE, NONE},
    {SYS_symlink, "symlink", NONE, 1, NONE, NONE},
    {SYS_rename, "rename", NONE, 1, NONE, NONE},
    {SYS_renameat2, "renameat2", 2, 3, NONE, NONE},
    {SYS_fstat, "fstat", NONE, NONE, 0, NONE},
    {SYS_read, "read", NONE, NONE, 0, 2},
    {SYS_write, "write", NONE, NONE, 0, 2},
    {SYS_pwrite64, "pwrite64", NONE, NONE, 0, 2},
    {SYS_fsync, "fsync", NONE, NONE, 0, NONE},
    {SYS_ftruncate, "ftruncate", NONE, NONE, 0, NONE},
    {SYS_flock, "flock", NONE, NONE, 0, NONE},
    {SYS_fcntl, "fcntl", NONE, NONE, 0, NONE},
    {SYS_getdents64, "getdents64", NONE, NONE, 0, NONE},
    {SYS_mmap, "mmap", NONE, NONE, 4, NONE},
    {SYS_close, "close", NONE, NONE, 0, NONE},
};

enum { CALL_KINDS = sizeof call_kinds / sizeof *call_kinds };

static const struct call_kind *find_kind(unsigned long long number)
{
    for (int i = 0; i < CALL_KINDS; i++)
        if (number == (unsigned long long)call_kinds[i].number)
            return &call_kinds[i];
    return NULL;
}

/* Makes each of these calls stop the process for its tracer from now on. Called in the child. */
static void stop_at_calls(void)
{
    struct sock_filter filter[2 * CALL_KINDS + 2];
    unsigned short size = 0;
    filter[size++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < CALL_KINDS; i++) {
        filter[size++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                      (unsigned)call_kinds[i].number, 0, 1);
        filter[size++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    }
    filter[size++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {size, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(127);
}

/* ---- what a stopped thread is about to do ---- */

static unsigned long long argument(const struct user_regs_struct *registers, int index)
{
    switch (index) {
    case 0:
        return registers->rdi;
    case 1:
        return registers->rsi;
    case 2:
        return registers->rdx;
    case 3:
        return registers->r10;
    default:
        return registers->r8;
    }
}

/* Reads the text at an address of the thread, up to PATH_MAX. */
static void read_text(pid_t thread, unsigned long long address, char text[PATH_MAX])
{
    const size_t page = 4096;
    size_t used = 0;
    text[0] = 0;
    while (used < PATH_MAX - 1) {
        size_t size = page - (address + used) % page;
        if (size > PATH_MAX - 1 - used)
            size = PATH_MAX - 1 - used;
        struct iovec here = {text + used, size};
        struct iovec there = {(void *)(uintptr_t)(address + used), size};
        ssize_t got = process_vm_readv(thread, &here, 1, &there, 1, 0);
        text[used + (size_t)(got > 0 ? got : 0)] = 0;
        if (got <= 0 || memchr(text + used, 0, (size_t)got))
            return;
        used += (size_t)got;
    }
}

/* Reads the path of a descriptor of the thread, or of its working directory; empty if it has
 * none. */
static void read_descriptor(pid_t thread, int descriptor, char path[PATH_MAX])
{
    char link[64];
    if (descriptor == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/%d/cwd", thread);
    else
        snprintf(link, sizeof link, "/proc/%d/fd/%d", thread, descriptor);
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    path[size > 0 ? size : 0] = 0;
}

static void read_path(pid_t thread, const struct call_kind *kind,
                      const struct user_regs_struct *registers, char path[PATH_MAX])
{
    char name[PATH_MAX] = "";
    if (kind->path != NONE)
        read_text(thread, argument(registers, kind->path), name);
    if (kind->path != NONE && name[0] == '/') {
        memcpy(path, name, sizeof name);
        return;
    }
    int descriptor = kind->path == NONE        ? (int)argument(registers, kind->descriptor)
                     : kind->directory == NONE ? AT_FDCWD
                                               : (int)argument(registers, kind->directory);
    read_descriptor(thread, descriptor, path);
    size_t used = strlen(path);
    if (name[0] && used && used + strlen(name) + 2 < PATH_MAX)
        snprintf(path + used, PATH_MAX - used, "/%.*s", PATH_MAX - (int)used - 2, name);
}

/* ---- the tracer ---- */

struct tracer {
    pid_t process;
    const char *directory;
    fault_plan *plan;
    void *context;
    int calls;
};

static bool is_within(const char *directory, const char *path)
{
    size_t size = strlen(directory);
    return strncmp(path, directory, size) == 0 && (path[size] == 0 || path[size] == '/');
}

static void inject(struct tracer *tracer, pid_t thread, const struct call_kind *kind,
                   struct user_regs_struct *registers, struct fault fault)
{
    switch (fault.kind) {
    case FAULT_NONE:
        return;
    case FAULT_KILL:
        assert_int_equal(kill(tracer->process, SIGKILL), 0);
        return;
    case FAULT_ERROR: /* replaces the call by one that does not exist, with this result */
        registers->orig_rax = (unsigned long long)-1;
        registers->rax = (unsigned long long)-fault.error;
        break;
    case FAULT_SHORT:
        assert_int_equal(kind->size, 2);
        registers->rdx = (registers->rdx + 1) / 2;
        break;
    }
    assert_int_equal(ptrace(PTRACE_SETREGS, thread, NULL, registers), 0);
}

static void look_at_call(struct tracer *tracer, pid_t thread)
{
    struct user_regs_struct registers;
    char path[PATH_MAX];
    if (ptrace(PTRACE_GETREGS, thread, NULL, &registers) != 0)
        return; /* the thread was killed in the meantime */
    const struct call_kind *kind = find_kind(registers.orig_rax);
    assert_non_null(kind);
    read_path(thread, kind, &registers, path);
    if (!is_within(tracer->directory, path))
        return;
    const struct fault_call call = {
        .number = ++tracer->calls,
        .name = kind->name,
        .path = path,
        .fails = kind->number != SYS_close,
        .size = kind->size == NONE ? 0 : argument(&registers, kind->size),
    };
    inject(tracer, thread, kind, &registers, tracer->plan(tracer->context, &call));
}

/* Lets the process run from stop to stop until it ends. Returns its status as wait_cloze does. */
static int trace(pid_t process, void *context)
{
    struct tracer *tracer = context;
    tracer->process = process;
    const long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
                         PTRACE_O_TRACEFORK | PTRACE_O_EXITKILL;
    int status;
    /* The process has stopped itself, so that no call is missed. */
    assert_int_equal(waitpid(process, &status, WUNTRACED), process);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(ptrace(PTRACE_SEIZE, process, NULL, options), 0);
    kill(process, SIGCONT);
    for (;;) {
        pid_t thread = waitpid(-1, &status, __WALL);
        assert_true(thread > 0);
        if (thread == process && WIFEXITED(status))
            return WEXITSTATUS(status);
        if (thread == process && WIFSIGNALED(status))
            return 128 + WTERMSIG(status);
        if (!WIFSTOPPED(status))
            continue;
        int event = status >> 16;
        if (event == PTRACE_EVENT_SECCOMP)
            look_at_call(tracer, thread);
        int signal_number = event ? 0 : WSTOPSIG(status);
        ptrace(PTRACE_CONT, thread, NULL, signal_number);
    }
}

static void prepare_child(void *context)
{
    (void)context;
    /* The leak checker of the address sanitizer would trace the process itself. */
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
    raise(SIGSTOP);
    stop_at_calls();
}

struct program_result run_cloze_with_faults(const char *const *arguments, const char *directory,
                                            fault_plan *plan, void *context)
{
    struct tracer tracer = {.directory = directory, .plan = plan, .context = context};
    return run_cloze_watched(arguments, prepare_child, trace, &tracer);
}
