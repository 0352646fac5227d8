#include "base/append_file.h"

#include "base/file.h"
#include "support/full_disk.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void assert_file_is(struct scratch *scratch, const char *expected)
{
    struct buffer text = {0};
    struct error error = {0};
    assert_true(file_read(scratch_path(scratch, "file"), 1 << 20, &text, &error));
    assert_string_equal(text.size ? text.data : "", expected);
    buffer_free(&text);
}

static void test_records_follow_what_is_there(void **state)
{
    struct append_file file;
    struct error error = {0};
    const char *path = scratch_write_text(*state, "file", "one\n");
    assert_true(append_file_open(&file, path, false, &error));
    assert_true(append_file_put(&file, "two\n", 4, &error));
    assert_true(append_file_put(&file, "three\n", 6, &error));
    append_file_close(&file);
    assert_file_is(*state, "one\ntwo\nthree\n");
}

static void test_a_fresh_file_must_be_absent(void **state)
{
    struct append_file file;
    struct error error = {0};
    const char *path = scratch_write_text(*state, "file", "one\n");
    assert_false(append_file_open(&file, path, true, &error));
    assert_non_null(strstr(error.message, "/file: cannot open for appending: File exists"));
    append_file_close(&file);
}

static void test_of_a_record_that_fails_nothing_stays(void **state)
{
    struct append_file file;
    struct error error = {0};
    assert_true(append_file_open(&file, scratch_path(*state, "file"), true, &error));
    assert_true(append_file_put(&file, "one\n", 4, &error));
    const struct full_disk disk = full_disk_begin(6); /* room for half of the next one */
    bool written = append_file_put(&file, "two\n", 4, &error);
    full_disk_end(&disk);
    assert_false(written);
    assert_non_null(strstr(error.message, "/file: cannot write: File too large"));
    assert_file_is(*state, "one\n");
    assert_true(append_file_put(&file, "three\n", 6, &error));
    append_file_close(&file);
    assert_file_is(*state, "one\nthree\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_records_follow_what_is_there),
        SCRATCH_TEST(test_a_fresh_file_must_be_absent),
        SCRATCH_TEST(test_of_a_record_that_fails_nothing_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
