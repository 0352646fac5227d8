/* Tests tensors and offsets beyond 4 GB, in sparse files, which take no space on the disk. */
#include "model/safetensors.h"
#include "support/scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* 3 x 2^30 floats are 12 GB, and more than 2^31 elements; four bytes follow. */
#define ELEMENTS 3221225472
#define BYTES    12884901888

static const char header[] =
    "{\"large\":{\"dtype\":\"F32\",\"shape\":[1073741824,3],\"data_offsets\":[0,12884901888]},"
    "\"second\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[12884901888,12884901892]}}";

enum { BASE = 8 + sizeof header - 1 };

static void put(int file, off_t place, const void *data, size_t size)
{
    assert_int_equal(pwrite(file, data, size, place), size);
}

static const char *write_large(struct scratch *scratch, off_t size)
{
    const uint64_t length = sizeof header - 1;
    const float value = 1.5F;
    const int32_t second = -7;
    const char *path = scratch_path(scratch, "large.safetensors");
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    put(file, 0, &length, sizeof length);
    put(file, sizeof length, header, sizeof header - 1);
    put(file, BASE + (off_t)BYTES - 4, &value, sizeof value);
    put(file, BASE + (off_t)BYTES, &second, sizeof second);
    assert_int_equal(ftruncate(file, size), 0);
    close(file);
    return path;
}

static void elements_beyond_4_gb_are_read(void **state)
{
    struct error error = {0};
    struct safetensors file;
    float last[2];
    int64_t second;
    if (!safetensors_open(write_large(*state, BASE + (off_t)BYTES + 4), &file, &error))
        fail_msg("%s", error.message);
    const struct tensor *large = safetensors_find(&file, "large");
    assert_true(tensor_elements(large) == ELEMENTS && large->size == BYTES);
    tensor_read_float(large, ELEMENTS - 2, 2, last);
    assert_true(last[0] == 0 && last[1] == 1.5F);
    tensor_read_int64(safetensors_find(&file, "second"), 0, 1, &second);
    assert_int_equal(second, -7);
    safetensors_close(&file);
}

/* In 32-bit arithmetic the sizes would be equal. */
static void a_file_that_is_4_gb_short_is_refused(void **state)
{
    struct error error = {0};
    struct safetensors file;
    off_t size = BASE + (off_t)BYTES + 4 - ((off_t)1 << 32);
    assert_false(safetensors_open(write_large(*state, size), &file, &error));
    assert_non_null(strstr(error.message, "data_offsets are [0, 12884901888]; expected them "
                                          "ascending, within the file's 8589934596 bytes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(elements_beyond_4_gb_are_read),
        SCRATCH_TEST(a_file_that_is_4_gb_short_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
