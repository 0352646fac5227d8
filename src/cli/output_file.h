/* Checks of a command's --output, before the work. It may never replace one of the inputs, by
 * whatever name, and other files only if they are of the kind that the command writes. */
#ifndef CLOZE_CLI_OUTPUT_FILE_H
#define CLOZE_CLI_OUTPUT_FILE_H

#include "base/error.h"

#include <stddef.h>

/* Fails if the name is empty, or "-" for a result that does not go to the standard output. */
bool output_file_check_name(const char *output, struct error *error);

/* Fails if the output, or the partial file that is written first, is one of the inputs, which may
 * be patterns. */
bool output_file_check_inputs(const char *output, const char *const *inputs, size_t count,
                              struct error *error);

/* Fails if the output is a file that is not empty and either not a vocabulary or that of a model or
 * a run. */
bool output_file_check_vocabulary(const char *output, struct error *error);

/* Fails if the output is a file that is not empty and not safetensors with a tensor of this name.
 * `kind` names the expected file in the message: "a result of 'cloze score'". */
bool output_file_check_tensors(const char *output, const char *tensor, const char *kind,
                               struct error *error);

/* Fails if the output is a file that is not empty and not a .npy file. */
bool output_file_check_npy(const char *output, struct error *error);

/* Fails if the output is a file that is not empty and not a page of `cloze report`. */
bool output_file_check_page(const char *output, struct error *error);

#endif
