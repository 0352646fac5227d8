#include "cli/help.h"

#include "base/log.h"
#include "base/wrap.h"
#include "cli/help_text.h"

#include <stdio.h>
#include <string.h>

enum { OPTION_COLUMN = 29 };

bool help_print_entry(struct buffer *out, const char *name, const char *meaning, int column,
                      struct error *error)
{
    const bool fits = (int)strlen(name) + 3 <= column;
    return buffer_print(out, error, "  %s", name) &&
           buffer_print(out, error, "%s%*s", fits ? "" : "\n",
                        fits ? column - 2 - (int)strlen(name) : column, "") &&
           wrap_words(out, meaning, column, column, LOG_WIDTH, error) &&
           buffer_print(out, error, "\n");
}

static bool put_option(struct buffer *out, const struct option_spec *option, struct error *error)
{
    char name[128];
    snprintf(name, sizeof name, "--%s%s%s%s", option->name, option->metavar ? " " : "",
             option->metavar ? option->metavar : "", option->kind == OPTION_LIST ? "..." : "");
    return help_print_entry(out, name, option->help, OPTION_COLUMN, error);
}

static bool put_options(struct buffer *out, const struct option_spec *options, size_t count,
                        struct error *error)
{
    if (!buffer_print(out, error, "\noptions:\n"))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!put_option(out, &options[i], error))
            return false;
    return help_print_entry(out, "--help", "print this help", OPTION_COLUMN, error);
}

static bool put_examples(struct buffer *out, const char *examples, struct error *error)
{
    if (!buffer_print(out, error, "\nexamples:\n"))
        return false;
    for (const char *line = examples; *line; line += strcspn(line, "\n") + 1)
        if (!buffer_print(out, error, "  %.*s\n", (int)strcspn(line, "\n"), line))
            return false;
    return true;
}

static bool put_help(struct buffer *out, const struct command *command,
                     const struct option_spec *options, size_t count, struct error *error)
{
    const int usage = (int)strlen("usage: cloze  ") + (int)strlen(command->name);
    return buffer_print(out, error, "cloze %s: %s\n\nusage: cloze %s ", command->name,
                        command->summary, command->name) &&
           wrap_words(out, command->arguments, usage, (int)strlen("usage: "), LOG_WIDTH, error) &&
           buffer_print(out, error, "\n\n") && help_text_print(out, command->details, error) &&
           put_options(out, options, count, error) && put_examples(out, command->examples, error) &&
           (!command->print_more_help || command->print_more_help(out, error));
}

bool help_print(const struct command *command, const struct option_spec *options,
                size_t option_count, struct error *error)
{
    struct buffer text = {0};
    const bool done = put_help(&text, command, options, option_count, error);
    if (done)
        fwrite(text.data, 1, text.size, stdout);
    buffer_free(&text);
    return done && command_finish_output(error);
}
