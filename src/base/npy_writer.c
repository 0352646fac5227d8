#include "base/npy_writer.h"

#include "base/file_writer.h"
#include "base/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "values are written as they are in memory");

/* Room for the longest shape. */
enum { HEADER = 128 };

struct npy_writer {
    struct file_writer *file;
    int width;
    uint64_t rows;
};

/* The header of a matrix with so many rows: the magic, the version, the size of the text in two
 * bytes, the text. */
static void make_header(char header[HEADER], uint64_t rows, int width)
{
    static const char begin[] = "\x93NUMPY\x01\x00";
    enum { TEXT = 10 }; /* its place */
    memset(header, ' ', HEADER);
    memcpy(header, begin, sizeof begin - 1);
    header[8] = (char)(HEADER - TEXT);
    header[9] = 0;
    char text[HEADER - TEXT];
    const int size = snprintf(text, sizeof text,
                              "{'descr': '<f4', 'fortran_order': False, 'shape': (%llu, %d), }",
                              (unsigned long long)rows, width);
    CHECK(size > 0 && size < HEADER - TEXT);
    memcpy(header + TEXT, text, (size_t)size);
    header[HEADER - 1] = '\n';
}

struct npy_writer *npy_writer_open(const char *path, int width, struct error *error)
{
    char header[HEADER];
    struct npy_writer *writer = allocate(1, sizeof *writer, error);
    if (!writer)
        return NULL;
    writer->width = width;
    writer->file = file_writer_open(path, error);
    make_header(header, 0, width);
    if (!writer->file || !file_writer_put(writer->file, header, sizeof header, error)) {
        npy_writer_abandon(writer);
        return NULL;
    }
    return writer;
}

bool npy_writer_put(struct npy_writer *writer, const float *values, size_t rows,
                    struct error *error)
{
    writer->rows += rows;
    return file_writer_put(writer->file, values, rows * (size_t)writer->width * sizeof *values,
                           error);
}

bool npy_writer_commit(struct npy_writer *writer, struct error *error)
{
    char header[HEADER];
    make_header(header, writer->rows, writer->width);
    if (!file_writer_patch(writer->file, 0, header, sizeof header, error)) {
        npy_writer_abandon(writer);
        return false;
    }
    const bool done = file_writer_commit(writer->file, error);
    free(writer);
    return done;
}

void npy_writer_abandon(struct npy_writer *writer)
{
    if (!writer)
        return;
    file_writer_abandon(writer->file);
    free(writer);
}
