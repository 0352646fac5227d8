#include "cli/commands.h"

#include <string.h>

const char program_summary[] = "BERT pre-training on CPUs, from plain text to a Hugging Face model";

const struct command *const commands[COMMAND_COUNT] = {
    &command_init,  &command_train,    &command_eval,    &command_fill,    &command_nsp,
    &command_embed, &command_finetune, &command_predict, &command_report,  &command_export,
    &command_info,  &command_config,   &command_vocab,   &command_prepare, &command_tokenize,
    &command_bench, &command_batches,  &command_score,
};

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

const struct program_option program_options[PROGRAM_OPTION_COUNT] = {
    [PROGRAM_HELP] = {"--help", "print the commands; 'cloze COMMAND --help' explains one"},
    [PROGRAM_VERSION] = {"--version", "print the version, and the kernels that compute"},
    [PROGRAM_MANUAL] = {"--manual", "print the manual page: cloze --manual | man -l -"},
};
