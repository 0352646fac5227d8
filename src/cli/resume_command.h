/* The command line that resumes a run. */
#ifndef CLOZE_CLI_RESUME_COMMAND_H
#define CLOZE_CLI_RESUME_COMMAND_H

#include "base/buffer.h"
#include "cli/command.h"

/* Prints the command line that resumes the run from the same directory: the program as it was
 * called, the command, the configuration, all settings, and --resume. */
bool resume_command_print(struct buffer *line, const char *command, const char *path,
                          const struct string_list *settings, struct error *error);

#endif
