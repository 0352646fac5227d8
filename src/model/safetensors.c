#include "model/safetensors.h"

#include "base/affix.h"
#include "base/buffer.h"
#include "base/file_writer.h"
#include "base/json.h"
#include "base/memory.h"
#include "math/bf16.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "tensors are read without swapping bytes");

enum {
    LENGTH_SIZE = 8,        /* size of the number before the header, the header's length */
    MAX_HEADER = 100000000, /* the limit of the reference implementation */
    HEADER_ALIGNMENT = 8,
};

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [DTYPE_F64] = {"F64", 8},   [DTYPE_F32] = {"F32", 4}, [DTYPE_F16] = {"F16", 2},
    [DTYPE_BF16] = {"BF16", 2}, [DTYPE_I64] = {"I64", 8}, [DTYPE_I32] = {"I32", 4},
    [DTYPE_U8] = {"U8", 1},
};

static const size_t dtype_count = sizeof dtypes / sizeof *dtypes;

size_t dtype_size(enum dtype dtype)
{
    CHECK(dtype < dtype_count);
    return dtypes[dtype].size;
}

const char *dtype_name(enum dtype dtype)
{
    CHECK(dtype < dtype_count);
    return dtypes[dtype].name;
}

uint64_t tensor_elements(const struct tensor *tensor)
{
    return tensor->size / dtype_size(tensor->dtype);
}

struct text128 tensor_describe(const struct tensor *tensor)
{
    struct text128 result;
    size_t room = sizeof result.text;
    size_t used = (size_t)snprintf(result.text, room, "%s [", dtype_name(tensor->dtype));
    for (int axis = 0; axis < tensor->axes; axis++)
        used += (size_t)snprintf(result.text + used, room - used, "%s%" PRIu64, axis ? ", " : "",
                                 tensor->shape[axis]);
    snprintf(result.text + used, room - used, "]");
    return result;
}

/* ---- reading the header ---- */

static bool read_dtype(const char *path, struct tensor *tensor, const json_t *entry,
                       struct error *error)
{
    const char *name = json_string_value(json_object_get(entry, "dtype"));
    for (size_t i = 0; name && i < dtype_count; i++)
        if (strcmp(dtypes[i].name, name) == 0) {
            tensor->dtype = (enum dtype)i;
            return true;
        }
    return fail_input(error,
                      "%s: tensor %s: dtype is %.32s; expected F64, F32, F16, BF16, I64, I32 or U8",
                      path, tensor->name, name ? name : "missing");
}

/* Sets shape, axes and size. */
static bool read_shape(const char *path, struct tensor *tensor, const json_t *entry,
                       struct error *error)
{
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape) || json_array_size(shape) > TENSOR_MAX_AXES)
        return fail_input(error, "%s: tensor %s: expected a shape of at most %d axes", path,
                          tensor->name, TENSOR_MAX_AXES);
    tensor->axes = (int)json_array_size(shape);
    tensor->size = dtype_size(tensor->dtype);
    for (int axis = 0; axis < tensor->axes; axis++) {
        const json_t *length = json_array_get(shape, (size_t)axis);
        if (!json_is_integer(length) || json_integer_value(length) < 0)
            return fail_input(error,
                              "%s: tensor %s: axis %d of the shape is not an integer of 0 or more",
                              path, tensor->name, axis);
        tensor->shape[axis] = (uint64_t)json_integer_value(length);
        if (__builtin_mul_overflow(tensor->size, tensor->shape[axis], &tensor->size))
            return fail_input(error, "%s: tensor %s: the shape has more than 2^64 bytes", path,
                              tensor->name);
    }
    return true;
}

