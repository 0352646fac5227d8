#include "base/file.h"

#include "base/file_writer.h"
#include "base/partial.h"
#include "support/full_disk.h"
#include "support/scratch.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_content(const char *path, const void *data, size_t size)
{
    struct error error = {0};
    struct buffer out = {0};
    assert_true(file_read(path, SIZE_MAX, &out, &error));
    assert_int_equal(out.size, size);
    if (size)
        assert_memory_equal(out.data, data, size);
    buffer_free(&out);
}

static bool partial_exists(const char *path)
{
    struct error error = {0};
    char *partial = partial_path(path, &error);
    assert_non_null(partial);
    bool exists = path_exists(partial);
    free(partial);
    return exists;
}

static void test_the_file_appears_when_committed(void **state)
{
    struct error error = {0};
    const char *path = scratch_write_text(*state, "file", "old");
    struct file_writer *writer = file_writer_open(path, &error);
    assert_non_null(writer);
    assert_true(file_writer_put(writer, "new ", 4, &error));
    assert_true(file_writer_put(writer, NULL, 0, &error));
    assert_true(file_writer_put(writer, "text", 4, &error));
    assert_content(path, "old", 3);
    assert_true(partial_exists(path));
    assert_true(file_writer_commit(writer, &error));
    assert_content(path, "new text", 8);
    assert_false(partial_exists(path));
    assert_int_equal(error.kind, ERROR_NONE);
}

/* Pieces from single bytes to several times the writer's buffer, in one order and the other. */
static void test_pieces_of_any_size(void **state)
{
    struct error error = {0};
    enum { SIZE = 3 << 20 };
    unsigned char *data = malloc(SIZE);
    assert_non_null(data);
    for (int i = 0; i < SIZE; i++)
        data[i] = (unsigned char)(i * 5 + i / 253);
    const size_t pieces[] = {1, 100, 262143, 262144, 262145, 7, 262144, 1000000, 1, 65536};
    const char *path = scratch_path(*state, "file");
    struct file_writer *writer = file_writer_open(path, &error);
    assert_non_null(writer);
    size_t done = 0;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; done += pieces[i++])
        assert_true(file_writer_put(writer, data + done, pieces[i], &error));
    assert_true(file_writer_commit(writer, &error));
    assert_content(path, data, done);
    free(data);
}

static void test_patch(void **state)
{
    struct error error = {0};
    const char *path = scratch_path(*state, "file");
    struct file_writer *writer = file_writer_open(path, &error);
    assert_non_null(writer);
    assert_true(file_writer_put(writer, "????body", 8, &error));
    assert_true(file_writer_patch(writer, 0, "HEAD", 4, &error));
    assert_true(file_writer_put(writer, "more", 4, &error));
    assert_true(file_writer_patch(writer, 11, "E", 1, &error));
    assert_true(file_writer_commit(writer, &error));
    assert_content(path, "HEADbodymorE", 12);
}

static void test_abandon_leaves_the_old_file(void **state)
{
    struct error error = {0};
    const char *path = scratch_write_text(*state, "file", "old");
    struct file_writer *writer = file_writer_open(path, &error);
    assert_non_null(writer);
    assert_true(file_writer_put(writer, "new", 3, &error));
    file_writer_abandon(writer);
    assert_content(path, "old", 3);
    assert_false(partial_exists(path));
    file_writer_abandon(NULL);
}

static void test_a_partial_file_of_somebody_else_stays(void **state)
{
    struct error error = {0};
    char other[PATH_MAX];
    snprintf(other, sizeof other, "%s", scratch_write_text(*state, "file.partial", "mine"));
    const char *path = scratch_path(*state, "file");
    assert_true(file_write(path, "text", 4, &error));
    assert_content(path, "text", 4);
    assert_content(other, "mine", 4);
}

static void test_a_name_of_any_length(void **state)
{
    struct error error = {0};
    char name[NAME_MAX + 1] = {0};
    memset(name, 'n', NAME_MAX);
    for (size_t length = NAME_MAX - 30; length <= NAME_MAX; length++) {
        const char *path = scratch_path(*state, name + NAME_MAX - length);
        assert_true(file_write(path, "text", 4, &error));
        assert_content(path, "text", 4);
        assert_int_equal(unlink(path), 0);
    }
}

static void test_an_empty_file(void **state)
{
    struct error error = {0};
    const char *path = scratch_path(*state, "file");
    assert_true(file_write(path, NULL, 0, &error));
    assert_content(path, NULL, 0);
}

