/* cloze finetune: the parameters of a model in another task. */

#include "train/finetune.h"
#include "cli/resume_command.h"

#include <stdio.h>

static bool print_table(const struct finetune_results *results, const char *metric,
                        struct error *error)
{
    const struct finetune_summary summary = finetune_summarize(results);
    printf("%s on the held-out examples\n", metric);
    for (size_t i = 0; i < results->count; i++) {
        const struct seed_result *seed = &results->seeds[i];
        printf("  seed %-8lld %s, step %lld\n", (long long)seed->seed,
               task_score_format(&seed->result.score).text, (long long)seed->result.step);
    }
    if (results->count > 1)
        printf("  mean          %s\n", task_score_format(&summary.mean).text);
    if (summary.has_spread)
        printf("  spread        %.4f\n", summary.spread);
    return command_finish_output(error);
}

static bool finetune_config(const char *path, const struct string_list *settings, bool resume,
                            bool json, struct error *error)
{
    struct log log = log_open(stderr);
    struct buffer command = {0};
    struct finetune_results results = {0};
    struct run_config *config =
        run_config_load(&task_config_schema, path, settings->items, settings->count, &log, error);
    bool done = config && resume_command_print(&command, "finetune", path, settings, error);
    const struct train_options options = {
        .resume = resume, .catch_signals = true, .resume_command = command.data};
    done = done && finetune(config, &options, &results, &log, error);
    log_end_live(&log);
    if (done) {
        const char *metric = task_metric_names[run_config_metric(config)];
        done = json ? command_print_json(finetune_results_json(&results, metric), error)
                    : print_table(&results, metric, error);
    }
    finetune_results_free(&results);
    buffer_free(&command);
    run_config_free(config);
    return done;
}

static bool run(const struct command *command, int argc, char **argv, struct error *error)
{
    bool resume = false, json = false, helped;
    struct string_list settings = {0}, operands = {0};
    const struct option_spec options[] = {
        {"set", OPTION_REPEATED, &settings, "KEY=VALUE", "override a key of the file", 0, 0},
        {"resume", OPTION_FLAG, &resume, NULL, "continue from the latest checkpoint", 0, 0},
        {"json", OPTION_FLAG, &json, NULL, "print the results as one JSON object", 0, 0},
    };
    bool done = command_parse(command, options, sizeof options / sizeof *options, argc, argv,
                              &operands, 1, 1, &helped, error);
    if (done && !helped)
        done = finetune_config(operands.items[0], &settings, resume, json, error);
    string_list_free(&settings);
    string_list_free(&operands);
    return done;
}

const struct command command_finetune = {
    .name = "finetune",
    .arguments = "CONFIG [--set KEY=VALUE]... [--resume] [--json]",
    .summary = "train a model for a task: to classify, rate or label text",
    .details = "Reads labelled texts (task.train), trains the model of model.init_from or a new\n"
               "one to predict the labels, and measures it on held-out texts (task.valid).\n"
               "'cloze config CONFIG' prints every key with its value; 'cloze config --help'\n"
               "explains them; docs/your-own-task.md has an example of each kind.\n"
               "\n"
               "A configuration:\n"
               "\n"
               "  output: runs/sst2\n"
               "  model: {init_from: runs/mini}\n"
               "  task:\n"
               "    train: [train.tsv]\n"
               "    valid: [dev.tsv]\n"
               "    text: sentence\n"
               "    label: label\n"
               "  train: {epochs: 3, learning_rate: 5e-5, seeds: [1, 2, 3]}\n"
               "\n"
               "The run directory (output) is one as of 'cloze train': checkpoints are model\n"
               "directories, checkpoints/best is the one with the best metric, and an interrupted\n"
               "run goes on with --resume. predictions.tsv has what that model says of the\n"
               "held-out texts. With several seeds there is a run directory seed-N for each,\n"
               "and the link best to the best of them.\n",
    .examples = "# Train for the task, and continue after an interruption\n"
                "cloze finetune reviews.yaml\n"
                "cloze finetune reviews.yaml --resume\n"
                "# The mean and the spread of three seeds\n"
                "cloze finetune reviews.yaml --set output=runs/three \\\n"
                "    --set \"train.seeds=[1, 2, 3]\"\n",
    .schemas = {&task_config_schema},
    .run = run,
};
