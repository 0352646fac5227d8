/* What --help prints. */
#ifndef CLOZE_CLI_HELP_H
#define CLOZE_CLI_HELP_H

#include "cli/command.h"

/* Appends an option or a command of a list, with its meaning from `column` on, wrapped, or below it
 * if there is no room. */
bool help_print_entry(struct buffer *out, const char *name, const char *meaning, int column,
                      struct error *error);

/* Prints the help of a command to the standard output. */
bool help_print(const struct command *command, const struct option_spec *options,
                size_t option_count, struct error *error);

#endif
