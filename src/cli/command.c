#include "cli/command.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/min.h"
#include "base/nearest.h"
#include "cli/help.h"
#include "train/process_group.h"
#include "train/process_group_launch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The words of a command line that is being read. */
struct words {
    const struct command *command;
    const struct option_spec *options;
    size_t option_count;
    int argc, next;
    char **argv;
};

static bool string_list_add(struct string_list *list, const char *item, struct error *error)
{
    if (!grow(&list->items, &list->capacity, list->count + 1, sizeof *list->items, error))
        return false;
    list->items[list->count++] = item;
    return true;
}

void string_list_free(struct string_list *list)
{
    free(list->items);
    *list = (struct string_list){0};
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] == '-' && word[2];
}

/* Names an option as it was typed, with one dash or two, perhaps with a value. */
static bool fail_unknown(const struct words *words, const char *typed, struct error *error)
{
    const size_t dashes = typed[1] == '-' ? 2 : 1, size = strcspn(typed + dashes, "=");
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)min_size(size, sizeof name - 1), typed + dashes);
    const char *candidates[32] = {"help"};
    size_t count = 1;
    for (size_t i = 0; i < words->option_count && count < 32; i++)
        candidates[count++] = words->options[i].name;
    const char *nearest = nearest_word(name, candidates, count);
    if (nearest && dashes == 1 && strcmp(nearest, name) == 0)
        return fail_input(error, "unknown option %.100s: options begin with two dashes: --%s",
                          typed, name);
    return fail_input(error, "unknown option %.100s%s%s%s; 'cloze %s --help' lists the options",
                      typed, nearest ? " (did you mean --" : "", nearest ? nearest : "",
                      nearest ? "?)" : "", words->command->name);
}

static bool parse_integer(const struct option_spec *option, const char *word, struct error *error)
{
    char *end;
    errno = 0;
    long long value = strtoll(word, &end, 10);
    bool bounded = option->minimum || option->maximum;
    if (end == word || *end || errno)
        return fail_input(error, "--%s: found \"%s\", expected a whole number", option->name, word);
    if (bounded && (value < option->minimum || value > option->maximum))
        return fail_input(error, "--%s: found %lld, expected a number from %lld to %lld",
                          option->name, value, (long long)option->minimum,
                          (long long)option->maximum);
    *(int64_t *)option->value = value;
    return true;
}

/* Returns the value after "=", or else the next word; NULL and an error if there is none. */
static const char *take_value(struct words *words, const struct option_spec *option,
                              const char *inline_value, struct error *error)
{
    if (inline_value)
        return inline_value;
    if (words->next < words->argc && !is_option(words->argv[words->next]))
        return words->argv[words->next++];
    fail_input(error, "--%s needs %s after it", option->name, option->metavar);
    return NULL;
}

static bool parse_option(struct words *words, const struct option_spec *option,
                         const char *inline_value, struct error *error)
{
    if (option->kind == OPTION_FLAG) {
        if (inline_value)
            return fail_input(error, "--%s takes no value, found \"%s\"", option->name,
                              inline_value);
        *(bool *)option->value = true;
        return true;
    }
    const char *word = take_value(words, option, inline_value, error);
    if (!word)
        return false;
    if (option->kind == OPTION_INTEGER)
        return parse_integer(option, word, error);
    if (option->kind == OPTION_STRING) {
        *(const char **)option->value = word;
        return true;
    }
    struct string_list *list = option->value;
    if (!string_list_add(list, word, error))
        return false;
    while (option->kind == OPTION_LIST && words->next < words->argc &&
           !is_option(words->argv[words->next]))
        if (!string_list_add(list, words->argv[words->next++], error))
            return false;
    return true;
}

const struct option_spec *option_find(const struct option_spec *options, size_t option_count,
                                      const char *name, size_t size)
{
    for (size_t i = 0; i < option_count; i++)
        if (strlen(options[i].name) == size && memcmp(options[i].name, name, size) == 0)
            return &options[i];
    return NULL;
}

/* Parses an option; `word` is "--name" or "--name=value". */
static bool parse_word(struct words *words, const char *word, struct error *error)
{
    const char *name = word + 2, *equals = strchr(name, '=');
    const size_t size = equals ? (size_t)(equals - name) : strlen(name);
    const struct option_spec *option = option_find(words->options, words->option_count, name, size);
    return option ? parse_option(words, option, equals ? equals + 1 : NULL, error)
                  : fail_unknown(words, word, error);
}

bool command_view_options(const struct command *command, const struct option_viewer *viewer,
                          struct error *error)
{
    struct command viewed = *command;
    char no_words[] = "", *argv[] = {no_words, NULL};
    viewed.viewer = viewer;
    return command->run(&viewed, 1, argv, error);
}

bool command_asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static bool check_operands(const struct words *words, const struct string_list *operands,
                           size_t min, size_t max, struct error *error)
{
    if (operands->count >= min && operands->count <= max)
        return true;
    if (operands->count > max)
        return fail_input(error, "unexpected argument \"%s\"; usage: cloze %s %s",
                          operands->items[max], words->command->name, words->command->arguments);
    return fail_input(error, "an argument is missing; usage: cloze %s %s", words->command->name,
                      words->command->arguments);
}

bool command_parse(const struct command *command, const struct option_spec *options,
                   size_t option_count, int argc, char **argv, struct string_list *operands,
                   size_t min, size_t max, bool *helped, struct error *error)
{
    struct words words = {command, options, option_count, argc, 1, argv};
    const struct option_viewer *viewer = command->viewer;
    *helped = viewer || command_asks_for_help(argc, argv);
    if (viewer)
        return viewer->view(viewer->context, command, options, option_count, error);
    if (*helped)
        return help_print(command, options, option_count, error);
    bool options_ended = false;
    while (words.next < argc) {
        const char *word = argv[words.next++];
        if (!options_ended && strcmp(word, "--") == 0)
            options_ended = true;
        else if (!options_ended && is_option(word)) {
            if (!parse_word(&words, word, error))
                return false;
        } else if (!options_ended && word[0] == '-' && word[1])
            return fail_unknown(&words, word, error);
        else if (!string_list_add(operands, word, error))
            return false;
    }
    return check_operands(&words, operands, min, max, error);
}

bool command_print_json(json_t *value, struct error *error)
{
    if (!value)
        return fail_work(error, "out of memory: the output as JSON");
    int status =
        json_dumpf(value, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9) | JSON_ENCODE_ANY);
    json_decref(value);
    putchar('\n');
    return status == 0 || fail_work(error, "cannot write the output as JSON");
}

bool command_finish_output(struct error *error)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        return fail_errno(error, errno, "cannot write the output");
    return true;
}

void command_say_error(const struct command *command, struct error *error)
{
    struct log log = log_open(stderr);
    if (error->message[0] && error->kind == ERROR_INTERRUPTED)
        log_line(&log, "%s", error->message);
    else if (error->message[0])
        log_line(&log, "cloze %s: %s", command->name, error->message);
    error->message[0] = 0;
}

bool command_fail_together(struct error *error, const char *reason)
{
    fail_input(error, "%s; start it without mpirun", reason);
    if (launch_rank() > 0)
        error->message[0] = 0;
    return false;
}

void command_leave_group(const struct command *command, struct process_group *group,
                         struct error *error)
{
    if (group)
        command_say_error(command, error);
    process_group_close(group);
}
