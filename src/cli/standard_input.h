/* The standard input as a stream of bytes. */
#ifndef CLOZE_CLI_STANDARD_INPUT_H
#define CLOZE_CLI_STANDARD_INPUT_H

#include "data/byte_stream.h"

/* True if the operand, which may be NULL, means the standard input: none or "-". */
bool is_standard_input(const char *path);

struct byte_stream standard_input_stream(void);

/* Checks that an operand that is read once is not a FIFO, a socket or a device, such as the path of
 * <(command): the error says to give it to the standard input. Files are checked when they are
 * opened. */
bool standard_input_check_operand(const char *path, struct error *error);

#endif
