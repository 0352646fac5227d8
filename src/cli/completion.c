#include "cli/completion.h"

#include "base/affix.h"
#include "cli/commands.h"
#include "cli/model_paths.h"
#include "config/config_schema.h"

#include <stdio.h>
#include <string.h>

/* A command line after the command's name. */
struct request {
    char **words; /* [count] and `typed` */
    int count;
    const char *typed; /* the word to be completed */
    struct buffer *out;
};

/* ---- words ---- */

static bool put_kind(struct buffer *out, const char *kind, struct error *error)
{
    return buffer_print(out, error, "%s\n", kind);
}

/* Appends the word that consists of the three parts if it continues `typed`. */
static bool offer(struct buffer *out, const char *typed, const char *before, const char *text,
                  const char *after, const char *meaning, struct error *error)
{
    const size_t size = out->size;
    if (!buffer_print(out, error, "%s%s%s", before, text, after))
        return false;
    if (begins_with(out->data + size, typed))
        return buffer_print(out, error, "\t%s\n", meaning);
    out->size = size;
    return true;
}

static bool offer_commands(struct buffer *out, const char *typed, struct error *error)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (!offer(out, typed, "", commands[i]->name, "", commands[i]->summary, error))
            return false;
    return true;
}

/* The first word: a command or an option of the program. */
static bool complete_first(struct buffer *out, const char *typed, struct error *error)
{
    if (!put_kind(out, "words", error) || !offer_commands(out, typed, error) ||
        !offer(out, typed, "", "help", "", "explain a command", error))
        return false;
    for (size_t i = 0; *typed == '-' && i < PROGRAM_OPTION_COUNT; i++)
        if (!offer(out, typed, "", program_options[i].name, "", program_options[i].help, error))
            return false;
    return true;
}

/* ---- values: `before` is the part of the word in front of the value ---- */

/* Offers "a", "b" and "c" of "a|b|c". */
static bool offer_choices(struct buffer *out, const char *typed, const char *before,
                          const char *choices, struct error *error)
{
    for (size_t size; *choices; choices += size + (choices[size] == '|')) {
        char choice[64];
        size = strcspn(choices, "|");
        snprintf(choice, sizeof choice, "%.*s", (int)size, choices);
        if (!offer(out, typed, before, choice, "", "", error))
            return false;
    }
    return true;
}

static bool complete_key(const struct request *request, const struct command *command,
                         const char *before, struct error *error)
{
    const struct config_schema *first = command->schemas[0], *second = command->schemas[1];
    if (!put_kind(request->out, "words", error))
        return false;
    for (int i = 0; i < 2 && command->schemas[i]; i++)
        for (size_t j = 0; j < command->schemas[i]->count; j++) {
            const struct config_key *key = &command->schemas[i]->keys[j];
            const bool again = command->schemas[i] == second && config_key_find(first, key->path);
            if (!again &&
                !offer(request->out, request->typed, before, key->path, "=", key->help, error))
                return false;
        }
    return true;
}

/* Returns the key of "KEY=VALUE", `size` bytes of it; NULL if there is none. */
static const struct config_key *find_key(const struct command *command, const char *text,
                                         size_t size)
{
    char path[128];
    const struct config_key *key = NULL;
    snprintf(path, sizeof path, "%.*s", (int)size, text);
    for (int i = 0; i < 2 && command->schemas[i] && !key; i++)
        key = config_key_find(command->schemas[i], path);
    return key;
}

static bool complete_key_value(const struct request *request, const struct config_key *key,
                               size_t before_size, struct error *error)
{
    static const char *const truth[] = {"false", "true", NULL};
    const char *const *choices = key->type == CONFIG_BOOL ? truth : key->choices;
    char before[256];
    snprintf(before, sizeof before, "%.*s", (int)before_size, request->typed);
    if (key->type == CONFIG_PATH || key->type == CONFIG_PATHS)
        return put_kind(request->out, "files", error);
    if (!put_kind(request->out, "words", error))
        return false;
    for (; choices && *choices; choices++)
        if (**choices && !offer(request->out, request->typed, before, *choices, "", "", error))
            return false;
    return true;
}

/* Completes "KEY=VALUE", which begins at `setting` in the word. */
static bool complete_setting(const struct request *request, const struct command *command,
                             const char *setting, const char *before, struct error *error)
{
    const char *equals = strchr(setting, '=');
    if (!equals)
        return complete_key(request, command, before, error);
    const struct config_key *key = find_key(command, setting, (size_t)(equals - setting));
    return !key || complete_key_value(request, key, (size_t)(equals + 1 - request->typed), error);
}

/* Returns whether one of the names that end in NULL is this one. */
static bool is_one_of(const char *name, const char *const *names)
{
    while (*names && strcmp(name, *names) != 0)
        names++;
    return *names;
}

/* Completes what stands for `metavar` and begins at `value` in the word; `before` is what precedes
 * it. Appends nothing for a number or a text. */
static bool complete_value(const struct request *request, const struct command *command,
                           const char *metavar, const char *value, const char *before,
                           struct error *error)
{
    static const char *const files[] = {"FILE", "CONFIG", "OLD", NULL};
    static const char *const models[] = {"MODEL", "RUN", NULL};
    struct buffer *out = request->out;
    if (strchr(metavar, '|'))
        return put_kind(out, "words", error) &&
               offer_choices(out, request->typed, before, metavar, error);
    if (strcmp(metavar, "KEY=VALUE") == 0)
        return complete_setting(request, command, value, before, error);
    if (is_one_of(metavar, files))
        return put_kind(out, "files", error);
    if (is_one_of(metavar, models))
        return put_kind(out, "directories", error) && model_paths_print(out, before, value, error);
    return strcmp(metavar, "DIR") != 0 || put_kind(out, "directories", error);
}

