/* The safetensors format (huggingface/safetensors): an 8-byte little-endian header length, a JSON
 * header {name: {dtype, shape, data_offsets}, "__metadata__": {...}}, the tensors' bytes without a
 * gap. */
#ifndef CLOZE_MODEL_SAFETENSORS_H
#define CLOZE_MODEL_SAFETENSORS_H

#include "base/error.h"
#include "base/file.h"
#include "math/real.h"

#include <stddef.h>
#include <stdint.h>

enum dtype {
    DTYPE_F64,
    DTYPE_F32,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_I64,
    DTYPE_I32,
    DTYPE_U8,
    DTYPE_REAL = CLOZE_DOUBLE ? DTYPE_F64 : DTYPE_F32, /* the type of `real` */
};

enum {
    TENSOR_MAX_AXES = 4,
    TENSOR_MAX_NAME = 255, /* bytes */
};

struct tensor {
    const char *name; /* not owned */
    enum dtype dtype;
    int axes;
    uint64_t shape[TENSOR_MAX_AXES];
    const void *data; /* `size` bytes; may be unaligned in a file of another program */
    uint64_t size;
};

size_t dtype_size(enum dtype dtype);
const char *dtype_name(enum dtype dtype); /* "F32" ... */

uint64_t tensor_elements(const struct tensor *tensor);

struct text128 {
    char text[128];
};

/* Describes a tensor for messages: "F32 [30522, 128]". */
struct text128 tensor_describe(const struct tensor *tensor);

/* ---- reading ---- */

struct json_t;

struct safetensors {
    struct tensor *tensors; /* in the order of their data */
    size_t count;
    struct json_t *header;  /* owns the names */
    struct mapping mapping; /* owns the data */
};

/* Maps a file and checks its whole header: the length (at most 100 MB, as in the reference
 * implementation), the JSON, known dtypes, at most TENSOR_MAX_AXES axes, unique names of at most
 * TENSOR_MAX_NAME bytes, sizes that do not overflow, and data that fill the file without gaps,
 * overlaps or remaining bytes. Errors name the file and the tensor. Data are read from disk when
 * they are first used. The file must not change while it is open. */
bool safetensors_open(const char *path, struct safetensors *file, struct error *error);
void safetensors_close(struct safetensors *file);

/* Returns the tensor with the name, or NULL. */
const struct tensor *safetensors_find(const struct safetensors *file, const char *name);

/* Converts elements [first, first + count) of a tensor, which must exist, from any dtype. Values
 * are rounded to nearest; those that are too large become infinite. Thread-safe. */
void tensor_read_float(const struct tensor *tensor, uint64_t first, uint64_t count, float *out);
void tensor_read_double(const struct tensor *tensor, uint64_t first, uint64_t count, double *out);
void tensor_read_real(const struct tensor *tensor, uint64_t first, uint64_t count, real *out);

/* As above, for tensors of an integer dtype only. */
void tensor_read_int64(const struct tensor *tensor, uint64_t first, uint64_t count, int64_t *out);

/* ---- writing ---- */

/* Writes the tensors in the given order, atomically, with metadata {"format": "pt"} (loaders refuse
 * a file without it) and the header padded with spaces to 8 bytes. Names must be printable ASCII
 * without quotes and backslashes, and `size` must match shape and dtype. The data are not
 * copied. */
bool safetensors_write(const char *path, const struct tensor *tensors, size_t count,
                       struct error *error);

#endif
