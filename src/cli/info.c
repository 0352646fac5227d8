/* cloze info builds its report as one JSON object and prints it as JSON or as text. */

#include "base/file.h"
#include "base/format.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/model_directory.h"
#include "cli/command.h"
#include "model/huggingface.h"
#include "model/model.h"
#include "text/tokenizer.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- problems ---- */

/* A path may have bytes that are not UTF-8, and messages name paths. */
static json_t *text_of(const char *text)
{
    return json_text(text, strlen(text));
}

/* Adds the error to the report's list of problems and clears it. */
static void add_problem(json_t *report, struct error *problem)
{
    json_array_append_new(json_object_get(report, "problems"), text_of(problem->message));
    *problem = (struct error){0};
}

static bool has_problems(const json_t *report)
{
    return json_array_size(json_object_get(report, "problems")) > 0;
}

/* ---- the architecture and the numbers ---- */

static json_t *architecture_json(const struct model_config *config)
{
    return json_pack("{s:i, s:i, s:i, s:i, s:s, s:i, s:i, s:i}", "hidden_size", config->hidden_size,
                     "num_hidden_layers", config->num_hidden_layers, "num_attention_heads",
                     config->num_attention_heads, "intermediate_size", config->intermediate_size,
                     "hidden_act", config->hidden_act, "max_position_embeddings",
                     config->max_position_embeddings, "type_vocab_size", config->type_vocab_size,
                     "vocab_size", config->vocab_size);
}

static void add_labels(json_t *report, const struct model_config *config)
{
    if (!config->heads->labelled)
        return;
    json_t *labels = json_array();
    for (int i = 0; i < config->labels.count; i++)
        json_array_append_new(labels, json_string(config->labels.names[i]));
    json_object_set_new(report, "task", json_string(task_kind_names[config->heads->task]));
    json_object_set_new(report, "labels", labels);
}

/* Returns the number of elements of the groups that the files hold. */
static uint64_t count_parameters(const struct parameter_table *table, unsigned missing_groups)
{
    uint64_t count = 0;
    for (int i = 0; i < table->count; i++)
        if (!(missing_groups & 1u << table->list[i].group))
            count += parameter_elements(&table->list[i]);
    return count;
}

static json_t *groups_json(unsigned groups)
{
    json_t *names = json_array();
    for (enum parameter_group group = 0; group < GROUP_COUNT; group++)
        if (groups & 1u << group)
            json_array_append_new(names, json_string(parameter_group_key(group)));
    return names;
}

/* Describes the parameters. They are loaded, because only that shows that they are complete and
 * finite. */
static bool describe_parameters(json_t *report, const char *directory,
                                const struct model_config *config, struct error *error)
{
    struct model *model = model_create(config, error);
    if (!model)
        return false;
    struct huggingface_missing missing;
    struct error problem = {0};
    if (huggingface_load_parameters(directory, &model->table, 0, model->parameters.values, &missing,
                                    &problem)) {
        uint64_t count = count_parameters(&model->table, missing.groups);
        json_object_set_new(report, "parameters", json_integer((json_int_t)count));
        const unsigned groups = ~huggingface_absent_groups(model, &missing);
        json_object_set_new(report, "parts", groups_json(groups));
        json_object_set_new(report, "untrained", groups_json(config->untrained_groups & groups));
    } else {
        add_problem(report, &problem);
    }
    model_free(model);
    return true;
}

static bool describe_model(json_t *report, const char *directory, struct error *error)
{
    char *path = path_join(directory, "config.json", error);
    struct model_config config;
    struct error problem = {0};
    bool done = path;
    if (path && model_config_load(path, &config, &problem)) {
        json_object_set_new(report, "architecture", architecture_json(&config));
        add_labels(report, &config);
        int length;
        if (tokenizer_max_length(directory, config.max_position_embeddings, &length, &problem))
            json_object_set_new(report, "trained_length", json_integer(length));
        else
            add_problem(report, &problem);
        /* Damaged files have already been reported; loading would only report them again. */
        done = has_problems(report) || describe_parameters(report, directory, &config, error);
        model_config_free(&config);
    } else if (path) {
        add_problem(report, &problem);
    }
    free(path);
    return done;
}

/* ---- files ---- */

static void add_file(json_t *report, const char *name, uint64_t size, const char *status)
{
    json_array_append_new(json_object_get(report, "files"),
                          json_pack("{s:o, s:I, s:s}", "name", text_of(name), "size",
                                    (json_int_t)size, "status", status));
}

