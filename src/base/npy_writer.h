/* A matrix of floats as a .npy file of NumPy, format 1.0, row after row (numpy.lib.format): a
 * header with type, order and shape, padded to a multiple of 64 bytes, then the values,
 * little-endian. The file appears whole or not at all (base/file_writer.h). */
#ifndef CLOZE_BASE_NPY_WRITER_H
#define CLOZE_BASE_NPY_WRITER_H

#include "base/error.h"

#include <stddef.h>

struct npy_writer;

/* Begins a matrix with rows of `width` floats. NULL on failure; errors name the path. */
struct npy_writer *npy_writer_open(const char *path, int width, struct error *error);

/* Appends `rows` rows. After a failure the writer can only be abandoned. */
bool npy_writer_put(struct npy_writer *writer, const float *values, size_t rows,
                    struct error *error);

/* Writes the number of rows into the header and puts the file in its place. Frees the writer in any
 * case. */
bool npy_writer_commit(struct npy_writer *writer, struct error *error);

/* Removes what was written and frees the writer; NULL is accepted. */
void npy_writer_abandon(struct npy_writer *writer);

#endif
