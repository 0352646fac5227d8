/* The program: finds the command and runs it; its error becomes the message and the exit status. */

#include "base/json.h"
#include "base/log.h"
#include "base/nearest.h"
#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/environment.h"
#include "cli/help.h"
#include "cli/manual.h"
#include "cloze/version.h"
#include "math/openblas.h"
#include "math/panels.h"
#include "train/process_group.h"
#include "train/process_group_launch.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Prints what the program is, its commands and its own options. */
static bool print_help(FILE *stream, struct error *error)
{
    enum { COMMAND_COLUMN = 13 };
    struct buffer text = {0};
    bool done = buffer_print(&text, error,
                             "cloze %s: %s\n\nusage: cloze COMMAND [ARGUMENT]...\n\ncommands:\n",
                             CLOZE_VERSION, program_summary);
    for (size_t i = 0; i < COMMAND_COUNT && done; i++)
        done =
            help_print_entry(&text, commands[i]->name, commands[i]->summary, COMMAND_COLUMN, error);
    done = done && buffer_print(&text, error, "\noptions:\n");
    for (size_t i = 0; i < PROGRAM_OPTION_COUNT && done; i++)
        done = help_print_entry(&text, program_options[i].name, program_options[i].help,
                                COMMAND_COLUMN, error);
    done = done && buffer_print(&text, error,
                                "\nto start:\n"
                                "  cloze init corpus/*.txt --hours 8   # writes run.yaml\n"
                                "  cloze train run.yaml --dry-run      # how long it will take\n"
                                "  cloze train run.yaml\n");
    if (done)
        fwrite(text.data, 1, text.size, stream);
    buffer_free(&text);
    return done;
}

static void print_version(void)
{
    printf("cloze %s\n", CLOZE_VERSION);
    const struct gemm_kernels *in_fp32 = gemm_fp32(), *in_bf16 = gemm_bf16();
    const bool own = in_fp32 != &gemm_openblas;
    printf("fp32: %s%sOpenBLAS with %s kernels\n", own ? in_fp32->name : "",
           own ? " kernels; " : "", blas_core_type());
    printf("bf16: %s%s\n", in_bf16 ? in_bf16->name : panels_bf16_missing(),
           in_bf16 ? " kernels" : "");
    printf("MPI: %s\n", process_group_library());
}

/* Restarts the program once, with the best kernels of OpenBLAS in its environment, because OpenBLAS
 * reads the choice only while it is loaded. A slower kernel than the processor allows would cost
 * half the speed for weeks. */
static void restart_with_better_kernels(char **argv)
{
    const char *core_type = blas_better_core_type();
    if (!core_type)
        return;
    if (setenv("OPENBLAS_CORETYPE", core_type, 1) == 0)
        execv("/proc/self/exe", argv);
    /* Without memory or /proc the program is slower, but its results are right; `cloze --version`
     * names the kernels in use. */
}

static int fail_unknown_command(const char *name)
{
    enum { NAMES = COMMAND_COUNT + PROGRAM_OPTION_COUNT };
    const char *names[NAMES];
    for (size_t i = 0; i < NAMES; i++)
        names[i] = i < COMMAND_COUNT ? commands[i]->name : program_options[i - COMMAND_COUNT].name;
    const char *nearest = nearest_word(name, names, NAMES);
    struct log log = log_open(stderr);
    log_line(&log, "cloze: unknown command \"%s\"%s%s%s\n'cloze --help' lists the commands", name,
             nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    return ERROR_INPUT;
}

/* Checks that a command was not started several times at once, which would all write the same
 * files. */
static bool check_alone(const struct command *command, struct error *error)
{
    return command->together || !launch_is_of_several() ||
           command_fail_together(error, "works as one process");
}

static int run(const struct command *command, int argc, char **argv)
{
    struct error error = {0};
    if ((command_asks_for_help(argc, argv) || environment_check(&error)) &&
        check_alone(command, &error) && command->run(command, argc, argv, &error))
        return 0;
    command_say_error(command, &error);
    return (int)error.kind;
}

/* Returns the exit status; an error gets its message. */
static int finish(bool done, const struct error *error)
{
    struct log log = log_open(stderr);
    if (!done)
        log_line(&log, "cloze: %s", error->message);
    return done ? 0 : (int)error->kind;
}

static bool is_option(const char *word, int option)
{
    return strcmp(word, program_options[option].name) == 0;
}

static bool is_help(const char *word)
{
    return is_option(word, PROGRAM_HELP) || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

/* Runs a command; also "help train", which means "train --help". */
static int run_command(int argc, char **argv)
{
    const bool help = is_help(argv[1]);
    const char *name = argv[help ? 2 : 1];
    const struct command *command = command_find(name);
    char option[] = "--help", *words[] = {argv[2], option, NULL};
    if (!command)
        return fail_unknown_command(name);
    return help ? run(command, 2, words) : run(command, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    struct error error = {0};
    const char *first = argc > 1 ? argv[1] : "";
    if (strcmp(first, COMPLETION_WORD) == 0)
        return finish(completion_print(argc - 2, argv + 2, &error), &error);
    if (is_option(first, PROGRAM_MANUAL))
        return finish(manual_print(&error), &error);
    restart_with_better_kernels(argv);
    json_exit_without_memory();
    omp_set_dynamic(0); /* with OMP_DYNAMIC the last bits would depend on the machine's load */
    if (argc < 2)
        return print_help(stderr, &error) ? ERROR_INPUT : finish(false, &error);
    if (is_help(first) && argc == 2)
        return finish(print_help(stdout, &error) && command_finish_output(&error), &error);
    if (is_option(first, PROGRAM_VERSION)) {
        print_version();
        return finish(command_finish_output(&error), &error);
    }
    return run_command(argc, argv);
}
