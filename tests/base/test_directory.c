#include "base/directory.h"
#include "base/file.h"

#include "support/scratch.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_make_with_parents(void **state)
{
    struct error error = {0};
    const char *path = scratch_path(*state, "a/b//c/");
    assert_true(directory_make(path, &error));
    assert_true(path_is_directory(path));
    assert_true(directory_make(path, &error));
    assert_true(directory_make("/", &error));
}

static void test_only_what_was_made_is_removed_again(void **state)
{
    struct error error = {0};
    struct scratch *scratch = *state;
    assert_true(directory_make(scratch_path(scratch, "a"), &error));
    char *path = scratch_path_copy(scratch, "a/b/c/d"), *a = scratch_path_copy(scratch, "a");
    char *above = directory_existing(path, &error), *relative = directory_existing("no/n", &error);
    assert_string_equal(above, a);
    assert_string_equal(relative, ".");
    assert_true(directory_make(path, &error));
    scratch_write_text(scratch, "a/b/file", "text");
    directory_remove_empty(path, above);
    assert_false(path_exists(scratch_path(scratch, "a/b/c")));
    assert_int_equal(unlink(scratch_path(scratch, "a/b/file")), 0);
    directory_remove_empty(scratch_path(scratch, "a/b"), above);
    assert_false(path_exists(scratch_path(scratch, "a/b")));
    directory_remove_empty(a, a);
    assert_true(path_exists(a));
    free(relative);
    free(above);
    free(a);
    free(path);
}

