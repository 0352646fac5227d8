/* JSON through jansson, with errors in the project's form. */
#ifndef CLOZE_BASE_JSON_H
#define CLOZE_BASE_JSON_H

#include "base/error.h"

#include <jansson.h>

/* Reads a file of at most 64 MiB that must hold one object without repeated keys; NULL and an error
 * with file and line otherwise. The caller owns the reference. */
json_t *json_read_file(const char *path, struct error *error);

/* Writes the value with two spaces of indentation, keys in insertion order, a final newline;
 * atomically (base/file.h). */
bool json_write_file(const char *path, const json_t *value, struct error *error);

#endif