static void describe_state(json_t *report, const struct training_state *state)
{
    json_t *training = json_pack("{s:I, s:I, s:f, s:I, s:I, s:s}", "step", (json_int_t)state->step,
                                 "tokens", (json_int_t)state->tokens, "seconds", state->seconds,
                                 "seed", (json_int_t)state->seed, "phase", (json_int_t)state->phase,
                                 "cloze_version", state->cloze_version);
    if (state->best_step >= 0) {
        json_object_set_new(training, "best_step", json_integer(state->best_step));
        json_object_set_new(training, state->best_is_metric ? "best_metric" : "best_mlm_loss",
                            json_real(state->best_score));
    }
    json_object_set_new(report, "training", training);
}

static void describe_checkpoint(json_t *report, const char *directory)
{
    struct training_state state;
    struct error problem = {0};
    if (!training_state_read(directory, &state, &problem)) {
        add_problem(report, &problem);
        return;
    }
    describe_state(report, &state);
    for (size_t i = 0; i < state.file_count; i++) {
        const struct checkpoint_file *file = &state.files[i];
        bool intact = checkpoint_file_verify(directory, file, &problem);
        add_file(report, file->name, file->size, intact ? "intact" : "damaged");
        if (!intact)
            add_problem(report, &problem);
    }
    training_state_free(&state);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Describes the files of a directory that has no checksums. */
static bool describe_plain_files(json_t *report, const char *directory, struct error *error)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, is_visible, alphasort);
    if (count < 0)
        return fail_path(error, errno, directory, "read the directory");
    bool done = true;
    for (int i = 0; i < count; i++) {
        char *path = done ? path_join(directory, entries[i]->d_name, error) : NULL;
        struct stat status;
        done = path;
        if (path && stat(path, &status) == 0 && S_ISREG(status.st_mode))
            add_file(report, entries[i]->d_name, (uint64_t)status.st_size, "no checksum");
        free(path);
        free(entries[i]);
    }
    free(entries);
    return done;
}

static bool describe_files(json_t *report, const char *directory, struct error *error)
{
    char *path = path_join(directory, TRAINING_STATE_FILE, error);
    if (!path)
        return false;
    bool checkpoint = path_exists(path);
    free(path);
    json_object_set_new(report, "files", json_array());
    if (!checkpoint)
        return describe_plain_files(report, directory, error);
    describe_checkpoint(report, directory);
    return true;
}

/* ---- a run directory ---- */

static bool describe_run(json_t *report, const char *run_directory, struct error *error)
{
    int64_t *steps;
    size_t count;
    if (!checkpoint_list(run_directory, &steps, &count, error))
        return false;
    json_t *checkpoints = json_array();
    json_object_set_new(report, "checkpoints", checkpoints);
    bool done = true;
    for (size_t i = 0; done && i < count; i++) {
        struct error problem = {0};
        char *path = checkpoint_path(run_directory, steps[i], error);
        done = path;
        bool intact = path && checkpoint_verify(path, &problem);
        if (done)
            json_array_append_new(checkpoints, json_pack("{s:I, s:b}", "step", (json_int_t)steps[i],
                                                         "intact", intact));
        if (done && !intact)
            add_problem(report, &problem);
        free(path);
    }
    free(steps);
    return done;
}

/* ---- the report ---- */

static bool describe(json_t *report, const char *path, struct error *error)
{
    struct log log = log_open(stderr);
    char *run, *directory = model_directory_resolve(path, &run, &log, error);
    if (!directory)
        return false;
    json_object_set_new(report, "directory", text_of(directory));
    json_object_set_new(report, "problems", json_array());
    bool done = describe_files(report, directory, error) &&
                describe_model(report, directory, error) &&
                (!run || describe_run(report, run, error));
    free(run);
    free(directory);
    return done;
}

/* ---- printing ---- */

static json_int_t integer_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static struct text32 count_of(const json_t *object, const char *key)
{
    return format_count((unsigned long long)integer_of(object, key));
}

static void print_architecture(const json_t *report)
{
    const json_t *a = json_object_get(report, "architecture");
    if (!a)
        return;
    printf("architecture     %" JSON_INTEGER_FORMAT " layers, hidden size %" JSON_INTEGER_FORMAT
           ", %" JSON_INTEGER_FORMAT " heads, intermediate size %" JSON_INTEGER_FORMAT "\n",
           integer_of(a, "num_hidden_layers"), integer_of(a, "hidden_size"),
           integer_of(a, "num_attention_heads"), integer_of(a, "intermediate_size"));
    printf("activation       %s\n", json_string_value(json_object_get(a, "hidden_act")));
    printf("positions        %s", count_of(a, "max_position_embeddings").text);
    if (integer_of(report, "trained_length") < integer_of(a, "max_position_embeddings"))
        printf(", %s trained", count_of(report, "trained_length").text);
    printf("\n");
    printf("vocabulary       %s\n", count_of(a, "vocab_size").text);
}