static void test_make_refuses_what_is_in_the_way(void **state)
{
    struct error error = {0};
    scratch_write_text(*state, "file", "text");
    assert_false(directory_make(scratch_path(*state, "file"), &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_non_null(strstr(error.message, "/file: is not a directory; expected one, or nothing"));
    assert_false(directory_make(scratch_path(*state, "file/inner"), &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_non_null(strstr(error.message, "/file: is not a directory"));
    assert_false(directory_make("", &error));
    assert_string_equal(error.message, "an empty path; expected the name of a directory");
}

/* Where the test is root's, in the place of somebody who may not write everywhere. */
static bool is_writable_for_others(const char *path, struct error *error)
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0) {
        bool writable = (geteuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0)) &&
                        directory_check_writable(path, error);
        _exit(write(ends[1], error, sizeof *error) == sizeof *error ? writable : 2);
    }
    assert_int_equal(read(ends[0], error, sizeof *error), sizeof *error);
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    close(ends[0]);
    close(ends[1]);
    return WEXITSTATUS(status);
}

static void test_what_cannot_be_written_is_known_before(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    assert_true(directory_check_writable(scratch->directory, &error));
    assert_true(directory_check_writable(scratch_path(scratch, "a/b/c"), &error));
    assert_false(path_exists(scratch_path(scratch, "a")));
    assert_true(directory_check_writable("absent/here", &error));
    assert_false(directory_check_writable("", &error));
    scratch_write_text(scratch, "file", "text");
    assert_false(directory_check_writable(scratch_path(scratch, "file"), &error));
    assert_non_null(strstr(error.message, "/file: is not a directory; expected one, or nothing"));
    assert_false(directory_check_writable(scratch_path(scratch, "file/inner"), &error));
    assert_non_null(strstr(error.message, "/file: is not a directory"));
    assert_int_equal(symlink("nowhere", scratch_path(scratch, "link")), 0);
    assert_false(directory_check_writable(scratch_path(scratch, "link"), &error));
    assert_non_null(strstr(error.message, "/link: is not a directory"));
    assert_int_equal(chmod(scratch->directory, 0555), 0);
    error = (struct error){0};
    assert_false(is_writable_for_others(scratch_path(scratch, "a/b"), &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_non_null(strstr(error.message, ": cannot write into this directory: Permission"));
    assert_int_equal(chmod(scratch->directory, 0777), 0);
    assert_true(is_writable_for_others(scratch_path(scratch, "a/b"), &error));
}

static void test_remove_with_all_that_it_holds(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    assert_true(directory_make(scratch_path(scratch, "tree/a/b/c"), &error));
    assert_true(directory_make(scratch_path(scratch, "tree/empty"), &error));
    scratch_write_text(scratch, "tree/a/file", "x");
    scratch_write_text(scratch, "tree/.hidden", "x");
    for (int i = 0; i < 500; i++) {
        char name[64];
        snprintf(name, sizeof name, "tree/a/b/file-%d", i);
        scratch_write_text(scratch, name, "");
    }
    const char *tree = scratch_path(scratch, "tree");
    assert_true(directory_remove(tree, &error));
    assert_false(path_exists(tree));
    assert_true(directory_remove(tree, &error));
    assert_int_equal(error.kind, ERROR_NONE);
}

static void test_remove_does_not_follow_links(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    assert_true(directory_make(scratch_path(scratch, "kept"), &error));
    assert_true(directory_make(scratch_path(scratch, "tree"), &error));
    scratch_write_text(scratch, "kept/file", "x");
    assert_int_equal(symlink("../kept", scratch_path(scratch, "tree/link")), 0);
    assert_int_equal(symlink("../kept/file", scratch_path(scratch, "tree/file")), 0);
    assert_int_equal(symlink("nowhere", scratch_path(scratch, "tree/broken")), 0);
    assert_true(directory_remove(scratch_path(scratch, "tree"), &error));
    assert_true(path_exists(scratch_path(scratch, "kept/file")));
}

static void test_link_replaces_links_only(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    char target[8] = {0};
    assert_true(directory_link(scratch_path(scratch, "link"), "one", &error));
    assert_true(directory_link(scratch_path(scratch, "link"), "two", &error));
    assert_int_equal(readlink(scratch_path(scratch, "link"), target, sizeof target), 3);
    assert_string_equal(target, "two");
    assert_true(directory_make(scratch_path(scratch, "kept"), &error));
    assert_false(directory_link(scratch_path(scratch, "kept"), "one", &error));
    assert_non_null(strstr(error.message, "/kept: is not a link, and is left as it is"));
}

/* Its partial name is shorter than a name that is too long. */
static void test_a_link_that_fails_leaves_nothing(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    char name[NAME_MAX + 2];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    assert_false(directory_link(scratch_path(scratch, name), "target", &error));
    assert_non_null(strstr(error.message, ": cannot link the directory: File name too long"));
    assert_int_equal(rmdir(scratch->directory), 0); /* it is empty */
    assert_int_equal(mkdir(scratch->directory, 0777), 0);
}

static void test_remove_refuses_files_and_links(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    const char *file = scratch_write_text(scratch, "file", "x");
    assert_false(directory_remove(file, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_non_null(strstr(error.message, "/file: is not a directory; expected one to remove"));
    assert_true(path_exists(file));
    assert_true(directory_make(scratch_path(scratch, "kept"), &error));
    const char *link = scratch_path(scratch, "link");
    assert_int_equal(symlink("kept", link), 0);
    assert_false(directory_remove(link, &error));
    assert_non_null(strstr(error.message, "/link: is not a directory"));
    assert_true(path_exists(link));
}

static void test_sync(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    assert_true(directory_sync(scratch->directory, &error));
    assert_false(directory_sync(scratch_path(scratch, "absent"), &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_non_null(
        strstr(error.message, "/absent: cannot open the directory: No such file or directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_make_with_parents),
        SCRATCH_TEST(test_only_what_was_made_is_removed_again),
        SCRATCH_TEST(test_make_refuses_what_is_in_the_way),
        SCRATCH_TEST(test_what_cannot_be_written_is_known_before),
        SCRATCH_TEST(test_remove_with_all_that_it_holds),
        SCRATCH_TEST(test_remove_does_not_follow_links),
        SCRATCH_TEST(test_link_replaces_links_only),
        SCRATCH_TEST(test_a_link_that_fails_leaves_nothing),
        SCRATCH_TEST(test_remove_refuses_files_and_links),
        SCRATCH_TEST(test_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
