/* JSON through jansson, with errors in the project's form. */
#ifndef CLOZE_BASE_JSON_H
#define CLOZE_BASE_JSON_H

#include "base/error.h"

#include <jansson.h>

/* Makes the process end with status 1 and a message if it runs out of memory within jansson. The
 * program calls this before any other function of jansson: in version 2.14 its parser goes on with
 * half a text when its buffer cannot grow, and writes outside of it. A library must not end the
 * process of its caller, so libcloze does not call this. */
void json_exit_without_memory(void);

/* The limit of values in a file, more than any file of a model or a run has: an empty array, two
 * bytes of text, takes a hundred bytes of memory. */
enum { JSON_MAX_VALUES = 4 << 20 };

/* True if the text has at most JSON_MAX_VALUES values. They are counted before the text is parsed,
 * by what precedes a value: a comma, or the beginning of an array or object, even within
 * strings. */
bool json_is_modest(const char *text, size_t size);

/* Returns the kind of a value for a message: "an object", "a number", "null". */
const char *json_kind(const json_t *value);

/* Returns a string of the text, in which U+FFFD stands for what is not UTF-8; NULL when memory is
 * short. */
json_t *json_text(const char *text, size_t size);

/* Returns the number; null if it is not finite, for which JSON has no number. NULL when memory is
 * short. */
json_t *json_finite(double number);

/* Appends the value, whose reference it takes, to the list. Returns the list; NULL when memory is
 * short, which is also so if either of them is NULL, and then frees the list. */
json_t *json_append(json_t *list, json_t *value);

/* Sets a key of the object to the value, whose reference it takes. If the value is NULL, returns
 * false with the error of its making, which is lack of memory if there is none yet. */
bool json_put(json_t *object, const char *key, json_t *value, struct error *error);

/* Appends the value to the list; otherwise as json_put. The error names what the list holds. */
bool json_add(json_t *list, const char *what, json_t *value, struct error *error);

/* Reads a file of at most 64 MiB and JSON_MAX_VALUES values that must hold one object without
 * repeated keys; if not, returns NULL and an error with file and line. If an integer has more than
 * 64 bits, all integers of the file are read as reals. The caller owns the reference. */
json_t *json_read_file(const char *path, struct error *error);

/* Like json_read_file, for a file that must hold one array. */
json_t *json_read_array(const char *path, struct error *error);

/* Writes the value with two spaces of indentation, keys in insertion order, a final newline;
 * atomically (base/file_writer.h). */
bool json_write_file(const char *path, const json_t *value, struct error *error);

/* Like json_write_file, for an object with at least one key, and seals the file: its last key,
 * "xxh3", is the XXH3 of all bytes before its sixteen digits. The object itself does not change. */
bool json_write_sealed(const char *path, const json_t *object, struct error *error);

/* Reads a sealed file, with the limits of json_read_file, and leaves out the seal. A description of
 * input files (`of_files`) may have 512 MiB and any number of values. If any byte was changed or
 * cut off, the error says that the file is damaged. */
json_t *json_read_sealed(const char *path, bool of_files, struct error *error);

#endif
