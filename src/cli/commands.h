/* The commands of the program, each with a file of its own. */
#ifndef CLOZE_CLI_COMMANDS_H
#define CLOZE_CLI_COMMANDS_H

#include "cli/command.h"

extern const struct command command_batches, command_bench, command_config, command_eval,
    command_embed, command_export, command_fill, command_finetune, command_info, command_init,
    command_nsp, command_predict, command_prepare, command_report, command_score, command_tokenize,
    command_train, command_vocab;

#endif
