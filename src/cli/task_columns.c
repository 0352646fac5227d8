#include "cli/task_columns.h"

#include "base/file.h"
#include "checkpoint/training_state.h"
#include "config/config_yaml.h"

#include <stdlib.h>
#include <string.h>

static const struct labelled_names option_names = {.text = "--text",
                                                   .text_pair = "--text-pair",
                                                   .label = "--label",
                                                   .format = "--format",
                                                   .no_header = "--no-header"};

static bool copy_text(char **out, const struct config_node *task, const char *key,
                      struct error *error)
{
    const struct config_node *node = config_node_find(task, key);
    if (!node || !node->text)
        return true;
    *out = strdup(node->text);
    return *out || fail_work(error, "out of memory reading the configuration of the run");
}

/* Returns the format of a name; LABELLED_BY_ENDING if there is none. */
static enum labelled_format format_named(const char *name)
{
    for (int i = LABELLED_TSV; labelled_format_names[i]; i++)
        if (strcmp(name, labelled_format_names[i]) == 0)
            return (enum labelled_format)i;
    return LABELLED_BY_ENDING;
}

static bool read_task(struct task_columns *columns, const struct config_node *task,
                      struct error *error)
{
    const struct config_node *header = config_node_find(task, "header");
    const struct config_node *format = config_node_find(task, "format");
    if (format && format->text)
        columns->settings.otherwise = format_named(format->text);
    columns->settings.header = !(header && header->text && strcmp(header->text, "false") == 0);
    return copy_text(&columns->text, task, "text", error) &&
           copy_text(&columns->text_pair, task, "text_pair", error) &&
           copy_text(&columns->label, task, "label", error);
}

static bool read_recorded(struct task_columns *columns, const char *directory, struct error *error)
{
    const struct config_source source = {TRAINING_STATE_FILE, "/", .lines = false};
    struct training_state state;
    struct config_node root;
    if (!training_state_read(directory, &state, error))
        return false;
    bool done = config_yaml_read(state.config, strlen(state.config), &source, &root, error);
    if (done) {
        done = read_task(columns, config_node_find(&root, "task"), error);
        config_node_free(&root);
    }
    training_state_free(&state);
    return done;
}

static bool read_format(const char *name, enum labelled_format *format, struct error *error)
{
    *format = format_named(name);
    return *format ||
           fail_input(error, "--format: found \"%s\", expected tsv, csv, jsonl, conll or txt",
                      name);
}

bool task_columns_find(struct task_columns *columns, const char *directory,
                       const struct head_list *heads, const struct task_column_options *options,
                       struct error *error)
{
    struct labelled_settings *settings = &columns->settings;
    char *path = path_join(directory, TRAINING_STATE_FILE, error);
    settings->header = true;
    const bool done = path && (!path_exists(path) || read_recorded(columns, directory, error)) &&
                      (!options->format || read_format(options->format, &settings->format, error));
    free(path);
    settings->kind = heads->task;
    settings->header = settings->header && !options->no_header;
    settings->text = options->text ? options->text : columns->text;
    settings->text_pair = options->text_pair ? options->text_pair : columns->text_pair;
    settings->label = options->label ? options->label : columns->label;
    settings->labels = options->label ? LABELS_REQUIRED : LABELS_OPTIONAL;
    settings->names = &option_names;
    return done;
}

void task_columns_free(struct task_columns *columns)
{
    free(columns->text);
    free(columns->text_pair);
    free(columns->label);
    *columns = (struct task_columns){0};
}
