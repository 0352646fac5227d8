/* The manual page of the program: what --help says of each command and its options, the keys of the
 * configuration, and what all commands share. */
#ifndef CLOZE_CLI_MANUAL_H
#define CLOZE_CLI_MANUAL_H

#include "base/error.h"

#include <stdbool.h>

/* Prints it as man(7) source, which the build installs as cloze.1. It is the same on every
 * machine. */
bool manual_print(struct error *error);

#endif
