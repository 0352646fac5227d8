/* The standard input as a stream of bytes. */
#ifndef CLOZE_CLI_STANDARD_INPUT_H
#define CLOZE_CLI_STANDARD_INPUT_H

#include "data/byte_stream.h"

/* True if the operand, which may be NULL, means the standard input: none or "-". */
bool is_standard_input(const char *path);

struct byte_stream standard_input_stream(void);

#endif