/* Sets data. Offsets count from `base`, which `available` bytes follow. */
static bool read_offsets(const char *path, struct tensor *tensor, const json_t *entry,
                         const unsigned char *base, uint64_t available, struct error *error)
{
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return fail_input(error, "%s: tensor %s: expected data_offsets of two integers", path,
                          tensor->name);
    json_int_t begin = json_integer_value(first), end = json_integer_value(last);
    if (begin < 0 || end < begin || (uint64_t)end > available)
        return fail_input(error,
                          "%s: tensor %s: data_offsets are [%lld, %lld]; expected them ascending, "
                          "within the file's %" PRIu64 " bytes of data",
                          path, tensor->name, (long long)begin, (long long)end, available);
    if ((uint64_t)(end - begin) != tensor->size)
        return fail_input(
            error, "%s: tensor %s: data_offsets span %lld bytes; expected %" PRIu64 " for %s", path,
            tensor->name, (long long)(end - begin), tensor->size, tensor_describe(tensor).text);
    tensor->data = base + begin;
    return true;
}

static bool read_tensor(const char *path, struct tensor *tensor, const char *name,
                        const json_t *entry, const unsigned char *base, uint64_t available,
                        struct error *error)
{
    size_t length = strlen(name);
    if (length > TENSOR_MAX_NAME)
        return fail_input(error,
                          "%s: the name of tensor %.40s... has %zu bytes; expected at most %d",
                          path, name, length, TENSOR_MAX_NAME);
    tensor->name = name;
    if (!json_is_object(entry))
        return fail_input(error, "%s: tensor %s: expected an object in the header", path, name);
    return read_dtype(path, tensor, entry, error) && read_shape(path, tensor, entry, error) &&
           read_offsets(path, tensor, entry, base, available, error);
}

static bool read_tensors(const char *path, struct safetensors *file, const unsigned char *base,
                         uint64_t available, struct error *error)
{
    file->tensors = allocate(json_object_size(file->header), sizeof *file->tensors, error);
    if (!file->tensors)
        return false;
    const char *name;
    json_t *entry;
    json_object_foreach (file->header, name, entry) {
        if (strcmp(name, "__metadata__") != 0 &&
            !read_tensor(path, &file->tensors[file->count++], name, entry, base, available, error))
            return false;
    }
    return true;
}

static int by_place(const void *a, const void *b)
{
    const struct tensor *left = a, *right = b;
    const unsigned char *left_data = left->data, *right_data = right->data;
    if (left_data != right_data)
        return left_data < right_data ? -1 : 1;
    /* An empty tensor comes before the one that begins at the same address. */
    return (left->size > right->size) - (left->size < right->size);
}

/* Sorts the tensors by their data and checks that the data fill the file exactly. */
static bool check_places(const char *path, struct safetensors *file, const unsigned char *base,
                         uint64_t available, struct error *error)
{
    qsort(file->tensors, file->count, sizeof *file->tensors, by_place);
    const unsigned char *expected = base;
    for (size_t i = 0; i < file->count; i++) {
        const struct tensor *tensor = &file->tensors[i];
        const unsigned char *data = tensor->data;
        if (data != expected)
            return fail_input(error,
                              "%s: tensor %s starts at byte %td of the data; expected %td, where "
                              "the one before it ends",
                              path, tensor->name, data - base, expected - base);
        expected += tensor->size;
    }
    if ((uint64_t)(expected - base) != available)
        return fail_input(error,
                          "%s: the file has %" PRIu64 " bytes of data; expected %td, where the "
                          "last tensor ends",
                          path, available, expected - base);
    return true;
}

