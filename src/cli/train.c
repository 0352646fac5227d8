#include "cli/resume_command.h"
#include "train/trainer.h"

/* Loads the configuration; the error for one of another command says so. */
static struct run_config *load(const char *path, const struct string_list *settings,
                               struct log *log, struct error *error)
{
    struct error ignored = {0};
    struct run_config *config =
        run_config_load(&run_config_schema, path, settings->items, settings->count, log, error);
    if (!config && error->kind == ERROR_INPUT &&
        run_config_schema_of(path, &ignored) == &task_config_schema)
        fail_input(error, "%s: has a section task, which is of 'cloze finetune'", path);
    return config;
}

static bool train_config(const char *path, const struct string_list *settings, bool resume,
                         struct error *error)
{
    struct log log = log_open(stderr);
    struct buffer command = {0};
    struct run_config *config = load(path, settings, &log, error);
    bool done = config && resume_command_print(&command, "train", path, settings, error);
    const struct train_options options = {
        .resume = resume, .catch_signals = true, .resume_command = command.data};
    done = done && train(config, &options, NULL, &log, error);
    log_end_live(&log);
    buffer_free(&command);
    run_config_free(config);
    return done;
}

static bool run_train(const struct command *command, int argc, char **argv, struct error *error)
{
    bool resume = false, helped;
    struct string_list settings = {0}, operands = {0};
    const struct option_spec options[] = {
        {"set", OPTION_REPEATED, &settings, "KEY=VALUE", "override a key of the file", 0, 0},
        {"resume", OPTION_FLAG, &resume, NULL, "continue from the latest checkpoint", 0, 0},
    };
    bool done = command_parse(command, options, sizeof options / sizeof *options, argc, argv,
                              &operands, 1, 1, &helped, error);
    if (done && !helped)
        done = train_config(operands.items[0], &settings, resume, error);
    string_list_free(&settings);
    string_list_free(&operands);
    return done;
}

const struct command command_train = {
    .name = "train",
    .arguments = "CONFIG [--set KEY=VALUE]... [--resume]",
    .summary = "train a model from text, as the configuration says",
    .details = "Trains the vocabulary and prepares the data if they are missing or out of date,\n"
               "then pre-trains, evaluates and saves checkpoints in the run directory (output).\n"
               "'cloze config CONFIG' prints every key with its value; 'cloze config --help'\n"
               "explains them.\n"
               "\n"
               "Each log line shows averages since the previous one: MLM loss and accuracy, NSP\n"
               "loss and accuracy, then the learning rate, the gradient norm, tokens per second\n"
               "and the time left. metrics.jsonl has the same numbers.\n"
               "Ctrl-C saves a checkpoint and ends with status 130; a second one quits at once.\n"
               "SIGTERM and a closed window (SIGHUP) save too.\n",
    .run = run_train,
};
