#include "support/program.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAX_ARGUMENTS = 40 };

void heed_signals(void)
{
    signal(SIGHUP, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGUSR1, SIG_DFL);
}

static pid_t spawn(const char *const *arguments, int out, int err, void (*prepare)(void *context),
                   void *context)
{
    char *words[MAX_ARGUMENTS + 2] = {strdup(TEST_PROGRAM)};
    int count = 1;
    for (; arguments[count - 1]; count++) {
        assert_true(count <= MAX_ARGUMENTS);
        words[count] = strdup(arguments[count - 1]);
    }
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0) {
        heed_signals();
        dup2(out, STDOUT_FILENO);
        dup2(err, STDERR_FILENO);
        if (prepare)
            prepare(context);
        execv(words[0], words);
        _exit(127);
    }
    for (int i = 0; i < count; i++)
        free(words[i]);
    return process;
}

int wait_cloze(pid_t process)
{
    int status;
    assert_int_equal(waitpid(process, &status, 0), process);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static char *read_all(FILE *file)
{
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    char *text = calloc((size_t)size + 1, 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), (size_t)size);
    fclose(file);
    return text;
}

struct program_result run_cloze_watched(const char *const *arguments,
                                        void (*prepare)(void *context),
                                        int (*wait)(pid_t process, void *context), void *context)
{
    FILE *out = tmpfile(), *err = tmpfile();
    assert_non_null(out);
    assert_non_null(err);
    int status = wait(spawn(arguments, fileno(out), fileno(err), prepare, context), context);
    return (struct program_result){status, read_all(out), read_all(err)};
}

static int wait_unwatched(pid_t process, void *context)
{
    (void)context;
    return wait_cloze(process);
}

struct program_result run_cloze(const char *const *arguments)
{
    return run_cloze_watched(arguments, NULL, wait_unwatched, NULL);
}

void program_result_free(struct program_result *result)
{
    free(result->out);
    free(result->err);
}

void assert_cloze_says(int status, const char *message, const char *const *arguments)
{
    struct program_result result = run_cloze(arguments);
    if (result.status != status || !strstr(result.err, message))
        fail_msg("status %d, expected %d; stderr \"%s\", expected \"%s\" in it", result.status,
                 status, result.err, message);
    program_result_free(&result);
}

void assert_cloze_succeeds(const char *const *arguments)
{
    struct program_result result = run_cloze(arguments);
    if (result.status)
        fail_msg("status %d: %s", result.status, result.err);
    program_result_free(&result);
}

pid_t start_cloze(const char *const *arguments)
{
    int nowhere = open("/dev/null", O_RDWR);
    assert_true(nowhere >= 0);
    pid_t process = spawn(arguments, nowhere, nowhere, NULL, NULL);
    close(nowhere);
    return process;
}
