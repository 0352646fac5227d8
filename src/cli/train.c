#include "cli/command.h"
#include "train/trainer.h"

#include <stdlib.h>

static bool train_config(const char *path, const struct string_list *settings, bool resume,
                         struct error *error)
{
    struct log log = log_open(stderr);
    struct run_config *config = run_config_load(path, settings->items, settings->count, error);
    bool ok = config && train(config, resume, &log, error);
    log_end_live(&log);
    run_config_free(config);
    return ok;
}

static bool run_train(const struct command *command, int argc, char **argv, struct error *error)
{
    bool resume = false, helped;
    struct string_list settings = {0}, operands = {0};
    const struct option_spec options[] = {
        {"set", OPTION_REPEATED, &settings, "KEY=VALUE", "override a key of the file", 0, 0},
        {"resume", OPTION_FLAG, &resume, NULL, "continue from the latest checkpoint", 0, 0},
    };
    bool ok = command_parse(command, options, sizeof options / sizeof *options, argc, argv,
                            &operands, 1, 1, &helped, error);
    if (ok && !helped)
        ok = train_config(operands.items[0], &settings, resume, error);
    string_list_free(&settings);
    string_list_free(&operands);
    return ok;
}

const struct command command_train = {
    .name = "train",
    .arguments = "CONFIG [--set KEY=VALUE]... [--resume]",
    .summary = "everything a configuration asks for, from text to a trained model",
    .details =
        "Trains the vocabulary and prepares the data if they are missing or stale, then\n"
        "pre-trains, evaluates and saves checkpoints into the run directory (output).\n"
        "'cloze config CONFIG' prints every key with its value; docs/configuration.md explains "
        "them.\n"
        "\n"
        "The lines of the log show means since the last line: MLM loss and accuracy, NSP loss and\n"
        "accuracy, the learning rate, the gradient norm, tokens a second and the time left.\n"
        "Ctrl-C saves a checkpoint and ends with status 130; a second one ends at once.\n",
    .run = run_train,
};
