/* The program: finds the command and runs it; its error becomes the message and the exit status. */

#include "base/json.h"
#include "base/memory.h"
#include "base/nearest.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "math/gemm.h"
#include "math/panels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command *const commands[] = {
    &command_train, &command_eval,    &command_fill,     &command_nsp,
    &command_vocab, &command_prepare, &command_tokenize, &command_batches,
    &command_score, &command_bench,   &command_info,     &command_config,
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
    fprintf(stream, "\n'cloze COMMAND --help' explains a command. Start with:\n\n"
                    "  cloze train configs/demo.yaml\n");
}

static void print_version(void)
{
    printf("cloze %s\n", CLOZE_VERSION);
    const struct panels *fp32 = panels_fp32(), *bf16 = panels_bf16();
    printf("fp32: %s%sOpenBLAS with %s kernels\n", fp32 ? fp32->name : "", fp32 ? " kernels; " : "",
           gemm_core_type());
    printf("bf16: %s%s\n", bf16 ? bf16->name : panels_bf16_missing(), bf16 ? " kernels" : "");
    printf("MPI: not built in\n");
}

/* A slower kernel than the processor allows costs half the speed for weeks, and OpenBLAS reads the
 * choice only while it is loaded: so the program starts itself again, once, with the better choice
 * in its environment. */
static void restart_with_better_kernels(char **argv)
{
    const char *core_type = gemm_better_core_type();
    if (!core_type)
        return;
    setenv("OPENBLAS_CORETYPE", core_type, 1);
    execv("/proc/self/exe", argv);
    /* Without /proc the program is slower but right; `cloze --version` names the kernels in use. */
}

static int fail_unknown_command(const char *name)
{
    const char *names[COMMAND_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        names[i] = commands[i]->name;
    const char *nearest = nearest_word(name, names, COMMAND_COUNT);
    fprintf(stderr, "cloze: unknown command \"%s\"", name);
    if (nearest)
        fprintf(stderr, "; did you mean \"%s\"?", nearest);
    fprintf(stderr, "\n'cloze --help' lists the commands\n");
    return ERROR_INPUT;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct error error = {0};
    if (command->run(command, argc, argv, &error))
        return 0;
    if (error.kind == ERROR_INTERRUPTED)
        fprintf(stderr, "%s\n", error.message);
    else
        fprintf(stderr, "cloze %s: %s\n", command->name, error.message);
    return (int)error.kind;
}

int main(int argc, char **argv)
{
    restart_with_better_kernels(argv);
    json_exit_without_memory();
    if (argc < 2) {
        print_commands(stderr);
        return ERROR_INPUT;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_commands(stdout);
        return fflush(stdout) == 0 ? 0 : ERROR_WORK;
    }
    if (strcmp(name, "--version") == 0) {
        print_version();
        return fflush(stdout) == 0 ? 0 : ERROR_WORK;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return run(commands[i], argc - 1, argv + 1);
    return fail_unknown_command(name);
}
