#include "base/file.h"

#include "support/full_disk.h"
#include "support/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* The error is of this kind and its message is PATH followed by `rest`. */
static void assert_path_error(const struct error *error, enum error_kind kind, const char *path,
                              const char *rest)
{
    char expected[1024];
    snprintf(expected, sizeof expected, "%s%s", path, rest);
    assert_string_equal(error->message, expected);
    assert_int_equal(error->kind, kind);
}

static void test_errno_values_of_the_user_are_input_errors(void **state)
{
    (void)state;
    struct error error = {0};
    assert_false(fail_path(&error, ENOENT, "a/b", "open"));
    assert_path_error(&error, ERROR_INPUT, "a/b", ": cannot open: No such file or directory");
    assert_false(fail_path(&error, EACCES, "a/b", "open"));
    assert_path_error(&error, ERROR_INPUT, "a/b", ": cannot open: Permission denied");
    assert_false(fail_path(&error, ENOSPC, "a/b", "write"));
    assert_path_error(&error, ERROR_WORK, "a/b", ": cannot write: No space left on device");
    assert_false(fail_path(&error, EIO, "a/b", "read"));
    assert_path_error(&error, ERROR_WORK, "a/b", ": cannot read: Input/output error");
}

/* ---- paths ---- */

static void assert_joined(const char *a, const char *b, const char *expected)
{
    struct error error = {0};
    char *path = path_join(a, b, &error);
    assert_string_equal(path, expected);
    free(path);
}

static void test_join(void **state)
{
    (void)state;
    assert_joined("a", "b", "a/b");
    assert_joined("a/", "b", "a/b");
    assert_joined("/", "b", "/b");
    assert_joined("", "b", "b");
    assert_joined("a", "/b", "/b");
    assert_joined("a", "", "a/");
}

static void assert_directory(const char *path, const char *expected)
{
    struct error error = {0};
    char *directory = path_directory(path, &error);
    assert_string_equal(directory, expected);
    free(directory);
}

static void test_directory_of_a_path(void **state)
{
    (void)state;
    assert_directory("a", ".");
    assert_directory("a/b", "a");
    assert_directory("/a", "/");
    assert_directory("/a/b/c", "/a/b");
    assert_directory("", ".");
}

static void assert_without_slashes(const char *path, const char *expected)
{
    struct error error = {0};
    char *plain = path_without_slashes(path, &error);
    assert_string_equal(plain, expected);
    free(plain);
}

static void test_slashes_at_the_end_of_a_path(void **state)
{
    (void)state;
    assert_without_slashes("a/b", "a/b");
    assert_without_slashes("a/b//", "a/b");
    assert_without_slashes("/", "/");
    assert_without_slashes("///", "/");
    assert_without_slashes("", "");
}

static void test_existence(void **state)
{
    struct scratch *scratch = *state;
    assert_true(path_exists(scratch->directory));
    assert_true(path_is_directory(scratch->directory));
    const char *file = scratch_write_text(scratch, "file", "");
    assert_true(path_exists(file));
    assert_false(path_is_directory(file));
    assert_false(path_exists(scratch_path(scratch, "absent")));
    assert_false(path_is_directory(scratch->path));
}

/* ---- reading ---- */

static void test_read_appends(void **state)
{
    struct error error = {0};
    struct buffer out = {0};
    const char *path = scratch_write(*state, "file", "one\0two", 7);
    assert_true(buffer_print(&out, &error, "before "));
    assert_true(file_read(path, 7, &out, &error));
    assert_int_equal(out.size, 14);
    assert_memory_equal(out.data, "before one\0two", 15);
    buffer_free(&out);
}

static void test_read_of_more_than_one_chunk(void **state)
{
    struct error error = {0};
    enum { SIZE = 300000 };
    unsigned char *data = malloc(SIZE);
    assert_non_null(data);
    for (int i = 0; i < SIZE; i++)
        data[i] = (unsigned char)(i * 7 + i / 251);
    const char *path = scratch_write(*state, "file", data, SIZE);
    struct buffer out = {0};
    assert_true(file_read(path, SIZE_MAX, &out, &error));
    assert_int_equal(out.size, SIZE);
    assert_memory_equal(out.data, data, SIZE);
    buffer_free(&out);
    free(data);
}

/* Such files say that their size is 0. */
static void test_read_of_proc(void **state)
{
    (void)state;
    struct error error = {0};
    struct buffer out = {0};
    assert_true(file_read("/proc/self/status", 1 << 20, &out, &error));
    assert_memory_equal(out.data, "Name:", 5);
    buffer_free(&out);
    assert_false(file_read("/proc/self/status", 10, &out, &error));
    assert_path_error(&error, ERROR_INPUT, "/proc/self/status",
                      ": holds more than 10 bytes; expected at most 10");
    buffer_free(&out);
}

