#include "base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_kinds_and_messages(void **state)
{
    (void)state;
    struct error error = {0};
    assert_false(fail_input(&error, "%s:%d: bad", "config.yaml", 7));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_string_equal(error.message, "config.yaml:7: bad");
    assert_false(fail_work(&error, "no more"));
    assert_int_equal(error.kind, ERROR_WORK);
    assert_string_equal(error.message, "no more");
    assert_false(fail_errno(&error, ENOSPC, "%s: cannot write", "a"));
    assert_int_equal(error.kind, ERROR_WORK);
    assert_string_equal(error.message, "a: cannot write: No space left on device");
}

static void test_kinds_are_exit_statuses(void **state)
{
    (void)state;
    assert_int_equal(ERROR_NONE, 0);
    assert_int_equal(ERROR_WORK, 1);
    assert_int_equal(ERROR_INPUT, 2);
    assert_int_equal(ERROR_INTERRUPTED, 130);
}

static void test_context_keeps_the_kind(void **state)
{
    (void)state;
    struct error error = {0};
    fail_input(&error, "expected a number");
    assert_false(fail_context(&error, "%s", "train.steps"));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_string_equal(error.message, "train.steps: expected a number");
}

static void test_long_messages_are_cut(void **state)
{
    (void)state;
    struct error error = {0};
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    fail_work(&error, "%s", text);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    fail_context(&error, "here");
    assert_memory_equal(error.message, "here: xxx", 9);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    fail_errno(&error, ENOSPC, "%s", text);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
}

static void test_a_failed_check_aborts_and_says_where(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        CHECK(child > 0);
        _exit(0);
    }
    close(ends[1]);
    char text[512] = "";
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "CHECK(child > 0) failed at "));
    assert_non_null(strstr(text, "test_error.c:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_and_messages),
        cmocka_unit_test(test_kinds_are_exit_statuses),
        cmocka_unit_test(test_context_keeps_the_kind),
        cmocka_unit_test(test_long_messages_are_cut),
        cmocka_unit_test(test_a_failed_check_aborts_and_says_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