/* ---- the place of the word in the command line ---- */

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] == '-' && word[2];
}

static const struct option_spec *find_option(const struct option_spec *options, size_t count,
                                             const char *word)
{
    return option_find(options, count, word + 2, strcspn(word + 2, "="));
}

struct place {
    const struct option_spec *option; /* the one whose value may come; NULL: an operand */
    size_t operands;                  /* that precede it */
    bool options_ended;
};

static struct place find_place(const struct request *request, const struct option_spec *options,
                               size_t count)
{
    struct place place = {0};
    for (int i = 0; i < request->count; i++) {
        const char *word = request->words[i];
        if (place.options_ended || (!place.option && word[0] != '-')) {
            place.operands++;
        } else if (strcmp(word, "--") == 0) {
            place = (struct place){NULL, place.operands, true};
        } else if (is_option(word)) {
            place.option = find_option(options, count, word);
            if (place.option && (place.option->kind == OPTION_FLAG ||
                                 (strchr(word, '=') && place.option->kind != OPTION_LIST)))
                place.option = NULL;
        } else if (place.option && place.option->kind != OPTION_LIST) {
            place.option = NULL;
        }
    }
    return place;
}

/* Copies the name of an operand of the usage line, counted from 0, such as "MODEL"; false if there
 * are not so many. One that ends in "..." is all that follow it. */
static bool find_operand(const struct command *command, const struct option_spec *options,
                         size_t count, size_t operand, char name[64])
{
    static const char around[] = "[]{}|.";
    bool value = false; /* whether the next word is the value of an option */
    for (const char *word = command->arguments; *word; word += strspn(word, " ")) {
        const size_t whole = word[0] == '"' ? strcspn(word + 1, "\"") + 2 : strcspn(word, " ");
        const size_t start = strspn(word, around), size = strcspn(word + start, "]}. ");
        const bool repeated = strncmp(word + start + size, "...", 3) == 0;
        snprintf(name, 64, "%.*s", (int)size, word + start);
        word += whole;
        if (is_option(name)) {
            const struct option_spec *option = find_option(options, count, name);
            value = option && option->kind != OPTION_FLAG;
        } else if (value) {
            value = false;
        } else if (size && (operand-- == 0 || repeated)) {
            return true;
        }
    }
    return false;
}

static bool was_given(const struct request *request, const struct option_spec *option)
{
    for (int i = 0; i < request->count; i++)
        if (is_option(request->words[i]) && find_option(option, 1, request->words[i]))
            return true;
    return false;
}

static bool offer_options(const struct request *request, const struct option_spec *options,
                          size_t count, struct error *error)
{
    if (!put_kind(request->out, "words", error))
        return false;
    for (size_t i = 0; i < count; i++)
        if ((options[i].kind == OPTION_REPEATED || !was_given(request, &options[i])) &&
            !offer(request->out, request->typed, "--", options[i].name, "", options[i].help, error))
            return false;
    return offer(request->out, request->typed, "", "--help", "", "print its help", error);
}

static bool complete_option(const struct request *request, const struct command *command,
                            const struct option_spec *options, size_t count, struct error *error)
{
    char before[128];
    const char *equals = strchr(request->typed, '=');
    if (!equals)
        return offer_options(request, options, count, error);
    const struct option_spec *option = find_option(options, count, request->typed);
    snprintf(before, sizeof before, "%.*s", (int)(equals + 1 - request->typed), request->typed);
    return !option || !option->metavar ||
           complete_value(request, command, option->metavar, equals + 1, before, error);
}

/* Completes the last word of the request, which is for this command. */
static bool complete_word(void *context, const struct command *command,
                          const struct option_spec *options, size_t count, struct error *error)
{
    const struct request *request = context;
    const struct place place = find_place(request, options, count);
    char operand[64];
    const char *metavar = NULL;
    if (!place.options_ended && request->typed[0] == '-')
        return complete_option(request, command, options, count, error);
    if (place.option)
        metavar = place.option->metavar;
    else if (find_operand(command, options, count, place.operands, operand))
        metavar = operand;
    if (metavar && !complete_value(request, command, metavar, request->typed, "", error))
        return false;
    /* Where no file and no value can be offered, options may follow. */
    return metavar || place.options_ended || *request->typed ||
           offer_options(request, options, count, error);
}

static bool complete(int count, char **words, struct buffer *out, struct error *error)
{
    const bool help = strcmp(words[0], "help") == 0;
    const struct command *command = command_find(words[0]);
    struct request request = {words + 1, count - 2, words[count - 1], out};
    const struct option_viewer viewer = {complete_word, &request};
    if (count == 1)
        return complete_first(out, request.typed, error);
    if (help && count == 2)
        return put_kind(out, "words", error) && offer_commands(out, request.typed, error);
    return !command || command_view_options(command, &viewer, error);
}

bool completion_print(int count, char **words, struct error *error)
{
    struct buffer out = {0};
    const bool done = count < 1 || complete(count, words, &out, error);
    if (done && out.size)
        fwrite(out.data, 1, out.size, stdout);
    buffer_free(&out);
    return done && command_finish_output(error);
}
