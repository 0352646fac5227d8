/* What the fuzz targets share. Each target is a file that defines LLVMFuzzerTestOneInput and
 * fuzz_seeds; libFuzzer has main(), and `TARGET seeds DIRECTORY` writes the target's seeds.
 *
 * A target finds more than crashes: whatever it says must hold for every input is a CHECK
 * (base/error.h), and a CHECK that fails is a finding. Failures of the outside world, such as a
 * full disk, end the process likewise. */
#ifndef CLOZE_TESTS_FUZZ_SUPPORT_H
#define CLOZE_TESTS_FUZZ_SUPPORT_H

#include "base/buffer.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* ---- a target defines ---- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Calls fuzz_seed for inputs that reach its depths at once. */
void fuzz_seeds(void);

/* ---- and uses ---- */

/* One seed; the names of a target differ. */
void fuzz_seed(const char *name, const void *data, size_t size);
void fuzz_seed_text(const char *name, const char *text);

/* The path of a name in the process's own directory, which goes when the process ends. One of eight
 * that are valid at a time. */
const char *fuzz_path(const char *name);

/* Writes the file; returns its path. */
const char *fuzz_write(const char *name, const void *data, size_t size);

/* Appends the contents of a file. */
void fuzz_read(const char *path, struct buffer *out);

/* Takes the first byte off an input: what chooses between the ways to read the rest. 0 of none. */
unsigned fuzz_take_byte(const uint8_t **data, size_t *size);

/* An error was set, with a message. */
void fuzz_check_error(const struct error *error);

#endif
