#include "base/file.h"
#include "base/machine.h"
#include "cli/command.h"
#include "cli/vocab_option.h"
#include "data/prepare.h"

#include <stdio.h>

struct vocab {
    struct string_list inputs;
    const char *output;
    int64_t size;
    bool cased, strict;
};

static bool check(const struct vocab *vocab, struct error *error)
{
    if (vocab->inputs.count == 0)
        return fail_input(error, "--input is missing; expected text files");
    if (!vocab->output)
        return fail_input(error, "--output is missing; expected a path for the vocabulary");
    if (path_is_directory(vocab->output))
        return fail_input(error, "--output: %s is a directory; expected a path like %s/vocab.txt",
                          vocab->output, vocab->output);
    return true;
}

static bool train(const struct vocab *vocab, struct error *error)
{
    struct log log = log_open(stderr);
    struct vocabulary *vocabulary = prepare_vocabulary(
        vocab->inputs.items, vocab->inputs.count, (int32_t)vocab->size,
        vocab_option_settings(vocab->cased), vocab->strict, machine_threads(), &log, error);
    if (!vocabulary)
        return false;
    int32_t size = vocabulary_size(vocabulary);
    bool done = vocabulary_save(vocabulary, vocab->output, error);
    vocabulary_free(vocabulary);
    if (!done)
        return false;
    if (size < vocab->size)
        log_warning(&log, "the text gives no more than %d tokens", size);
    printf("%s: %d tokens\n", vocab->output, size);
    return command_finish_output(error);
}

static bool run(const struct command *command, int argc, char **argv, struct error *error)
{
    struct vocab vocab = {.size = 30522};
    struct string_list operands = {0};
    bool helped = false;
    const struct option_spec options[] = {
        {"input", OPTION_LIST, &vocab.inputs, "FILE", "text to train on, or patterns", 0, 0},
        {"size", OPTION_INTEGER, &vocab.size, "N", "tokens, with the special ones (30522)",
         SPECIAL_COUNT + 1, INT32_MAX},
        {"output", OPTION_STRING, &vocab.output, "FILE", "where to write the vocabulary", 0, 0},
        {"cased", OPTION_FLAG, &vocab.cased, NULL, "keep case and accents", 0, 0},
        {"strict", OPTION_FLAG, &vocab.strict, NULL, "refuse invalid UTF-8", 0, 0},
    };
    bool done = command_parse(command, options, sizeof options / sizeof *options, argc, argv,
                              &operands, 0, 0, &helped, error);
    if (done && !helped)
        done = check(&vocab, error) && train(&vocab, error);
    string_list_free(&operands);
    string_list_free(&vocab.inputs);
    return done;
}

const struct command command_vocab = {
    .name = "vocab",
    .arguments = "--input FILE... --output FILE [--size N] [--cased] [--strict]",
    .summary = "train a WordPiece vocabulary",
    .details =
        "Input is text, or .jsonl with a \"text\" field; .gz .zst .xz .bz2 are unpacked. The same\n"
        "text gives the same vocabulary, however many threads there are.\n",
    .run = run,
};
