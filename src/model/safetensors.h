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
    DTYPE_REAL = CLOZE_DOUBLE ? DTYPE_F64 : DTYPE_F32, /* of the program's own arithmetic */
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
    const void *data; /* size bytes; may be unaligned when read from a foreign file */
    uint64_t size;
};

size_t dtype_size(enum dtype dtype);
const char *dtype_name(enum dtype dtype); /* "F32" ... */

uint64_t tensor_elements(const struct tensor *tensor);

/* For messages: "F32 [30522, 128]". The text is in the structure returned. */
struct text128 {
    char text[128];
};

struct text128 tensor_describe(const struct tensor *tensor);

/* ---- reading ---- */

struct json_t;

struct safetensors {
    struct tensor *tensors; /* in the order of their data */
    size_t count;
    struct json_t *header;  /* holds the names */
    struct mapping mapping; /* holds the data */
};

/* Maps a file and checks all of it: header length (at most 100 MB, as the reference
 * implementation), JSON, known dtypes, at most TENSOR_MAX_AXES axes, names of at most
 * TENSOR_MAX_NAME bytes, none repeated, shapes without overflow, data that fill the file without
 * holes, overlaps or a rest. Errors name the file and the tensor. Pages are read when a tensor is.
 * The file must not be changed while it is open. */
bool safetensors_open(const char *path, struct safetensors *file, struct error *error);
void safetensors_close(struct safetensors *file);

/* NULL if there is none of that name. */
const struct tensor *safetensors_find(const struct safetensors *file, const char *name);

/* Elements [first, first + count) of a tensor, which must exist, of any dtype converted (rounded to
 * nearest; what is too large becomes infinite). Thread-safe. */
void tensor_read_float(const struct tensor *tensor, uint64_t first, uint64_t count, float *out);
void tensor_read_double(const struct tensor *tensor, uint64_t first, uint64_t count, double *out);
void tensor_read_real(const struct tensor *tensor, uint64_t first, uint64_t count, real *out);

/* The same for tensors of an integer dtype only. */
void tensor_read_int64(const struct tensor *tensor, uint64_t first, uint64_t count, int64_t *out);

/* ---- writing ---- */

/* Writes the tensors in their order with metadata {"format": "pt"}, header padded with spaces to 8
 * bytes, atomically; *hash gets the XXH3 of the file unless NULL. Names are printable ASCII without
 * quotes and backslashes, and `size` is what shape and dtype make. The data are written from where
 * they lie. */
bool safetensors_write(const char *path, const struct tensor *tensors, size_t count, uint64_t *hash,
                       struct error *error);

#endif