static void print_labels(const json_t *report)
{
    enum { SHOWN = 20 };
    const json_t *labels = json_object_get(report, "labels");
    size_t i;
    const json_t *name;
    if (!labels)
        return;
    printf("predicts         %s:", json_string_value(json_object_get(report, "task")));
    json_array_foreach (labels, i, name)
        if (i < SHOWN)
            printf("%s %s", i ? "," : "", json_string_value(name));
    if (json_array_size(labels) > SHOWN)
        printf(" and %zu more", json_array_size(labels) - SHOWN);
    printf("\n");
}

static void print_names(const json_t *names)
{
    size_t i;
    const json_t *name;
    json_array_foreach (names, i, name)
        printf("%s %s", i ? "," : "", json_string_value(name));
    printf("\n");
}

static void print_parameters(const json_t *report)
{
    const json_t *untrained = json_object_get(report, "untrained");
    if (!json_object_get(report, "parts"))
        return;
    printf("parameters       %s in", count_of(report, "parameters").text);
    print_names(json_object_get(report, "parts"));
    if (json_array_size(untrained)) {
        printf("never trained   ");
        print_names(untrained);
    }
}

static void print_training(const json_t *report)
{
    const json_t *training = json_object_get(report, "training");
    if (!training)
        return;
    printf("step             %s\n", count_of(training, "step").text);
    printf("tokens           %s\n", count_of(training, "tokens").text);
    printf("time             %s\n",
           format_duration(json_real_value(json_object_get(training, "seconds"))).text);
    const json_t *loss = json_object_get(training, "best_mlm_loss");
    const json_t *metric = json_object_get(training, "best_metric");
    if (loss || metric)
        printf("best evaluation  step %s, %s %.4f\n", count_of(training, "best_step").text,
               loss ? "MLM loss" : "metric", json_real_value(loss ? loss : metric));
    printf("written by       cloze %s\n",
           json_string_value(json_object_get(training, "cloze_version")));
}

static void print_files(const json_t *report)
{
    size_t i;
    const json_t *file;
    printf("files\n");
    json_array_foreach (json_object_get(report, "files"), i, file)
        printf("  %-26s %10s  %s\n", json_string_value(json_object_get(file, "name")),
               format_bytes((unsigned long long)integer_of(file, "size")).text,
               json_string_value(json_object_get(file, "status")));
}

static void print_checkpoints(const json_t *report)
{
    const json_t *checkpoints = json_object_get(report, "checkpoints");
    if (!checkpoints)
        return;
    size_t i;
    const json_t *checkpoint;
    printf("checkpoints\n");
    json_array_foreach (checkpoints, i, checkpoint)
        printf("  step %-12s %s\n", count_of(checkpoint, "step").text,
               json_is_true(json_object_get(checkpoint, "intact")) ? "intact" : "damaged");
}

static void print_report(const json_t *report)
{
    printf("directory        %s\n", json_string_value(json_object_get(report, "directory")));
    print_architecture(report);
    print_labels(report);
    print_parameters(report);
    print_training(report);
    print_files(report);
    print_checkpoints(report);
}

/* Makes the problems the command's error; the report has already been printed. */
static bool fail_problems(const json_t *report, struct error *error)
{
    const json_t *problems = json_object_get(report, "problems");
    size_t count = json_array_size(problems);
    if (!count)
        return true;
    const char *first = json_string_value(json_array_get(problems, 0));
    if (count == 1)
        return fail_input(error, "%s", first);
    return fail_input(error, "%zu problems; the first: %s", count, first);
}

static bool report_on(const char *path, bool json, struct error *error)
{
    json_t *report = json_object();
    bool done = describe(report, path, error);
    if (done && json)
        done = command_print_json(json_incref(report), error);
    else if (done)
        print_report(report);
    done = done && command_finish_output(error) && fail_problems(report, error);
    json_decref(report);
    return done;
}

static bool info(const struct command *command, int argc, char **argv, struct error *error)
{
    bool json = false, helped;
    struct string_list operands = {0};
    const struct option_spec options[] = {
        {"json", OPTION_FLAG, &json, NULL, "print one JSON object", 0, 0},
    };
    bool done = command_parse(command, options, sizeof options / sizeof *options, argc, argv,
                              &operands, 1, 1, &helped, error);
    if (done && !helped)
        done = report_on(operands.items[0], json, error);
    string_list_free(&operands);
    return done;
}

const struct command command_info = {
    .name = "info",
    .arguments = "MODEL [--json]",
    .summary = "show what is in a model or run directory and verify its checksums",
    .details =
        "MODEL is a model directory, a checkpoint, or a run directory (then its latest\n"
        "checkpoint, of a fine-tuning run its best, and the list of all). The parameters are\n"
        "loaded and, in checkpoints, every file is compared with its checksum; damage is an\n"
        "error.\n",
    .examples = "# The size, the training and the checkpoints of a run\n"
                "cloze info runs/mine\n"
                "# Verify a checkpoint in a script\n"
                "cloze info runs/mine/checkpoints/latest --json\n",
    .run = info,
};