static bool read_header(const char *path, struct safetensors *file, struct error *error)
{
    const struct mapping *mapping = &file->mapping;
    uint64_t length;
    if (mapping->size < LENGTH_SIZE)
        return fail_input(error, "%s: the file has %zu bytes; expected a safetensors file", path,
                          mapping->size);
    memcpy(&length, mapping->data, LENGTH_SIZE);
    if (is_lfs_pointer(mapping->data, mapping->size))
        return fail_input(error,
                          "%s: is a Git LFS pointer, not a safetensors file; fetch it: git lfs "
                          "pull",
                          path);
    if (length == 0 || length > MAX_HEADER || length > mapping->size - LENGTH_SIZE)
        return fail_input(error,
                          "%s: the header's length is %" PRIu64 " in a file of %zu bytes; expected "
                          "a safetensors file (headers of at most %d bytes)",
                          path, length, mapping->size, MAX_HEADER);
    const char *text = (const char *)mapping->data + LENGTH_SIZE;
    if (!json_is_modest(text, (size_t)length))
        return fail_input(error, "%s: the header holds more than %d JSON values", path,
                          JSON_MAX_VALUES);
    json_error_t place;
    file->header = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &place);
    if (!file->header)
        return fail_input(error, "%s: the header is not valid JSON: %s (byte %d)", path, place.text,
                          place.position);
    if (!json_is_object(file->header))
        return fail_input(error, "%s: the header is not a JSON object", path);
    const unsigned char *base = mapping->data + LENGTH_SIZE + length;
    uint64_t available = mapping->size - LENGTH_SIZE - length;
    return read_tensors(path, file, base, available, error) &&
           check_places(path, file, base, available, error);
}

bool safetensors_open(const char *path, struct safetensors *file, struct error *error)
{
    *file = (struct safetensors){0};
    if (!file_map(path, &file->mapping, error))
        return false;
    if (read_header(path, file, error))
        return true;
    safetensors_close(file);
    return false;
}

void safetensors_close(struct safetensors *file)
{
    free(file->tensors);
    json_decref(file->header);
    file_unmap(&file->mapping);
    *file = (struct safetensors){0};
}

const struct tensor *safetensors_find(const struct safetensors *file, const char *name)
{
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->tensors[i].name, name) == 0)
            return &file->tensors[i];
    return NULL;
}

/* ---- reading elements ---- */

/* IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits. */
static float half_value(uint16_t bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float magnitude = exponent == 31  ? (fraction ? NAN : INFINITY)
                      : exponent == 0 ? ldexpf((float)fraction, -24)
                                      : ldexpf((float)(fraction + 1024), exponent - 25);
    return bits >> 15 ? -magnitude : magnitude;
}

/* Loads a value from an address that may be unaligned. */
#define LOAD(type, at) (*(type *)memcpy(&(type){0}, at, sizeof(type)))

static inline double element_value(const unsigned char *at, enum dtype dtype)
{
    switch (dtype) {
    case DTYPE_F64:
        return LOAD(double, at);
    case DTYPE_F32:
        return (double)LOAD(float, at);
    case DTYPE_F16:
        return (double)half_value(LOAD(uint16_t, at));
    case DTYPE_BF16:
        return (double)bf16_to_float(LOAD(bf16, at));
    case DTYPE_I64:
        return (double)LOAD(int64_t, at);
    case DTYPE_I32:
        return LOAD(int32_t, at);
    case DTYPE_U8:
        return *at;
    }
    return NAN;
}

/* Returns the address of element `first`, after checking that `count` elements from there exist. */
static const unsigned char *element_place(const struct tensor *tensor, uint64_t first,
                                          uint64_t count)
{
    uint64_t elements = tensor_elements(tensor);
    CHECK(first <= elements && count <= elements - first);
    return (const unsigned char *)tensor->data + first * dtype_size(tensor->dtype);
}

void tensor_read_float(const struct tensor *tensor, uint64_t first, uint64_t count, float *out)
{
    const unsigned char *at = element_place(tensor, first, count);
    size_t size = dtype_size(tensor->dtype);
    if (tensor->dtype == DTYPE_F32 && count) {
        memcpy(out, at, count * size);
        return;
    }
    for (uint64_t i = 0; i < count; i++, at += size)
        out[i] = (float)element_value(at, tensor->dtype);
}

void tensor_read_double(const struct tensor *tensor, uint64_t first, uint64_t count, double *out)
{
    const unsigned char *at = element_place(tensor, first, count);
    size_t size = dtype_size(tensor->dtype);
    for (uint64_t i = 0; i < count; i++, at += size)
        out[i] = element_value(at, tensor->dtype);
}

