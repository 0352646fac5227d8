#include "base/file.h"
#include "base/file_writer.h"
#include "base/format.h"
#include "base/machine.h"
#include "cli/command.h"
#include "cli/output_file.h"
#include "cli/vocab_option.h"
#include "data/prepare.h"

#include <stdio.h>
#include <string.h>

struct vocab {
    struct string_list inputs;
    const char *output, *extend, *text_field;
    int64_t size, limit_alphabet;
    bool cased, strict;
    struct tokenizer *old; /* the tokenizer given by --extend */
    struct log log;
};

static bool check(const struct vocab *vocab, struct error *error)
{
    if (vocab->inputs.count == 0)
        return fail_input(error, "--input is missing; expected text files");
    if (!vocab->output)
        return fail_input(error, "--output is missing; expected a path for the vocabulary");
    if (!output_file_check_name(vocab->output, error))
        return false;
    if (path_is_directory(vocab->output))
        return fail_input(error, "--output: %s is a directory; expected a path like %s/vocab.txt",
                          vocab->output, vocab->output);
    return true;
}

/* Checks that OLD is not the output. If OLD is a model directory, its vocab.txt is refused later as
 * the vocabulary of a model. */
static bool check_old(const struct vocab *vocab, struct error *error)
{
    return !vocab->extend || path_is_directory(vocab->extend) ||
           output_file_check_inputs(vocab->output, &vocab->extend, 1, error);
}

static int32_t count_unused(const struct vocabulary *vocabulary)
{
    int32_t count = 0;
    for (int32_t id = 0; id < vocabulary_size(vocabulary); id++)
        count += strncmp(vocabulary_token(vocabulary, id), "[unused", 7) == 0;
    return count;
}

/* Fails if a vocab.txt cannot describe the vocabulary; the error names the first such token. */
static bool check_plain(const struct vocabulary *old, const char *path, struct error *error)
{
    size_t count;
    const struct added_token *added = vocabulary_added(old, &count);
    if (vocabulary_is_plain(old))
        return true;
    for (size_t i = 0; i < count; i++)
        if (i >= SPECIAL_COUNT || strcmp(added[i].content, special_token_names[i]) != 0)
            return fail_input(error,
                              "--extend: %s has the added token \"%s\", which a vocab.txt cannot "
                              "describe",
                              path, added[i].content);
    return true;
}

static bool open_old(struct vocab *vocab, struct error *error)
{
    if (!vocab->extend)
        return true;
    vocab->old = vocab_option_open(vocab->extend, vocab->cased, error);
    if (!vocab->old)
        return false;
    const struct vocabulary *old = tokenizer_vocabulary(vocab->old);
    int32_t unused = count_unused(old);
    if (vocab->size <= vocabulary_size(old))
        return fail_input(error, "--size: found %lld; expected more than the %d tokens of %s",
                          (long long)vocab->size, (int)vocabulary_size(old), vocab->extend);
    if (unused)
        log_line(&vocab->log, "%d [unused] tokens stay as they are; new tokens follow the last id",
                 (int)unused);
    return check_plain(old, vocab->extend, error);
}

static void say_size(struct vocab *vocab, int32_t size)
{
    unsigned old = vocab->old ? (unsigned)vocabulary_size(tokenizer_vocabulary(vocab->old)) : 0;
    if (vocab->old)
        log_line(&vocab->log, "%s of %s and %s new", format_number_of(old, "token").text,
                 vocab->extend, format_count((unsigned)size - old).text);
    printf("%s: %s\n", vocab->output, format_number_of((unsigned)size, "token").text);
}

