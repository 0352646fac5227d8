/* The program: finds the command and runs it; its error becomes the message and the exit status. */

#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/nearest.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/environment.h"
#include "cloze/version.h"
#include "math/openblas.h"
#include "math/panels.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command *const commands[] = {
    &command_init,     &command_train,   &command_eval,     &command_fill,    &command_nsp,
    &command_vocab,    &command_prepare, &command_tokenize, &command_batches, &command_score,
    &command_bench,    &command_info,    &command_config,   &command_export,  &command_embed,
    &command_finetune, &command_predict, &command_report,
};

enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static void print_commands(FILE *stream)
{
    fprintf(stream,
            "cloze %s: BERT pre-training on CPUs, from plain text to a Hugging Face model\n\n"
            "usage: cloze COMMAND [ARGUMENT]...\n\ncommands:\n",
            CLOZE_VERSION);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(stream, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(stream,
            "\n'cloze COMMAND --help' explains a command. To start, write a file run.yaml:\n\n"
            "  output: runs/mine               # where the model goes\n"
            "  data: {train: [corpus/*.txt]}   # your text\n\n"
            "and train the model with: cloze train run.yaml\n");
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
    printf("MPI: not built in\n");
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

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int fail_unknown_command(const char *name)
{
    const char *names[COMMAND_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        names[i] = commands[i]->name;
    const char *nearest = nearest_word(name, names, COMMAND_COUNT);
    struct log log = log_open(stderr);
    log_line(&log, "cloze: unknown command \"%s\"%s%s%s\n'cloze --help' lists the commands", name,
             nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    return ERROR_INPUT;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct error error = {0};
    if ((command_asks_for_help(argc, argv) || environment_check(&error)) &&
        command->run(command, argc, argv, &error))
        return 0;
    struct log log = log_open(stderr);
    if (error.kind == ERROR_INTERRUPTED)
        log_line(&log, "%s", error.message);
    else
        log_line(&log, "cloze %s: %s", command->name, error.message);
    return (int)error.kind;
}

int main(int argc, char **argv)
{
    restart_with_better_kernels(argv);
    json_exit_without_memory();
    omp_set_dynamic(0); /* with OMP_DYNAMIC the last bits would depend on the machine's load */
    if (argc < 2) {
        print_commands(stderr);
        return ERROR_INPUT;
    }
    const char *name = argv[1];
    bool help = strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0;
    if (help && argc == 2) {
        print_commands(stdout);
        return fflush(stdout) == 0 ? 0 : ERROR_WORK;
    }
    if (strcmp(name, "--version") == 0) {
        print_version();
        return fflush(stdout) == 0 ? 0 : ERROR_WORK;
    }
    const struct command *command = find_command(help ? argv[2] : name);
    if (!command)
        return fail_unknown_command(help ? argv[2] : name);
    if (!help)
        return run(command, argc - 1, argv + 1);
    /* "cloze help train" means "cloze train --help". */
    char option[] = "--help", *words[] = {argv[2], option, NULL};
    return run(command, 2, words);
}
