/* The commands of the program, each with a file of its own, and the options that the program has
 * without a command. */
#ifndef CLOZE_CLI_COMMANDS_H
#define CLOZE_CLI_COMMANDS_H

#include "cli/command.h"

extern const struct command command_batches, command_bench, command_config, command_eval,
    command_embed, command_export, command_fill, command_finetune, command_info, command_init,
    command_nsp, command_predict, command_prepare, command_report, command_score, command_tokenize,
    command_train, command_vocab;

/* All of them, in the order in which they are shown. */
enum { COMMAND_COUNT = 18 };
extern const struct command *const commands[COMMAND_COUNT];

/* NULL if there is none of this name. */
const struct command *command_find(const char *name);

/* One line that says what the program is. */
extern const char program_summary[];

/* A word that may stand in the place of a command, such as "--version". */
struct program_option {
    const char *name;
    const char *help;
};

enum { PROGRAM_HELP, PROGRAM_VERSION, PROGRAM_MANUAL, PROGRAM_OPTION_COUNT };
extern const struct program_option program_options[PROGRAM_OPTION_COUNT];

#endif
