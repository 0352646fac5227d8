#include "base/directory.h"
#include "base/file_writer.h"
#include "base/temporary_directory.h"

#include "support/scratch.h"

#include "base/file.h"
#include "base/partial.h"

#include <dirent.h>
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

/* How many entries the scratch directory has. */
static int count_entries(const struct scratch *scratch)
{
    int count = 0;
    DIR *stream = opendir(scratch->directory);
    assert_non_null(stream);
    while (readdir(stream))
        count++;
    closedir(stream);
    return count - 2;
}

static int set_up(void **state)
{
    unsetenv("TMPDIR"); /* of the test before */
    int status = scratch_set_up(state);
    struct scratch *scratch = *state;
    return status || setenv("TMPDIR", scratch->directory, 1);
}

static void write_into(const struct temporary_directory *directory, int number)
{
    char path[600];
    snprintf(path, sizeof path, "%s/file-%d", temporary_directory_path(directory), number);
    int file = open(path, O_WRONLY | O_CREAT, 0666);
    if (file >= 0)
        close(file);
}

static void it_is_removed_with_what_it_holds(void **state)
{
    struct error error = {0};
    for (int i = 0; i < 2; i++) {
        struct temporary_directory *directory = temporary_directory_open("test", &error);
        assert_non_null(directory);
        assert_int_equal(count_entries(*state), 1);
        write_into(directory, 1);
        assert_true(temporary_directory_close(directory, &error));
        assert_int_equal(count_entries(*state), 0);
    }
}

/* It goes on writing until it ends. */
static pid_t start_writing(int *ready)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0) {
        struct error error = {0};
        struct temporary_directory *directory = temporary_directory_open("test", &error);
        for (int i = 0;; i++) {
            write_into(directory, i % 1000);
            if (i == 10 && write(ends[1], "", 1) != 1)
                _exit(1);
        }
    }
    close(ends[1]);
    *ready = ends[0];
    return process;
}

static void a_signal_leaves_nothing(void **state)
{
    static const int signals[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGPIPE,
                                  SIGALRM, SIGUSR1, SIGXCPU, SIGXFSZ};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        int ready, status;
        char byte;
        pid_t process = start_writing(&ready);
        assert_int_equal(read(ready, &byte, 1), 1);
        close(ready);
        assert_int_equal(count_entries(*state), 1);
        assert_int_equal(kill(process, signals[i]), 0);
        assert_int_equal(waitpid(process, &status, 0), process);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), signals[i]);
        assert_int_equal(count_entries(*state), 0);
    }
}

static void one_that_is_kept_stays(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    char *target = scratch_path_copy(scratch, "whole");
    struct temporary_directory *directory = temporary_directory_open_for(target, &error);
    assert_non_null(directory);
    write_into(directory, 1);
    assert_true(temporary_directory_keep(directory, target, &error));
    assert_true(temporary_directory_close(directory, &error));
    assert_int_equal(count_entries(scratch), 1);
    assert_true(path_exists(scratch_path(scratch, "whole/file-1")));
    /* What is in the way stays, and the new directory goes. */
    directory = temporary_directory_open_for(target, &error);
    assert_false(temporary_directory_keep(directory, target, &error));
    assert_non_null(strstr(error.message, "whole: cannot rename the finished directory to this"));
    assert_null(strstr(error.message, "partial"));
    assert_true(temporary_directory_close(directory, &error));
    assert_int_equal(count_entries(scratch), 1);
    free(target);
}

/* The signal ends the process, but what has its name is not removed. */
static void a_signal_leaves_what_is_kept(void **state)
{
    struct scratch *scratch = *state;
    int status;
    char *target = scratch_path_copy(scratch, "whole");
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0) {
        struct error error = {0};
        struct temporary_directory *directory = temporary_directory_open_for(target, &error);
        if (!directory || !temporary_directory_keep(directory, target, &error))
            _exit(1);
        kill(getpid(), SIGTERM);
        for (;;)
            pause();
    }
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(count_entries(scratch), 1);
    assert_true(path_exists(target));
    free(target);
}

/* As another process with the same target does once the first one has removed its own. */
static void replace_partial(const char *partial)
{
    struct error error = {0};
    char inner[600];
    assert_true(directory_remove(partial, &error));
    assert_true(directory_make(partial, &error));
    snprintf(inner, sizeof inner, "%s/other", partial);
    assert_true(file_write(inner, "other", 5, &error));
}

static bool other_is_there(const char *partial)
{
    char inner[600];
    snprintf(inner, sizeof inner, "%s/other", partial);
    return path_exists(inner);
}

static void what_another_process_has_made_stays(void **state)
{
    struct error error = {0};
    char *target = scratch_path_copy(*state, "whole");
    struct temporary_directory *directory = temporary_directory_open_for(target, &error);
    assert_non_null(directory);
    char *partial = path_join("", temporary_directory_path(directory), &error);
    replace_partial(partial);
    assert_false(temporary_directory_keep(directory, target, &error));
    assert_non_null(strstr(error.message, "/whole: cannot write: "));
    assert_non_null(strstr(error.message, ".partial was replaced by another process"));
    assert_false(path_exists(target));
    assert_true(temporary_directory_close(directory, &error));
    assert_true(other_is_there(partial));
    free(partial);
    free(target);
}

static void a_signal_leaves_what_another_process_has_made(void **state)
{
    struct error error = {0};
    int ready[2], status;
    char byte;
    char *target = scratch_path_copy(*state, "whole");
    char *partial = partial_path(target, &error);
    assert_int_equal(pipe(ready), 0);
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0) {
        if (!temporary_directory_open_for(target, &error) || write(ready[1], "", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    replace_partial(partial);
    assert_int_equal(kill(process, SIGTERM), 0);
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_true(WIFSIGNALED(status));
    assert_true(other_is_there(partial));
    close(ready[0]);
    close(ready[1]);
    free(partial);
    free(target);
}

static void the_parent_is_not_made(void **state)
{
    struct error error = {0};
    assert_null(temporary_directory_open_for(scratch_path(*state, "nowhere/whole"), &error));
    assert_non_null(strstr(error.message, "/nowhere/whole: cannot create: No such file"));
}

static void no_place_is_an_error(void **state)
{
    struct error error = {0};
    assert_int_equal(setenv("TMPDIR", scratch_path(*state, "nowhere"), 1), 0);
    assert_null(temporary_directory_open("test", &error));
    assert_non_null(strstr(error.message, "; set TMPDIR to another place: No such file"));
}

#define TEMPORARY_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, scratch_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEMPORARY_TEST(it_is_removed_with_what_it_holds),
        TEMPORARY_TEST(a_signal_leaves_nothing),
        TEMPORARY_TEST(one_that_is_kept_stays),
        TEMPORARY_TEST(a_signal_leaves_what_is_kept),
        TEMPORARY_TEST(what_another_process_has_made_stays),
        TEMPORARY_TEST(a_signal_leaves_what_another_process_has_made),
        TEMPORARY_TEST(the_parent_is_not_made),
        TEMPORARY_TEST(no_place_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