static void test_read_refuses_what_is_too_long(void **state)
{
    struct error error = {0};
    struct buffer out = {0};
    const char *path = scratch_write_text(*state, "file", "12345678");
    assert_true(buffer_print(&out, &error, "kept"));
    assert_false(file_read(path, 7, &out, &error));
    assert_path_error(&error, ERROR_INPUT, path, ": holds 8 bytes; expected at most 7");
    assert_string_equal(out.data, "kept");
    buffer_free(&out);
}

static void test_read_and_map_refuse_what_is_no_file(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    struct buffer out = {0};
    struct mapping mapping;
    assert_false(file_read(scratch_path(scratch, "absent"), 9, &out, &error));
    assert_path_error(&error, ERROR_INPUT, scratch->path,
                      ": cannot open: No such file or directory");
    assert_false(file_map(scratch->path, &mapping, &error));
    assert_path_error(&error, ERROR_INPUT, scratch->path,
                      ": cannot open: No such file or directory");
    assert_false(file_read(scratch->directory, 9, &out, &error));
    assert_path_error(&error, ERROR_INPUT, scratch->directory,
                      ": is a directory; expected a regular file");
    assert_int_equal(mkfifo(scratch_path(scratch, "fifo"), 0600), 0);
    assert_false(file_map(scratch->path, &mapping, &error));
    assert_path_error(&error, ERROR_INPUT, scratch->path, ": is a FIFO; expected a regular file");
    assert_false(file_read("/dev/null", 9, &out, &error));
    assert_path_error(&error, ERROR_INPUT, "/dev/null", ": is a device; expected a regular file");
    assert_null(out.data);
}

static void test_map(void **state)
{
    struct error error = {0};
    struct mapping mapping;
    assert_true(file_map(scratch_write_text(*state, "file", "content"), &mapping, &error));
    assert_int_equal(mapping.size, 7);
    assert_memory_equal(mapping.data, "content", 7);
    file_unmap(&mapping);
    assert_null(mapping.data);
    assert_true(file_map(scratch_write_text(*state, "empty", ""), &mapping, &error));
    assert_null(mapping.data);
    assert_int_equal(mapping.size, 0);
    file_unmap(&mapping);
}

/* ---- writing ---- */

static void test_writes_follow_each_other(void **state)
{
    const char *path = scratch_write_text(*state, "out", "");
    struct error error = {0};
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(descriptor_write(descriptor, path, "one ", 4, &error));
    assert_true(descriptor_write(descriptor, path, NULL, 0, &error));
    assert_true(descriptor_write(descriptor, path, "line\n", 5, &error));
    close(descriptor);
    struct buffer contents = {0};
    assert_true(file_read(path, 100, &contents, &error));
    assert_string_equal(contents.data, "one line\n");
    buffer_free(&contents);
}

static void test_a_write_in_two_pieces_is_not_taken_for_done(void **state)
{
    const char *path = scratch_write_text(*state, "out", "");
    struct error error = {0};
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    const struct full_disk disk = full_disk_begin(6);
    bool done = descriptor_write(descriptor, path, "one line\n", 9, &error);
    full_disk_end(&disk);
    close(descriptor);
    assert_false(done);
    assert_path_error(&error, ERROR_WORK, path, ": cannot write: File too large");
    struct buffer contents = {0};
    assert_true(file_read(path, 100, &contents, &error));
    assert_string_equal(contents.data, "one li");
    buffer_free(&contents);
}

static void test_a_link_that_leads_nowhere_is_something(void **state)
{
    struct scratch *scratch = *state;
    assert_false(path_is_taken(scratch_path(scratch, "absent")));
    assert_true(path_is_taken(scratch_write_text(scratch, "file", "")));
    assert_int_equal(symlink("absent", scratch_path(scratch, "link")), 0);
    assert_false(path_exists(scratch_path(scratch, "link")));
    assert_true(path_is_taken(scratch_path(scratch, "link")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errno_values_of_the_user_are_input_errors),
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_directory_of_a_path),
        cmocka_unit_test(test_slashes_at_the_end_of_a_path),
        SCRATCH_TEST(test_existence),
        SCRATCH_TEST(test_read_appends),
        SCRATCH_TEST(test_read_of_more_than_one_chunk),
        cmocka_unit_test(test_read_of_proc),
        SCRATCH_TEST(test_read_refuses_what_is_too_long),
        SCRATCH_TEST(test_read_and_map_refuse_what_is_no_file),
        SCRATCH_TEST(test_map),
        SCRATCH_TEST(test_writes_follow_each_other),
        SCRATCH_TEST(test_a_write_in_two_pieces_is_not_taken_for_done),
        SCRATCH_TEST(test_a_link_that_leads_nowhere_is_something),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
