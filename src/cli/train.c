#include "base/format.h"
#include "cli/resume_command.h"
#include "train/dry_run.h"
#include "train/process_group.h"
#include "train/process_group_launch.h"
#include "train/trainer.h"

#include <stdio.h>

/* Returns whether the configuration is one of another command, which the error then says. */
static bool name_other_command(const char *path, struct error *error)
{
    struct error ignored = {0};
    if (error->kind != ERROR_INPUT || run_config_schema_of(path, &ignored) != &task_config_schema)
        return false;
    fail_input(error, "%s: has a section task, which is of 'cloze finetune'", path);
    return true;
}

/* Loads the configuration; the error for one of another command says so. */
static struct run_config *load(const char *path, const struct string_list *settings,
                               struct log *log, struct error *error)
{
    struct run_config *config =
        run_config_load(&run_config_schema, path, settings->items, settings->count, log, error);
    if (!config)
        name_other_command(path, error);
    return config;
}

/* ---- --dry-run ---- */

/* Names everything that is wrong with a configuration that could not be loaded; a single problem is
 * the error, unless there is one that is not of the input. */
static void name_problems(const struct config_problems *problems, struct log *log,
                          struct error *error)
{
    if (problems->count == 1 && error->kind == ERROR_INPUT) {
        fail_input(error, "%s", problems->messages[0]);
        return;
    }
    for (size_t i = 0; i < problems->count; i++)
        log_line(log, "%s", problems->messages[i]);
}

static bool check_disk(const struct dry_run *trial, const char *output, struct error *error)
{
    return trial->disk_bytes <= trial->free_bytes ||
           fail_work(error,
                     "%s will need up to %s of disk, but %s are free; expected more room, or a "
                     "smaller train.keep_checkpoints",
                     output, format_bytes(trial->disk_bytes).text,
                     format_bytes(trial->free_bytes).text);
}

static void print_trial(const struct dry_run *trial)
{
    printf("training    about %s: %s at %s tokens/s\n", format_duration(trial->seconds).text,
           format_number_of((unsigned long long)trial->steps, "step").text,
           format_count((unsigned long long)trial->tokens_per_second).text);
    if (trial->evaluations)
        printf("            with %s of %s\n",
               format_number_of((unsigned long long)trial->evaluations, "evaluation").text,
               format_duration(trial->evaluation_seconds).text);
    printf("disk        up to %s: %s of data, %s a checkpoint\n",
           format_bytes(trial->disk_bytes).text, format_bytes(trial->data_bytes).text,
           format_bytes(trial->checkpoint_bytes).text);
    if (trial->free_bytes != UINT64_MAX)
        printf("            %s are free\n", format_bytes(trial->free_bytes).text);
}

static bool try_config(const char *path, const struct string_list *settings, struct error *error)
{
    struct log log = log_open(stderr);
    struct config_problems problems = {0};
    struct dry_run trial;
    struct run_config *config = run_config_load_noting(&run_config_schema, path, settings->items,
                                                       settings->count, &problems, &log, error);
    bool done = config != NULL;
    if (!done && !name_other_command(path, error))
        name_problems(&problems, &log, error);
    if (done) {
        log_line(&log, "dry run: everything is written to a scratch directory and removed again");
        done = dry_run(config, &trial, &log, error) && check_disk(&trial, config->output, error);
    }
    log_end_live(&log);
    if (done)
        print_trial(&trial);
    config_problems_free(&problems);
    run_config_free(config);
    return done && command_finish_output(error);
}

/* ---- training ---- */

static bool train_config(const char *path, const struct string_list *settings, bool resume,
                         struct process_group *group, struct error *error)
{
    struct log log = {0}; /* what is said to the user, rank 0 says */
    struct buffer command = {0};
    if (process_group_leads(group))
        log = log_open(stderr);
    struct run_config *config = load(path, settings, &log, error);
    bool done = config && resume_command_print(&command, "train", path, settings, error);
    const struct train_options options = {
        .resume = resume, .group = group, .catch_signals = true, .resume_command = command.data};
    done = process_group_agree(group, done, error);
    if (done)
        process_group_set_time_limit(group, config->train.rank_timeout);
    done = done && train(config, &options, NULL, &log, error);
    log_end_live(&log);
    buffer_free(&command);
    run_config_free(config);
    return done;
}

/* Trains, with the other processes if this is one of several. */
static bool train_together(const struct command *command, const char *path,
                           const struct string_list *settings, bool resume, struct error *error)
{
    struct process_group *group;
    bool done = process_group_open(&group, error);
    done = done && train_config(path, settings, resume, group, error);
    command_leave_group(command, group, error);
    return done;
}

static bool run_train(const struct command *command, int argc, char **argv, struct error *error)
{
    bool resume = false, dry = false, helped;
    struct string_list settings = {0}, operands = {0};
    const struct option_spec options[] = {
        {"set", OPTION_REPEATED, &settings, "KEY=VALUE", "override a key of the file", 0, 0},
        {"resume", OPTION_FLAG, &resume, NULL, "continue from the latest checkpoint", 0, 0},
        {"dry-run", OPTION_FLAG, &dry, NULL, "try three steps and say how long all will take", 0,
         0},
    };
    bool done = command_parse(command, options, sizeof options / sizeof *options, argc, argv,
                              &operands, 1, 1, &helped, error);
    if (done && !helped && dry && resume)
        done = fail_input(error, "--dry-run tries a run that has not started: remove --resume");
    else if (done && !helped && dry && launch_is_of_several())
        done = command_fail_together(error, "--dry-run tries one process");
    else if (done && !helped && dry)
        done = try_config(operands.items[0], &settings, error);
    else if (done && !helped)
        done = train_together(command, operands.items[0], &settings, resume, error);
    string_list_free(&settings);
    string_list_free(&operands);
    return done;
}

const struct command command_train = {
    .name = "train",
    .arguments = "CONFIG [--set KEY=VALUE]... [--resume | --dry-run]",
    .summary = "train a model from text, as the configuration says",
    .details = "Trains the vocabulary and prepares the data if they are missing or out of date,\n"
               "then pre-trains, evaluates and saves checkpoints in the run directory (output).\n"
               "'cloze config CONFIG' prints every key with its value; 'cloze config --help'\n"
               "explains them.\n"
               "\n"
               "Each log line shows averages since the previous one: MLM loss and accuracy, NSP\n"
               "loss and accuracy, then the learning rate, the gradient norm, tokens per second\n"
               "and the time left. metrics.jsonl has the same numbers.\n"
               "\n"
               "--dry-run names everything that is wrong in the configuration at once, then\n"
               "prepares the data, takes three steps, evaluates and saves, all in a scratch\n"
               "directory that it removes, and prints how long the run will take and how much\n"
               "disk it needs.\n"
               "\n"
               "Ctrl-C saves a checkpoint and ends with status 130; a second one quits at once.\n"
               "SIGTERM, SIGUSR1 and a closed window (SIGHUP) save too. One of these signals that\n"
               "is ignored when the program starts, as under nohup, stays ignored.\n",
    .examples = "# Name everything that is wrong, and say how long it will take\n"
                "cloze train run.yaml --dry-run\n"
                "# Train, and continue after an interruption\n"
                "cloze train run.yaml\n"
                "cloze train run.yaml --resume\n"
                "# The same with another seed, in a run directory of its own\n"
                "cloze train run.yaml --set seed=2 --set output=runs/second\n",
    .schemas = {&run_config_schema},
    .run = run_train,
    .together = true,
};
