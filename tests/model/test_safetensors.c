#include "model/safetensors.h"

#include "support/scratch.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* A name of the type that struct tensor needs; writing does not change it. */
#define NAME(text)                                                                                 \
    (char[])                                                                                       \
    {                                                                                              \
        text                                                                                       \
    }

/* ---- support ---- */

/* Writes a file with this header and `data_size` bytes of data: 0, 1, 2 ... */
static const char *write_raw(struct scratch *scratch, const char *header, size_t data_size)
{
    unsigned char file[2048];
    uint64_t length = strlen(header);
    assert_true(8 + length + data_size <= sizeof file);
    memcpy(file, &length, 8);
    memcpy(file + 8, header, length);
    for (size_t i = 0; i < data_size; i++)
        file[8 + length + i] = (unsigned char)i;
    return scratch_write(scratch, "raw.safetensors", file, 8 + length + data_size);
}

/* Expects `message` after the path. */
static void expect_failure(const char *path, const char *message)
{
    struct error error = {0};
    struct safetensors file;
    assert_false(safetensors_open(path, &file, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_memory_equal(error.message, path, strlen(path));
    assert_string_equal(error.message + strlen(path), message);
}

static void expect_refusal(void **state, const char *header, size_t data_size, const char *message)
{
    expect_failure(write_raw(*state, header, data_size), message);
}

static struct safetensors open_raw(void **state, const char *header, size_t data_size)
{
    struct error error = {0};
    struct safetensors file;
    if (!safetensors_open(write_raw(*state, header, data_size), &file, &error))
        fail_msg("%s", error.message);
    return file;
}

/* ---- dtypes ---- */

static void dtypes_have_names_and_sizes(void **state)
{
    (void)state;
    const struct {
        enum dtype dtype;
        const char *name;
        size_t size;
    } expected[] = {{DTYPE_F64, "F64", 8}, {DTYPE_F32, "F32", 4},   {DTYPE_F16, "F16", 2},
                    {DTYPE_I64, "I64", 8}, {DTYPE_BF16, "BF16", 2}, {DTYPE_I32, "I32", 4},
                    {DTYPE_U8, "U8", 1}};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_string_equal(dtype_name(expected[i].dtype), expected[i].name);
        assert_int_equal(dtype_size(expected[i].dtype), expected[i].size);
    }
    assert_int_equal(dtype_size(DTYPE_REAL), sizeof(real));
}

static void a_tensor_is_described_for_people(void **state)
{
    (void)state;
    struct tensor tensor = {.dtype = DTYPE_BF16, .axes = 2, .shape = {30522, 128}};
    assert_string_equal(tensor_describe(&tensor).text, "BF16 [30522, 128]");
    tensor.axes = 0;
    assert_string_equal(tensor_describe(&tensor).text, "BF16 []");
    struct tensor largest = {.axes = 4, .shape = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
    assert_string_equal(tensor_describe(&largest).text,
                        "F64 [18446744073709551615, 18446744073709551615, 18446744073709551615, "
                        "18446744073709551615]");
}

/* ---- writing ---- */

static const float some_floats[] = {1, -2.5F, 0x1p-149F, FLT_MAX, 0, -0.0F};
static const int64_t some_integers[] = {INT64_MIN, -1, INT64_MAX};

static void the_file_has_the_documented_format(void **state)
{
    struct error error = {0};
    const struct tensor tensors[] = {
        {NAME("x.y"), DTYPE_F32, 2, {2, 3}, some_floats, sizeof some_floats},
        {NAME("ids"), DTYPE_I64, 1, {3}, some_integers, sizeof some_integers},
    };
    const char *path = scratch_path(*state, "model.safetensors");
    assert_true(safetensors_write(path, tensors, COUNT_OF(tensors), &error));

    const char header[] = "{\"__metadata__\":{\"format\":\"pt\"},"
                          "\"x.y\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
                          "\"ids\":{\"dtype\":\"I64\",\"shape\":[3],\"data_offsets\":[24,48]}}";
    const size_t padded = (strlen(header) + 7) / 8 * 8;
    struct buffer text = {0};
    assert_true(file_read(path, 4096, &text, &error));
    assert_int_equal(text.size, 8 + padded + 48);
    assert_int_equal((unsigned char)text.data[0], padded);
    assert_memory_equal(text.data + 1, "\0\0\0\0\0\0\0", 7);
    assert_memory_equal(text.data + 8, header, strlen(header));
    for (size_t i = strlen(header); i < padded; i++)
        assert_int_equal(text.data[8 + i], ' ');
    assert_memory_equal(text.data + 8 + padded, some_floats, 24);
    assert_memory_equal(text.data + 8 + padded + 24, some_integers, 24);
    buffer_free(&text);
}

static void what_was_written_is_read(void **state)
{
    struct error error = {0};
    const struct tensor tensors[] = {
        {NAME("b"), DTYPE_F32, 2, {2, 3}, some_floats, sizeof some_floats},
        {NAME("empty"), DTYPE_F32, 2, {0, 3}, NULL, 0},
        {NAME("a"), DTYPE_I64, 1, {3}, some_integers, sizeof some_integers},
        {NAME("scalar"), DTYPE_F32, 0, {0}, some_floats, sizeof *some_floats},
    };
    const char *path = scratch_path(*state, "model.safetensors");
    struct safetensors file;
    assert_true(safetensors_write(path, tensors, COUNT_OF(tensors), &error));
    assert_true(safetensors_open(path, &file, &error));
    assert_int_equal(file.count, COUNT_OF(tensors));
    for (size_t i = 0; i < COUNT_OF(tensors); i++) {
        const struct tensor *found = &file.tensors[i];
        assert_string_equal(found->name, tensors[i].name);
        assert_int_equal(found->dtype, tensors[i].dtype);
        assert_int_equal(found->axes, tensors[i].axes);
        assert_memory_equal(found->shape, tensors[i].shape, sizeof found->shape);
        assert_int_equal(found->size, tensors[i].size);
        if (found->size)
            assert_memory_equal(found->data, tensors[i].data, found->size);
        assert_ptr_equal(safetensors_find(&file, tensors[i].name), found);
    }
    assert_null(safetensors_find(&file, "c"));
    safetensors_close(&file);
}

static void a_file_without_tensors_is_valid(void **state)
{
    struct error error = {0};
    const char *path = scratch_path(*state, "model.safetensors");
    struct safetensors file;
    assert_true(safetensors_write(path, NULL, 0, &error));
    assert_true(safetensors_open(path, &file, &error));
    assert_int_equal(file.count, 0);
    assert_null(safetensors_find(&file, "a"));
    safetensors_close(&file);
}

static void a_failed_write_names_the_file(void **state)
{
    struct error error = {0};
    const char *path = scratch_path(*state, "absent/model.safetensors");
    assert_false(safetensors_write(path, NULL, 0, &error));
    assert_non_null(strstr(error.message, path));
}

/* ---- converting ---- */

/* IEEE 754-2008, 3.4: the value of a binary16. */
static double half_reference(unsigned bits)
{
    unsigned exponent = bits >> 10 & 31, fraction = bits & 1023;
    double sign = bits >> 15 ? -1 : 1;
    if (exponent == 31)
        return fraction ? (double)NAN : sign * (double)INFINITY;
    if (exponent == 0)
        return sign * pow(2, -14) * (fraction / 1024.0);
    return sign * pow(2, (double)exponent - 15) * (1 + fraction / 1024.0);
}

static bool same(double a, double b)
{
    return isnan(a) ? isnan(b) != 0 : a == b && signbit(a) == signbit(b);
}

static void every_half_is_converted(void **state)
{
    (void)state;
    enum { ALL = 65536 };
    static uint16_t halves[ALL];
    static float floats[ALL];
    static double doubles[ALL];
    for (unsigned i = 0; i < ALL; i++)
        halves[i] = (uint16_t)i;
    struct tensor tensor = {NULL, DTYPE_F16, 1, {ALL}, halves, sizeof halves};
    tensor_read_float(&tensor, 0, ALL, floats);
    tensor_read_double(&tensor, 0, ALL, doubles);
    for (unsigned i = 0; i < ALL; i++) {
        assert_true(same((double)floats[i], half_reference(i)));
        assert_true(same(doubles[i], half_reference(i)));
    }
    /* Known values. */
    assert_true(floats[0x3C00] == 1 && floats[0xC000] == -2 && floats[0x7BFF] == 65504);
    assert_true(floats[0x0001] == 0x1p-24F && floats[0x3555] == 0.333251953125F);
}

static void bfloat16_is_the_upper_half_of_a_float(void **state)
{
    (void)state;
    const uint16_t stored[] = {0x3F80, 0xC020, 0x0001, 0x7F7F, 0x8000, 0x7F80};
    const double expected[] = {1, -2.5, 0x1p-133, 0x1.FEp127, -0.0, (double)INFINITY};
    float floats[COUNT_OF(stored)];
    double doubles[COUNT_OF(stored)];
    struct tensor tensor = {NULL, DTYPE_BF16, 1, {COUNT_OF(stored)}, stored, sizeof stored};
    tensor_read_float(&tensor, 0, COUNT_OF(stored), floats);
    tensor_read_double(&tensor, 0, COUNT_OF(stored), doubles);
    for (size_t i = 0; i < COUNT_OF(stored); i++)
        assert_true(same((double)floats[i], expected[i]) && same(doubles[i], expected[i]));
}

static void other_dtypes_are_converted(void **state)
{
    (void)state;
    const double doubles[] = {1.0 / 3, 1e300, -1e-320};
    const int32_t integers[] = {INT32_MIN, 0, 16777217};
    const uint8_t bytes[] = {0, 128, 255};
    float out[3];
    double wide[3];
    int64_t whole[3];
    struct tensor tensor = {NULL, DTYPE_F64, 1, {3}, doubles, sizeof doubles};
    tensor_read_float(&tensor, 0, 3, out);
    assert_true(out[0] == 1.0F / 3 && isinf(out[1]) && out[2] == 0 && signbit(out[2]));
    tensor_read_double(&tensor, 1, 2, wide);
    assert_memory_equal(wide, doubles + 1, 2 * sizeof *wide);

    tensor = (struct tensor){NULL, DTYPE_I32, 1, {3}, integers, sizeof integers};
    tensor_read_float(&tensor, 0, 3, out);
    assert_true(out[0] == -0x1p31F && out[1] == 0 && out[2] == 0x1p24F);
    tensor_read_int64(&tensor, 0, 3, whole);
    assert_true(whole[0] == INT32_MIN && whole[1] == 0 && whole[2] == 16777217);

    tensor = (struct tensor){NULL, DTYPE_U8, 1, {3}, bytes, sizeof bytes};
    tensor_read_double(&tensor, 0, 3, wide);
    assert_true(wide[0] == 0 && wide[1] == 128 && wide[2] == 255);
    tensor_read_int64(&tensor, 1, 2, whole);
    assert_true(whole[0] == 128 && whole[1] == 255);

    tensor = (struct tensor){NULL, DTYPE_I64, 1, {3}, some_integers, sizeof some_integers};
    tensor_read_int64(&tensor, 0, 3, whole);
    assert_memory_equal(whole, some_integers, sizeof whole);
    real value;
    tensor_read_real(&tensor, 1, 1, &value);
    assert_true(value == -1);
}

static void tensors_may_be_unaligned(void **state)
{
    /* A header of 59 bytes: the data begin at an odd address. */
    struct safetensors file =
        open_raw(state, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}     ", 8);
    assert_true((uintptr_t)file.tensors[0].data % 4 != 0);
    float values[2];
    tensor_read_float(&file.tensors[0], 0, 2, values);
    assert_memory_equal(values, "\0\1\2\3\4\5\6\7", 8);
    tensor_read_float(&file.tensors[0], 2, 0, values);
    safetensors_close(&file);
}

/* The format allows any order of the header's entries and of their keys. */
static void tensors_are_in_the_order_of_their_data(void **state)
{
    struct safetensors file = open_raw(state,
                                       "{\"late\":{\"shape\":[2],\"data_offsets\":[2,4],"
                                       "\"dtype\":\"U8\"},\"__metadata__\":{\"a\":\"b\"},"
                                       "\"early\":{\"data_offsets\":[0,2],\"dtype\":\"U8\","
                                       "\"shape\":[1,2,1,1]},"
                                       "\"none\":{\"data_offsets\":[2,2],\"dtype\":\"F64\","
                                       "\"shape\":[0]}}\n ",
                                       4);
    assert_int_equal(file.count, 3);
    assert_string_equal(file.tensors[0].name, "early");
    assert_string_equal(file.tensors[1].name, "none");
    assert_string_equal(file.tensors[2].name, "late");
    safetensors_close(&file);
}

/* ---- files that must be refused ---- */

static void a_file_too_short_for_a_header_is_refused(void **state)
{
    expect_failure(scratch_write(*state, "f", "", 0),
                   ": the file has 0 bytes; expected a safetensors file");
    expect_failure(scratch_write(*state, "f", "1234567", 7),
                   ": the file has 7 bytes; expected a safetensors file");
}

static void the_length_of_the_header_is_checked(void **state)
{
    const struct {
        uint64_t length;
        const char *message;
    } cases[] = {
        {0, ": the header's length is 0 in a file of 10 bytes; expected a safetensors file "
            "(headers of at most 100000000 bytes)"},
        {3, ": the header's length is 3 in a file of 10 bytes; expected a safetensors file "
            "(headers of at most 100000000 bytes)"},
        {10000000000, ": the header's length is 10000000000 in a file of 10 bytes; expected a "
                      "safetensors file (headers of at most 100000000 bytes)"},
        {UINT64_MAX, ": the header's length is 18446744073709551615 in a file of 10 bytes; "
                     "expected a safetensors file (headers of at most 100000000 bytes)"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        unsigned char file[10] = {[8] = '{', [9] = '}'};
        memcpy(file, &cases[i].length, 8);
        expect_failure(scratch_write(*state, "f", file, sizeof file), cases[i].message);
    }
}

static void a_pointer_of_git_lfs_is_named(void **state)
{
    expect_failure(scratch_write_text(*state, "f",
                                      "version https://git-lfs.github.com/spec/v1\noid sha256:00\n"
                                      "size 440449768\n"),
                   ": is a Git LFS pointer, not a safetensors file; fetch it: git lfs pull");
}

static void a_header_that_is_not_an_object_is_refused(void **state)
{
    struct error error = {0};
    struct safetensors file;
    assert_false(safetensors_open(write_raw(*state, "{\"a\":", 0), &file, &error));
    assert_non_null(strstr(error.message, "raw.safetensors: the header is not valid JSON: "));
    expect_refusal(state, "[1, 2]", 0, ": the header is not a JSON object");
    expect_refusal(state, "{\"a\": 1}", 0, ": tensor a: expected an object in the header");
}

#define TENSOR(name, dtype, shape, offsets)                                                        \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void repeated_names_are_refused(void **state)
{
    struct error error = {0};
    struct safetensors file;
    const char *path = write_raw(
        *state, "{" TENSOR("a", "U8", "[1]", "[0,1]") "," TENSOR("a", "U8", "[1]", "[1,2]") "}", 2);
    assert_false(safetensors_open(path, &file, &error));
    assert_non_null(strstr(error.message, "raw.safetensors: the header is not valid JSON: "
                                          "duplicate object key near '\"a\"' (byte "));
}

static void unknown_dtypes_are_refused(void **state)
{
    expect_refusal(state, "{" TENSOR("a", "F8_E4M3", "[1]", "[0,1]") "}", 1,
                   ": tensor a: dtype is F8_E4M3; expected F64, F32, F16, BF16, I64, I32 or U8");
    expect_refusal(state, "{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
                   ": tensor a: dtype is missing; expected F64, F32, F16, BF16, I64, I32 or U8");
}

static void ill_formed_shapes_are_refused(void **state)
{
    expect_refusal(state, "{" TENSOR("a", "U8", "[1,1,1,1,1]", "[0,1]") "}", 1,
                   ": tensor a: expected a shape of at most 4 axes");
    expect_refusal(state, "{" TENSOR("a", "U8", "1", "[0,1]") "}", 1,
                   ": tensor a: expected a shape of at most 4 axes");
    expect_refusal(state, "{" TENSOR("a", "U8", "[1,-1]", "[0,1]") "}", 1,
                   ": tensor a: axis 1 of the shape is not an integer of 0 or more");
    expect_refusal(state, "{" TENSOR("a", "U8", "[1.0]", "[0,1]") "}", 1,
                   ": tensor a: axis 0 of the shape is not an integer of 0 or more");
}

static void shapes_must_not_overflow(void **state)
{
    /* 2^32 * 2^32 * 4 bytes and 2^62 * 4 bytes are 0 modulo 2^64. */
    expect_refusal(state, "{" TENSOR("a", "F32", "[4294967296,4294967296]", "[0,0]") "}", 0,
                   ": tensor a: the shape has more than 2^64 bytes");
    expect_refusal(state, "{" TENSOR("a", "F32", "[4611686018427387904]", "[0,0]") "}", 0,
                   ": tensor a: the shape has more than 2^64 bytes");
}

static void offsets_must_fit_shape_and_file(void **state)
{
    expect_refusal(state, "{" TENSOR("a", "F32", "[2]", "[0,4]") "}", 4,
                   ": tensor a: data_offsets span 4 bytes; expected 8 for F32 [2]");
    expect_refusal(state, "{" TENSOR("a", "F32", "[2]", "[0,8]") "}", 7,
                   ": tensor a: data_offsets are [0, 8]; expected them ascending, within the "
                   "file's 7 bytes of data");
    expect_refusal(state, "{" TENSOR("a", "U8", "[1]", "[2,1]") "}", 4,
                   ": tensor a: data_offsets are [2, 1]; expected them ascending, within the "
                   "file's 4 bytes of data");
    expect_refusal(state, "{" TENSOR("a", "U8", "[1]", "[-1,0]") "}", 4,
                   ": tensor a: data_offsets are [-1, 0]; expected them ascending, within the "
                   "file's 4 bytes of data");
    expect_refusal(state, "{" TENSOR("a", "U8", "[1]", "[0]") "}", 4,
                   ": tensor a: expected data_offsets of two integers");
    expect_refusal(state, "{" TENSOR("a", "U8", "[1]", "{}") "}", 4,
                   ": tensor a: expected data_offsets of two integers");
}

static void data_must_have_no_overlaps_gaps_or_remaining_bytes(void **state)
{
    expect_refusal(
        state, "{" TENSOR("a", "U8", "[2]", "[0,2]") "," TENSOR("b", "U8", "[2]", "[1,3]") "}", 3,
        ": tensor b starts at byte 1 of the data; expected 2, where the one before it ends");
    expect_refusal(
        state, "{" TENSOR("a", "U8", "[2]", "[0,2]") "," TENSOR("b", "U8", "[1]", "[3,4]") "}", 4,
        ": tensor b starts at byte 3 of the data; expected 2, where the one before it ends");
    expect_refusal(
        state, "{" TENSOR("a", "U8", "[1]", "[1,2]") "}", 2,
        ": tensor a starts at byte 1 of the data; expected 0, where the one before it ends");
    expect_refusal(state, "{" TENSOR("a", "U8", "[2]", "[0,2]") "}", 3,
                   ": the file has 3 bytes of data; expected 2, where the last tensor ends");
    expect_refusal(state, "{}", 1,
                   ": the file has 1 bytes of data; expected 0, where the last tensor ends");
}

static void very_long_names_are_refused(void **state)
{
    char header[1024], name[TENSOR_MAX_NAME + 2] = "";
    memset(name, 'n', TENSOR_MAX_NAME);
    snprintf(header, sizeof header,
             "{\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", name);
    struct safetensors file = open_raw(state, header, 1);
    assert_string_equal(file.tensors[0].name, name);
    safetensors_close(&file);

    name[TENSOR_MAX_NAME] = 'n';
    snprintf(header, sizeof header,
             "{\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", name);
    expect_refusal(state, header, 1,
                   ": the name of tensor nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn... has 256 "
                   "bytes; expected at most 255");
}

static void a_missing_file_is_named(void **state)
{
    struct error error = {0};
    struct safetensors file;
    const char *path = scratch_path(*state, "absent.safetensors");
    assert_false(safetensors_open(path, &file, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_non_null(strstr(error.message, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dtypes_have_names_and_sizes),
        cmocka_unit_test(a_tensor_is_described_for_people),
        SCRATCH_TEST(the_file_has_the_documented_format),
        SCRATCH_TEST(what_was_written_is_read),
        SCRATCH_TEST(a_file_without_tensors_is_valid),
        SCRATCH_TEST(a_failed_write_names_the_file),
        cmocka_unit_test(every_half_is_converted),
        cmocka_unit_test(bfloat16_is_the_upper_half_of_a_float),
        cmocka_unit_test(other_dtypes_are_converted),
        SCRATCH_TEST(tensors_may_be_unaligned),
        SCRATCH_TEST(tensors_are_in_the_order_of_their_data),
        SCRATCH_TEST(a_file_too_short_for_a_header_is_refused),
        SCRATCH_TEST(the_length_of_the_header_is_checked),
        SCRATCH_TEST(a_pointer_of_git_lfs_is_named),
        SCRATCH_TEST(a_header_that_is_not_an_object_is_refused),
        SCRATCH_TEST(repeated_names_are_refused),
        SCRATCH_TEST(unknown_dtypes_are_refused),
        SCRATCH_TEST(ill_formed_shapes_are_refused),
        SCRATCH_TEST(shapes_must_not_overflow),
        SCRATCH_TEST(offsets_must_fit_shape_and_file),
        SCRATCH_TEST(data_must_have_no_overlaps_gaps_or_remaining_bytes),
        SCRATCH_TEST(very_long_names_are_refused),
        SCRATCH_TEST(a_missing_file_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