static bool train(struct vocab *vocab, struct error *error)
{
    const struct vocabulary_request request = {
        .files = vocab->inputs.items,
        .count = vocab->inputs.count,
        .size = (int32_t)vocab->size,
        .options =
            vocab->old ? tokenizer_get_options(vocab->old) : vocab_option_settings(vocab->cased),
        .limit_alphabet = (size_t)vocab->limit_alphabet,
        .extend = vocab->old ? tokenizer_vocabulary(vocab->old) : NULL,
        .text_field = {vocab->text_field, "--text-field"},
        .strict = vocab->strict,
        .threads = machine_threads(),
    };
    struct vocabulary *vocabulary = prepare_vocabulary(&request, &vocab->log, error);
    log_end_live(&vocab->log);
    if (!vocabulary)
        return false;
    int32_t size = vocabulary_size(vocabulary);
    bool done = vocabulary_save(vocabulary, vocab->output, error);
    vocabulary_free(vocabulary);
    if (!done)
        return false;
    say_size(vocab, size);
    return command_finish_output(error);
}

static bool run(const struct command *command, int argc, char **argv, struct error *error)
{
    struct vocab vocab = {.size = 30522, .log = log_open(stderr)};
    struct string_list operands = {0};
    bool helped = false;
    const struct option_spec options[] = {
        {"input", OPTION_LIST, &vocab.inputs, "FILE", "text to train on, or patterns", 0, 0},
        {"size", OPTION_INTEGER, &vocab.size, "N", "tokens, including the special ones (30522)",
         SPECIAL_COUNT + 1, INT32_MAX},
        {"output", OPTION_STRING, &vocab.output, "FILE", "where to write the vocabulary", 0, 0},
        {"cased", OPTION_FLAG, &vocab.cased, NULL, "keep case and accents", 0, 0},
        {"extend", OPTION_STRING, &vocab.extend, "OLD",
         "begin with this vocab.txt or model directory", 0, 0},
        {"limit-alphabet", OPTION_INTEGER, &vocab.limit_alphabet, "N",
         "at most N different characters (see above)", 1, 1114112},
        {"text-field", OPTION_STRING, &vocab.text_field, "NAME",
         "the field of a JSON object with the text (text)", 0, 0},
        {"strict", OPTION_FLAG, &vocab.strict, NULL, "refuse invalid UTF-8 and null in JSON", 0, 0},
    };
    bool done = command_parse(command, options, sizeof options / sizeof *options, argc, argv,
                              &operands, 0, 0, &helped, error);
    if (done && !helped)
        done =
            check(&vocab, error) &&
            output_file_check_inputs(vocab.output, vocab.inputs.items, vocab.inputs.count, error) &&
            check_old(&vocab, error) && output_file_check_vocabulary(vocab.output, error) &&
            open_old(&vocab, error) && file_check_writable(vocab.output, error) &&
            train(&vocab, error);
    tokenizer_free(vocab.old);
    string_list_free(&operands);
    string_list_free(&vocab.inputs);
    return done;
}

const struct command command_vocab = {
    .name = "vocab",
    .arguments = "--input FILE... --output FILE [--size N] [--cased] [--extend OLD] "
                 "[--limit-alphabet N] [--text-field NAME] [--strict]",
    .summary = "train a WordPiece vocabulary",
    .details =
        "Input is text, JSON (.json, .jsonl and the like) with a \"text\" field, or tar;\n"
        ".gz .zst .xz .bz2 .lz4 are unpacked.\n"
        "The same text gives the same vocabulary, whatever the number of threads. If there\n"
        "are more different words than fit in memory, rare ones are dropped.\n"
        "\n"
        "With --extend the tokens of OLD, also [unused] ones, come first and keep their ids.\n"
        "After them come characters that OLD lacks and pieces of words that OLD splits, up to\n"
        "--size tokens in all. The case is that of OLD. A run with model.init_from takes the\n"
        "result as tokenizer.vocab.\n"
        "\n"
        "All characters of the text are taken while there is room, but only the 1000 most\n"
        "frequent if the others make up less than 0.05 % of it; --limit-alphabet sets\n"
        "another number.\n",
    .examples = "# Train a vocabulary of 16,000 tokens\n"
                "cloze vocab --input corpus/*.txt.gz --size 16000 --output vocab.txt\n"
                "# Add words of a field to the vocabulary of a model\n"
                "cloze vocab --input field/*.txt --size 20000 --output field.txt \\\n"
                "    --extend runs/mine\n",
    .run = run,
};
