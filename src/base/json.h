/* JSON through jansson, with errors in the project's form. */
#ifndef CLOZE_BASE_JSON_H
#define CLOZE_BASE_JSON_H

#include "base/error.h"

#include <jansson.h>

/* From now on a process that runs out of memory within jansson ends at once with status 1 and a
 * message. To be called by the program, before anything else of jansson's: in version 2.14 its
 * parser goes on with half a text when its buffer cannot grow, and writes where it must not. A
 * library cannot decide to end its process, so libcloze does without. */
void json_exit_without_memory(void);

/* More values than any file of a model or a run has; an empty array of two bytes takes a hundred in
 * memory. */
enum { JSON_MOST_VALUES = 4 << 20 };

/* Whether the text has at most so many, counted before it is parsed by what stands before each: a
 * comma or the beginning of an array or object, be it in a string. */
bool json_is_modest(const char *text, size_t size);

/* Reads a file of at most 64 MiB and JSON_MOST_VALUES that must hold one object without repeated
 * keys; NULL and an error with file and line otherwise. Where an integer has more than 64 bits, all
 * integers of the file are read as reals. The caller owns the reference. */
json_t *json_read_file(const char *path, struct error *error);

/* Writes the value with two spaces of indentation, keys in insertion order, a final newline;
 * atomically (base/file.h). */
bool json_write_file(const char *path, const json_t *value, struct error *error);

/* The same for an object of at least one key, sealed: the last key of the file, "xxh3", is the XXH3
 * of all bytes before its sixteen digits. The object itself does not change. */
bool json_write_sealed(const char *path, const json_t *object, struct error *error);

/* json_read_file of a sealed file, without the seal. A changed byte and a cut, wherever they are,
 * are an error that calls the file damaged. */
json_t *json_read_sealed(const char *path, struct error *error);

#endif
