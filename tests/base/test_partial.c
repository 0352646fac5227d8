#include "base/directory.h"
#include "base/partial.h"

#include "base/file.h"
#include "support/contents.h"
#include "support/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* In the scratch directory, which becomes the working directory. */
static int set_up(void **state)
{
    int status = scratch_set_up(state);
    struct scratch *scratch = *state;
    return status || chdir(scratch->directory);
}

static int tear_down(void **state)
{
    return chdir("/") || scratch_tear_down(state);
}

static char *partial_of(const char *path)
{
    struct error error = {0};
    char *partial = partial_path(path, &error);
    assert_non_null(partial);
    return partial;
}

static void a_partial_name_tells_its_origin(void **state)
{
    char name[NAME_MAX + 1] = {0};
    (void)state;
    char *partial = partial_of("a/b/vocab.txt");
    assert_int_equal(strncmp(partial, "a/b/vocab.txt.cloze-", 20), 0);
    assert_string_equal(partial + 28, ".partial");
    assert_int_equal(partial_origin(partial + 4), 9);
    partial[20] ^= 1;
    assert_int_equal(partial_origin(partial + 4), 0);
    free(partial);
    for (size_t length = 1; length <= NAME_MAX; length++) {
        memset(name, 'n', length);
        partial = partial_of(name);
        assert_true(strlen(partial) <= NAME_MAX);
        size_t origin = partial_origin(partial);
        assert_int_equal(origin, length < NAME_MAX - 23 ? length : NAME_MAX - 23);
        free(partial);
    }
    static const char *const others[] = {"",
                                         "vocab.txt",
                                         "vocab.txt.partial",
                                         ".partial",
                                         ".cloze-0000000a.partial",
                                         "v.cloze-0000000a.partial"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(partial_origin(others[i]), 0);
}

static void what_a_killed_process_has_left_is_replaced(void **state)
{
    struct error error = {0};
    char *partial = partial_of("file");
    scratch_write_text(*state, partial, "of the process before");
    assert_int_equal(link(partial, "copy"), 0);
    int descriptor = partial_create_file(partial, "file", &error);
    assert_true(descriptor >= 0);
    struct buffer text = contents_of("copy");
    assert_string_equal(text.data, "of the process before");
    buffer_free(&text);
    struct stat status;
    assert_int_equal(fstat(descriptor, &status), 0);
    assert_int_equal(status.st_size, 0);
    close(descriptor);
    free(partial);

    partial = partial_of("directory");
    assert_true(directory_make(partial, &error));
    char inner[NAME_MAX + 10];
    snprintf(inner, sizeof inner, "%s/half", partial);
    scratch_write_text(*state, inner, "half");
    descriptor = partial_create_directory(partial, "directory", &error);
    assert_true(descriptor >= 0);
    close(descriptor);
    assert_int_equal(rmdir(partial), 0);
    free(partial);
}

static void what_a_living_process_writes_is_left(void **state)
{
    struct error error = {0};
    (void)state;
    char *partial = partial_of("file");
    int descriptor = partial_create_file(partial, "file", &error);
    assert_true(descriptor >= 0);
    assert_int_equal(partial_create_file(partial, "file", &error), -1);
    assert_string_equal(error.message, "file: is being written by another process");
    assert_int_equal(error.kind, ERROR_WORK);
    assert_true(path_exists(partial));
    close(descriptor);
    free(partial);
    partial = partial_of("directory");
    descriptor = partial_create_directory(partial, "directory", &error);
    assert_true(descriptor >= 0);
    assert_int_equal(partial_create_directory(partial, "directory", &error), -1);
    assert_string_equal(error.message, "directory: is being written by another process");
    close(descriptor);
    free(partial);
}

/* A link must not decide what is removed. */
static void what_is_no_leftover_is_left(void **state)
{
    struct error error = {0};
    char *partial = partial_of("file");
    scratch_write_text(*state, "mine", "mine");
    assert_int_equal(symlink("mine", partial), 0);
    assert_int_equal(partial_create_file(partial, "file", &error), -1);
    assert_non_null(strstr(error.message, ".partial: is in the way of a file to be written"));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_int_equal(unlink(partial), 0);
    assert_int_equal(mkdir(partial, 0777), 0);
    assert_int_equal(partial_create_file(partial, "file", &error), -1);
    assert_non_null(strstr(error.message, ".partial: is in the way of a file to be written"));
    assert_int_equal(rmdir(partial), 0);
    assert_int_equal(mkfifo(partial, 0666), 0);
    assert_int_equal(partial_create_file(partial, "file", &error), -1);
    assert_int_equal(partial_create_directory(partial, "file", &error), -1);
    free(partial);
}

/* ---- locks ---- */

/* What takes the place of the system's locks (-Wl,--wrap=flock). */
static enum { LOCKS_PLAIN, LOCKS_OF_NFS, LOCKS_NONE } locks;

int __real_flock(int descriptor, int operation);
int __wrap_flock(int descriptor, int operation);

int __wrap_flock(int descriptor, int operation)
{
    struct stat status;
    int flags = fcntl(descriptor, F_GETFL);
    assert_int_equal(fstat(descriptor, &status), 0);
    if (locks == LOCKS_PLAIN)
        return __real_flock(descriptor, operation);
    if (locks == LOCKS_OF_NFS && (!S_ISREG(status.st_mode) || (flags & O_ACCMODE) != O_RDONLY))
        return __real_flock(descriptor, operation);
    errno = locks == LOCKS_NONE ? ENOLCK : EBADF;
    return -1;
}

/* There an exclusive lock needs a descriptor that may be written to. */
static void locks_of_nfs_are_seen(void **state)
{
    locks = LOCKS_OF_NFS;
    what_a_killed_process_has_left_is_replaced(state);
    what_a_living_process_writes_is_left(state);
    locks = LOCKS_PLAIN;
}

static void without_locks_nothing_is_removed(void **state)
{
    struct error error = {0};
    char *partial = partial_of("file");
    locks = LOCKS_NONE;
    int descriptor = partial_create_file(partial, "file", &error);
    assert_true(descriptor >= 0);
    assert_int_equal(partial_create_file(partial, "file", &error), -1);
    assert_int_equal(error.kind, ERROR_WORK);
    assert_int_equal(strncmp(error.message, partial, strlen(partial)), 0);
    assert_string_equal(error.message + strlen(partial),
                        ": cannot lock, so another process may be writing it: No locks available; "
                        "if none is, remove it");
    assert_true(partial_is_own(descriptor, partial));
    assert_int_equal(unlink(partial), 0);
    assert_false(partial_is_own(descriptor, partial));
    scratch_write_text(*state, partial, "of another process");
    assert_false(partial_is_own(descriptor, partial));
    close(descriptor);
    free(partial);
    partial = partial_of("directory");
    descriptor = partial_create_directory(partial, "directory", &error);
    assert_true(descriptor >= 0);
    assert_int_equal(partial_create_directory(partial, "directory", &error), -1);
    assert_non_null(strstr(error.message, ": cannot lock, so another process may be writing it: "));
    assert_true(path_exists(partial));
    close(descriptor);
    free(partial);
    locks = LOCKS_PLAIN;
}

/* ---- many processes at once ---- */

enum { PROCESSES = 4, TURNS = 50, SIZE = 100 };

/* Fills the file with the writer's letter; false if somebody else writes into it meanwhile. */
static bool write_alone(int descriptor, char letter)
{
    char text[SIZE + 1], found[SIZE + 2];
    memset(text, letter, SIZE);
    for (int i = 0; i < SIZE; i += 10)
        if (write(descriptor, text + i, 10) != 10)
            return false;
    return pread(descriptor, found, sizeof found, 0) == SIZE && memcmp(found, text, SIZE) == 0;
}

/* 0 once it has had all its turns. */
static int take_turns(const char *partial, char letter)
{
    for (int turn = 0, attempt = 0; turn < TURNS; attempt++) {
        struct error error = {0};
        int descriptor = partial_create_file(partial, "file", &error);
        if (descriptor < 0 && strcmp(error.message, "file: is being written by another process"))
            return 1;
        if (descriptor < 0 && attempt > 1000 * TURNS)
            return 2;
        if (descriptor < 0) {
            usleep(200);
            continue;
        }
        if (!write_alone(descriptor, letter) || !partial_is_own(descriptor, partial))
            return 3;
        if (rename(partial, "file") != 0 || close(descriptor) != 0)
            return 4;
        turn++;
    }
    return 0;
}

static void processes_that_want_one_name_take_turns(void **state)
{
    (void)state;
    char *partial = partial_of("file");
    for (int i = 0; i < PROCESSES; i++) {
        pid_t process = fork();
        assert_true(process >= 0);
        if (process == 0)
            _exit(take_turns(partial, (char)('a' + i)));
    }
    for (int i = 0, status; i < PROCESSES; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    struct buffer text = contents_of("file");
    assert_int_equal(text.size, SIZE);
    assert_true(text.data[0] >= 'a' && text.data[0] < 'a' + PROCESSES);
    for (size_t i = 1; i < SIZE; i++)
        assert_int_equal(text.data[i], text.data[0]);
    buffer_free(&text);
    assert_false(path_exists(partial));
    free(partial);
}

#define PARTIAL_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PARTIAL_TEST(a_partial_name_tells_its_origin),
        PARTIAL_TEST(what_a_killed_process_has_left_is_replaced),
        PARTIAL_TEST(what_a_living_process_writes_is_left),
        PARTIAL_TEST(what_is_no_leftover_is_left),
        PARTIAL_TEST(locks_of_nfs_are_seen),
        PARTIAL_TEST(without_locks_nothing_is_removed),
        PARTIAL_TEST(processes_that_want_one_name_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
