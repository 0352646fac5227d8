/* The parts of every command of the program: a description, a table of options and a function.
 *
 * A command's file defines one `const struct command command_NAME`; src/cli/commands.c lists them.
 * --help, the manual (cli/manual.h) and completion (cli/completion.h) have what they say from
 * there. */
#ifndef CLOZE_CLI_COMMAND_H
#define CLOZE_CLI_COMMAND_H

#include "base/buffer.h"

#include <jansson.h>
#include <stdint.h>

struct config_schema;
struct option_viewer;
struct process_group;

struct command {
    const char *name;
    const char *arguments; /* the end of the usage line: "MODEL --data FILE... [--json]" */
    const char *summary;   /* one line for the list of commands */
    const char *details;   /* what --help says after the usage (cli/help_text.h) */
    const char *examples;  /* command lines, after lines "# What they do"; all end in "\n" and have
                            * at most 66 columns, because others indent them */
    const struct config_schema *schemas[2]; /* whose keys --set takes; NULL: there are no more */
    /* Appends what --help says after the examples; may be NULL. */
    bool (*print_more_help)(struct buffer *out, struct error *error);
    bool (*run)(const struct command *command, int argc, char **argv, struct error *error);
    bool together; /* whether several processes that mpirun has started do it as one */
    const struct option_viewer *viewer; /* only set by command_view_options */
};

/* Strings that belong to argv. */
struct string_list {
    const char **items;
    size_t count, capacity;
};

enum option_kind {
    OPTION_FLAG,     /* bool *: --json */
    OPTION_STRING,   /* const char **: --output FILE */
    OPTION_INTEGER,  /* int64_t *: --size N */
    OPTION_LIST,     /* struct string_list *: --input FILE..., all words up to the next option; may
                      * be repeated */
    OPTION_REPEATED, /* struct string_list *: --set KEY=VALUE, one word each time */
};

struct option_spec {
    const char *name; /* without "--" */
    enum option_kind kind;
    void *value;              /* holds the default before parsing */
    const char *metavar;      /* "FILE", "split|line"; NULL for a flag */
    const char *help;         /* one line */
    int64_t minimum, maximum; /* of an OPTION_INTEGER; ignored when both are 0 */
};

/* Sees the options of a command. They live while the command's function runs. */
struct option_viewer {
    bool (*view)(void *context, const struct command *command, const struct option_spec *options,
                 size_t option_count, struct error *error);
    void *context;
};

/* Shows the viewer the options of the command, whose function runs no further than to
 * command_parse. */
bool command_view_options(const struct command *command, const struct option_viewer *viewer,
                          struct error *error);

/* Returns the option of this name, of `size` bytes; NULL if there is none. */
const struct option_spec *option_find(const struct option_spec *options, size_t option_count,
                                      const char *name, size_t size);

/* Parses argv[1 ...]; argv[0] is the command's name. Options are "--name value" or "--name=value";
 * "--" ends them, and "-" is an operand. Words that are not options are added to *operands, whose
 * number must be within [min, max]. With --help the function prints the help and sets *helped; the
 * command then has nothing else to do, and returns what the function returned. An unknown option
 * (the error names the nearest one), a missing or malformed value, and too few or too many operands
 * are ERROR_INPUT. The lists are freed with string_list_free. */
bool command_parse(const struct command *command, const struct option_spec *options,
                   size_t option_count, int argc, char **argv, struct string_list *operands,
                   size_t min, size_t max, bool *helped, struct error *error);

/* True if --help or -h is among the words before "--". */
bool command_asks_for_help(int argc, char **argv);

void string_list_free(struct string_list *list);

/* Prints a JSON value, indented, and releases it. NULL means that memory was too short to build it,
 * and is an error. */
bool command_print_json(json_t *value, struct error *error);

/* Flushes stdout; a failed write (to a full disk or a closed pipe) is ERROR_WORK. Every command
 * that prints results calls it at its end. */
bool command_finish_output(struct error *error);

/* Prints the error of a command to stderr and empties its message. An empty message was printed
 * before, or by another process (train/process_group.h). */
void command_say_error(const struct command *command, struct error *error);

/* Fails because several processes do what one is to do alone, for the reason given; rank 0 alone
 * gets the message. Returns false. */
bool command_fail_together(struct error *error, const char *reason);

/* Prints the error and leaves the group, in this order, because mpirun may drop what is written
 * after a process has ended with an error. NULL is accepted. */
void command_leave_group(const struct command *command, struct process_group *group,
                         struct error *error);

#endif
