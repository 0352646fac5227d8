/* cloze config: the effective configuration of a run, and the reference of all keys. */

#include "cli/command.h"
#include "cli/commands.h"
#include "config/config_print.h"
#include "train/run_config.h"

#include <stdio.h>

static bool print_buffer(const struct buffer *text, struct error *error)
{
    if (text->size)
        fwrite(text->data, 1, text->size, stdout);
    return command_finish_output(error);
}

static bool print_keys(struct buffer *out, struct error *error)
{
    return buffer_print(out, error, "\nkeys:\n") &&
           config_reference(&run_config_schema, false, out, error) &&
           buffer_print(out, error, "\nkeys of cloze finetune:\n") &&
           config_reference(&task_config_schema, false, out, error);
}

static bool print_reference(struct error *error)
{
    struct buffer text = {0};
    bool done = config_reference(&run_config_schema, true, &text, error) &&
                config_reference(&task_config_schema, true, &text, error) &&
                print_buffer(&text, error);
    buffer_free(&text);
    return done;
}

static bool print_config(const char *path, const struct string_list *settings, struct error *error)
{
    struct log log = log_open(stderr);
    const struct config_schema *schema = run_config_schema_of(path, error);
    struct run_config *config =
        schema ? run_config_load(schema, path, settings->items, settings->count, &log, error)
               : NULL;
    if (!config)
        return false;
    struct buffer text = {0};
    bool done = config_print(config, true, &text, error) && print_buffer(&text, error);
    buffer_free(&text);
    run_config_free(config);
    return done;
}

static bool run(const struct command *command, int argc, char **argv, struct error *error)
{
    struct string_list operands = {0}, settings = {0};
    bool reference = false, helped;
    const struct option_spec options[] = {
        {"set", OPTION_REPEATED, &settings, "KEY=VALUE", "override a key of the file", 0, 0},
        {"reference", OPTION_FLAG, &reference, NULL, "print docs/configuration.md instead", 0, 0},
    };
    bool done = command_parse(command, options, sizeof options / sizeof *options, argc, argv,
                              &operands, 0, 1, &helped, error);
    if (done && !helped && reference)
        done = print_reference(error);
    else if (done && !helped && operands.count == 0)
        done = fail_input(error, "CONFIG is missing; usage: cloze %s %s", command->name,
                          command->arguments);
    else if (done && !helped)
        done = print_config(operands.items[0], &settings, error);
    string_list_free(&operands);
    string_list_free(&settings);
    return done;
}

const struct command command_config = {
    .name = "config",
    .arguments = "CONFIG [--set KEY=VALUE]... | --reference",
    .summary = "print every configuration key with its value and origin",
    .details = "Prints the configuration that 'cloze train' would use with the same arguments, or\n"
               "'cloze finetune' if it has a section task, as YAML that can be used as a CONFIG\n"
               "itself. Paths are absolute.\n",
    .examples = "# What a run would use\n"
                "cloze config run.yaml\n"
                "# Where a value comes from\n"
                "cloze config run.yaml --set model.size=mini | grep hidden_size\n",
    .schemas = {&run_config_schema, &task_config_schema},
    .print_more_help = print_keys,
    .run = run,
};
