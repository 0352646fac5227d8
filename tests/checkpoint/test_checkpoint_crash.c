/* A process that dies at any change of the disk leaves a checkpoint to be found. */

#include "checkpoint/checkpoint.h"

#include "support/training_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <omp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The functions below stand before the C library's of the same names, for the library under test as
 * well: the process kills itself in place of the change of the disk that the count has come down
 * to. */
static int changes_to_live; /* 0: no end in sight */
static bool no_exchange;    /* as on a file system that cannot exchange directories */

static void change_disk(void)
{
    if (changes_to_live > 0 && --changes_to_live == 0)
        raise(SIGKILL);
}

int rename(const char *from, const char *to)
{
    change_disk();
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat2(int from_directory, const char *from, int to_directory, const char *to,
              unsigned flags)
{
    if (no_exchange && flags == RENAME_EXCHANGE) {
        errno = EINVAL;
        return -1;
    }
    change_disk();
    return (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
}

int unlinkat(int directory, const char *name, int flags)
{
    change_disk();
    return (int)syscall(SYS_unlinkat, directory, name, flags);
}

int mkdir(const char *path, mode_t mode)
{
    change_disk();
    return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int symlink(const char *target, const char *path)
{
    change_disk();
    return (int)syscall(SYS_symlinkat, target, AT_FDCWD, path);
}

/* No test can cut the power, and waiting for the disk would take most of the time. */
int fsync(int descriptor)
{
    (void)descriptor;
    return 0;
}

/* A save in a process that is killed at its given change of the disk; false if it came to its end
 * before that. */
static bool killed_while_saving(struct training *training, int64_t step, int change)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct error error = {0};
        struct training_state next = training_state_at(step);
        changes_to_live = change;
        _exit(!checkpoint_save(training->scratch->directory, &training->numbers,
                               training->tokenizer, &next,
                               (struct checkpoint_retention){.newest = 1}, NULL, &error));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        return true;
    assert_int_equal(WEXITSTATUS(status), 0);
    return false;
}

static void test_killed_at_any_change_a_new_or_the_last_checkpoint_is_found(void **state)
{
    struct training *training = *state;
    int64_t last = 1;
    training_save(training, last, 0);
    for (int change = 1; killed_while_saving(training, last + 1, change); change++) {
        struct error error = {0};
        int64_t *steps;
        size_t count;
        assert_true(checkpoint_list(training->scratch->directory, &steps, &count, &error));
        assert_true(count >= 1 && steps[count - 1] - last <= 1);
        last = steps[count - 1];
        free(steps);
        char name[32];
        snprintf(name, sizeof name, "step-%08lld", (long long)last);
        assert_latest(training, name);
        assert_not_warned(training);
    }
    assert_true(last > 1); /* the last kills came after the renaming */
}

static void test_killed_at_any_change_a_replaced_checkpoint_is_found(void **state)
{
    struct training *training = *state;
    int change = 1;
    training_save(training, 3, 0);
    for (; killed_while_saving(training, 3, change); change++) {
        assert_latest(training, "step-00000003");
        assert_not_warned(training);
    }
    assert_true(change > 20); /* eight files written, flushed and renamed, and more */
}

static void test_without_exchange_a_replaced_checkpoint_is_found_too(void **state)
{
    struct training *training = *state;
    training_save(training, 3, 0);
    no_exchange = true;
    for (int change = 1; killed_while_saving(training, 3, change); change++) {
        struct error error = {0};
        char *directory;
        assert_true(checkpoint_find_latest(training->scratch->directory, &directory, &training->log,
                                           &error));
        assert_non_null(directory);
        assert_non_null(strstr(directory, "step-00000003"));
        free(directory);
        assert_not_warned(training);
    }
    no_exchange = false;
    assert_latest(training, "step-00000003");
}

int main(void)
{
#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, training_set_up, training_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_killed_at_any_change_a_new_or_the_last_checkpoint_is_found),
        TEST(test_killed_at_any_change_a_replaced_checkpoint_is_found),
        TEST(test_without_exchange_a_replaced_checkpoint_is_found_too),
    };
    omp_set_num_threads(1); /* a forked child has no thread but its own */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
