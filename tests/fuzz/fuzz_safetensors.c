/* safetensors: what opens can be read in all its elements, fills its file, and is the same after
 * writing. If the first byte is even, the header's length is put before the header for the fuzzer:
 * everything up to the last "}}" is the header. */
#include "fuzz/support.h"
#include "model/safetensors.h"

#include <stdlib.h>
#include <string.h>

static void frame(const uint8_t *data, size_t size, struct buffer *file)
{
    struct error error = {0};
    uint64_t length = size;
    for (size_t i = size; i >= 2; i--)
        if (data[i - 1] == '}' && data[i - 2] == '}') {
            length = i;
            break;
        }
    CHECK(buffer_append(file, &length, sizeof length, &error));
}

static bool is_integer(enum dtype dtype)
{
    return dtype == DTYPE_I64 || dtype == DTYPE_I32 || dtype == DTYPE_U8;
}

static void check_tensor(const struct safetensors *file, const struct tensor *tensor)
{
    uint64_t count = tensor_elements(tensor), product = 1;
    for (int axis = 0; axis < tensor->axes; axis++)
        product *= tensor->shape[axis];
    CHECK(product == count && count * dtype_size(tensor->dtype) == tensor->size);
    CHECK(safetensors_find(file, tensor->name) == tensor);
    CHECK(tensor_describe(tensor).text[0]);
    double *values = malloc(count * sizeof *values + 1);
    float *narrow = malloc(count * sizeof *narrow + 1);
    int64_t *whole = malloc(count * sizeof *whole + 1);
    CHECK(values && narrow && whole);
    tensor_read_double(tensor, 0, count, values);
    tensor_read_float(tensor, 0, count, narrow);
    if (is_integer(tensor->dtype))
        tensor_read_int64(tensor, 0, count, whole);
    for (uint64_t i = 0; i < count; i++) {
        float rounded = (float)values[i];
        CHECK(rounded == narrow[i] || (rounded != rounded && narrow[i] != narrow[i]));
        CHECK(!is_integer(tensor->dtype) || (double)whole[i] == values[i]);
    }
    free(values);
    free(narrow);
    free(whole);
}

/* Whether the writer takes such a name. */
static bool is_writable(const struct safetensors *file)
{
    for (size_t i = 0; i < file->count; i++)
        for (const char *c = file->tensors[i].name; *c; c++)
            if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
                return false;
    return true;
}

static void check_round_trip(const struct safetensors *file)
{
    struct error error = {0};
    struct safetensors again;
    const char *path = fuzz_path("written.safetensors");
    CHECK(safetensors_write(path, file->tensors, file->count, &error));
    CHECK(safetensors_open(path, &again, &error));
    CHECK(again.count == file->count);
    for (size_t i = 0; i < file->count; i++) {
        const struct tensor *tensor = &file->tensors[i];
        const struct tensor *found = safetensors_find(&again, tensor->name);
        CHECK(found && found->dtype == tensor->dtype && found->axes == tensor->axes);
        CHECK(memcmp(found->shape, tensor->shape, sizeof found->shape) == 0);
        CHECK(found->size == tensor->size);
        CHECK(!found->size || memcmp(found->data, tensor->data, found->size) == 0);
    }
    safetensors_close(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {0};
    struct buffer bytes = {0};
    struct safetensors file;
    if (fuzz_take_byte(&data, &size) % 2 == 0)
        frame(data, size, &bytes);
    CHECK(buffer_append(&bytes, data, size, &error));
    if (safetensors_open(fuzz_write("file.safetensors", bytes.data, bytes.size), &file, &error)) {
        for (size_t i = 0; i < file.count; i++)
            check_tensor(&file, &file.tensors[i]);
        if (is_writable(&file))
            check_round_trip(&file);
        safetensors_close(&file);
    } else
        fuzz_check_error(&error);
    buffer_free(&bytes);
    return 0;
}

void fuzz_seeds(void)
{
    fuzz_seed_text("two", "0{\"__metadata__\":{\"format\":\"pt\"},"
                          "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                          "\"b\":{\"dtype\":\"I64\",\"shape\":[1,1],\"data_offsets\":[8,16]}}"
                          "abcdefghijklmnop");
    fuzz_seed_text("kinds", "0{\"a\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[0,6]},"
                            "\"b\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[6,8]},"
                            "\"c\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[8,9]},"
                            "\"d\":{\"dtype\":\"I32\",\"shape\":[0],\"data_offsets\":[9,9]},"
                            "\"e\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[9,17]}}"
                            "abcdefghijklmnopq");
    fuzz_seed_text("huge", "0{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],"
                           "\"data_offsets\":[0,9223372036854775807]}}");
    fuzz_seed("raw", "1\2\0\0\0\0\0\0\0{}", 11);
}