void tensor_read_real(const struct tensor *tensor, uint64_t first, uint64_t count, real *out)
{
#if CLOZE_DOUBLE
    tensor_read_double(tensor, first, count, out);
#else
    tensor_read_float(tensor, first, count, out);
#endif
}

void tensor_read_int64(const struct tensor *tensor, uint64_t first, uint64_t count, int64_t *out)
{
    const unsigned char *at = element_place(tensor, first, count);
    size_t size = dtype_size(tensor->dtype);
    CHECK(tensor->dtype == DTYPE_I64 || tensor->dtype == DTYPE_I32 || tensor->dtype == DTYPE_U8);
    for (uint64_t i = 0; i < count; i++, at += size)
        out[i] = tensor->dtype == DTYPE_I64   ? LOAD(int64_t, at)
                 : tensor->dtype == DTYPE_I32 ? LOAD(int32_t, at)
                                              : *at;
}

/* ---- writing ---- */

static void check_writable(const struct tensor *tensor)
{
    CHECK(tensor->axes >= 0 && tensor->axes <= TENSOR_MAX_AXES);
    uint64_t size = dtype_size(tensor->dtype);
    for (int axis = 0; axis < tensor->axes; axis++)
        CHECK(!__builtin_mul_overflow(size, tensor->shape[axis], &size));
    CHECK(size == tensor->size);
    CHECK(strlen(tensor->name) <= TENSOR_MAX_NAME);
    for (const char *c = tensor->name; *c; c++)
        CHECK(*c >= ' ' && *c <= '~' && *c != '"' && *c != '\\');
}

static bool print_tensor(struct buffer *header, const struct tensor *tensor, uint64_t offset,
                         struct error *error)
{
    check_writable(tensor);
    if (!buffer_print(header, error, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", tensor->name,
                      dtype_name(tensor->dtype)))
        return false;
    for (int axis = 0; axis < tensor->axes; axis++)
        if (!buffer_print(header, error, "%s%" PRIu64, axis ? "," : "", tensor->shape[axis]))
            return false;
    return buffer_print(header, error, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", offset,
                        offset + tensor->size);
}

static bool print_header(struct buffer *header, const struct tensor *tensors, size_t count,
                         struct error *error)
{
    if (!buffer_print(header, error, "{\"__metadata__\":{\"format\":\"pt\"}"))
        return false;
    uint64_t offset = 0;
    for (size_t i = 0; i < count; i++) {
        if (!print_tensor(header, &tensors[i], offset, error))
            return false;
        CHECK(!__builtin_add_overflow(offset, tensors[i].size, &offset));
    }
    if (!buffer_print(header, error, "}"))
        return false;
    while (header->size % HEADER_ALIGNMENT != 0)
        if (!buffer_append(header, " ", 1, error))
            return false;
    if (header->size > MAX_HEADER)
        return fail_work(error, "a header of %zu bytes; safetensors allows %d", header->size,
                         MAX_HEADER);
    return true;
}

static bool put_file(struct file_writer *writer, const struct buffer *header,
                     const struct tensor *tensors, size_t count, struct error *error)
{
    uint64_t length = header->size;
    if (!file_writer_put(writer, &length, LENGTH_SIZE, error) ||
        !file_writer_put(writer, header->data, header->size, error))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!file_writer_put(writer, tensors[i].data, tensors[i].size, error))
            return false;
    return true;
}

static bool write_file(const char *path, const struct buffer *header, const struct tensor *tensors,
                       size_t count, struct error *error)
{
    struct file_writer *writer = file_writer_open(path, error);
    if (!writer)
        return false;
    if (put_file(writer, header, tensors, count, error))
        return file_writer_commit(writer, error);
    file_writer_abandon(writer);
    return false;
}

bool safetensors_write(const char *path, const struct tensor *tensors, size_t count,
                       struct error *error)
{
    struct buffer header = {0};
    bool done = print_header(&header, tensors, count, error)
                    ? write_file(path, &header, tensors, count, error)
                    : fail_context(error, "%s", path);
    buffer_free(&header);
    return done;
}