static void test_a_link_stays_and_its_file_is_written(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    char target[PATH_MAX];
    snprintf(target, sizeof target, "%s", scratch_write_text(scratch, "target", "old"));
    const char *path = scratch_path(scratch, "link");
    assert_int_equal(symlink("target", path), 0);
    assert_true(file_write(path, "new", 3, &error));
    assert_content(target, "new", 3);
    struct stat status;
    assert_int_equal(lstat(path, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
}

static void test_two_writers_of_one_file_do_not_mix(void **state)
{
    const char *path = scratch_path(*state, "file");
    struct error error = {0};
    struct file_writer *first = file_writer_open(path, &error);
    assert_non_null(first);
    assert_true(file_writer_put(first, "first", 5, &error));
    assert_null(file_writer_open(path, &error));
    assert_int_equal(error.kind, ERROR_WORK);
    assert_non_null(strstr(error.message, "/file: is being written by another process"));
    assert_true(file_writer_commit(first, &error));
    assert_true(file_write(path, "second", 6, &error));
    struct buffer text = {0};
    assert_true(file_read(path, 100, &text, &error));
    assert_string_equal(text.data, "second");
    buffer_free(&text);
}

/* Where a file system has no locks, or somebody removes the partial file by hand. */
static void test_the_partial_file_of_another_process_stays(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    const char *path = scratch_write_text(scratch, "file", "old");
    char *partial = partial_path(path, &error);
    for (int commits = 0; commits < 2; commits++) {
        struct file_writer *writer = file_writer_open(path, &error);
        assert_non_null(writer);
        assert_true(file_writer_put(writer, "new", 3, &error));
        assert_int_equal(unlink(partial), 0);
        assert_true(file_write(partial, "of another", 10, &error));
        if (commits) {
            assert_false(file_writer_commit(writer, &error));
            assert_int_equal(error.kind, ERROR_WORK);
            assert_non_null(strstr(error.message, "/file: cannot replace: "));
            assert_non_null(strstr(error.message, ".partial was replaced by another process"));
        } else
            file_writer_abandon(writer);
        assert_content(partial, "of another", 10);
        assert_content(path, "old", 3);
        assert_int_equal(unlink(partial), 0);
    }
    free(partial);
}

static void test_errors_name_the_link_that_was_given(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    struct file_writer *other = file_writer_open(scratch_path(scratch, "target"), &error);
    assert_non_null(other);
    const char *path = scratch_path(scratch, "link");
    assert_int_equal(symlink("target", path), 0);
    scratch_write_text(scratch, "target", "old");
    path = scratch_path(scratch, "link");
    assert_null(file_writer_open(path, &error));
    assert_non_null(strstr(error.message, "/link: is being written by another process"));
    file_writer_abandon(other);

    char data[100000] = {0};
    const struct full_disk disk = full_disk_begin(50000);
    bool written = file_write(path, data, sizeof data, &error);
    full_disk_end(&disk);
    assert_false(written);
    assert_non_null(strstr(error.message, "/link: cannot write: File too large"));
}

static void test_a_link_to_nothing_is_refused(void **state)
{
    struct error error = {0};
    const char *path = scratch_path(*state, "link");
    assert_int_equal(symlink("nowhere", path), 0);
    assert_false(file_write(path, "x", 1, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_non_null(strstr(error.message, "/link: is a link to a file that does not exist"));
}

static void test_what_cannot_be_written_is_known_before(void **state)
{
    struct error error = {0};
    const char *path = scratch_write_text(*state, "file", "old");
    assert_true(file_check_writable(path, &error));
    assert_content(path, "old", 3);
    assert_false(partial_exists(path));
    assert_false(file_check_writable(scratch_path(*state, "absent/file"), &error));
    assert_non_null(strstr(error.message, "/absent/file: cannot create: No such file"));
    assert_false(path_exists(scratch_path(*state, "absent")));
}

static void test_refuses_directories_and_devices(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    assert_null(file_writer_open(scratch->directory, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_non_null(strstr(error.message, ": is a directory; expected a regular file or nothing"));
    assert_false(file_write("/dev/null", "x", 1, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_string_equal(error.message,
                        "/dev/null: is a device or a pipe; expected a regular file or nothing");
    assert_true(path_exists("/dev/null"));
}

static void test_a_missing_directory_is_named(void **state)
{
    struct error error = {0};
    assert_false(file_write(scratch_path(*state, "absent/file"), "x", 1, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_non_null(
        strstr(error.message, "/absent/file: cannot create: No such file or directory"));
}

static void test_a_full_disk_leaves_the_old_file(void **state)
{
    struct error error = {0};
    char data[100000] = {0};
    const char *path = scratch_write_text(*state, "file", "old");
    const struct full_disk disk = full_disk_begin(50000);
    bool written = file_write(path, data, sizeof data, &error);
    full_disk_end(&disk);
    assert_false(written);
    assert_int_equal(error.kind, ERROR_WORK);
    assert_non_null(strstr(error.message, "/file: cannot write: File too large"));
    assert_content(path, "old", 3);
    assert_false(partial_exists(path));
}

static void test_a_failed_rename_removes_the_partial_file(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    const char *path = scratch_path(scratch, "file");
    struct file_writer *writer = file_writer_open(path, &error);
    assert_non_null(writer);
    assert_true(file_writer_put(writer, "x", 1, &error));
    assert_int_equal(mkdir(path, 0700), 0);
    assert_false(file_writer_commit(writer, &error));
    assert_non_null(strstr(error.message, "/file: cannot replace: Is a directory"));
    assert_false(partial_exists(path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_the_file_appears_when_committed),
        SCRATCH_TEST(test_pieces_of_any_size),
        SCRATCH_TEST(test_patch),
        SCRATCH_TEST(test_abandon_leaves_the_old_file),
        SCRATCH_TEST(test_a_partial_file_of_somebody_else_stays),
        SCRATCH_TEST(test_a_name_of_any_length),
        SCRATCH_TEST(test_an_empty_file),
        SCRATCH_TEST(test_a_link_stays_and_its_file_is_written),
        SCRATCH_TEST(test_two_writers_of_one_file_do_not_mix),
        SCRATCH_TEST(test_the_partial_file_of_another_process_stays),
        SCRATCH_TEST(test_errors_name_the_link_that_was_given),
        SCRATCH_TEST(test_a_link_to_nothing_is_refused),
        SCRATCH_TEST(test_what_cannot_be_written_is_known_before),
        SCRATCH_TEST(test_refuses_directories_and_devices),
        SCRATCH_TEST(test_a_missing_directory_is_named),
        SCRATCH_TEST(test_a_full_disk_leaves_the_old_file),
        SCRATCH_TEST(test_a_failed_rename_removes_the_partial_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
