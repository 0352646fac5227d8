#include "data/prepare.h"
#include "base/file.h"
#include "base/format.h"
#include "base/machine.h"
#include "cli/command.h"
#include "cli/output_file.h"
#include "cli/vocab_option.h"
#include "train/run_files.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct prepare {
    struct string_list inputs, valid;
    const char *vocab, *output, *sentences, *valid_fraction, *text_field;
    bool cased, strict;
};

static bool parse_fraction(const char *text, double *fraction, struct error *error)
{
    char *end;
    *fraction = strtod(text, &end);
    return (end > text && *end == 0 && *fraction >= 0 && *fraction < 1) ||
           fail_input(error, "--valid-fraction: found \"%s\"; expected a number from 0 to below 1",
                      text);
}

static bool parse_sentences(const char *text, enum sentence_mode *mode, struct error *error)
{
    *mode = strcmp(text, "line") == 0 ? SENTENCES_LINE : SENTENCES_SPLIT;
    return *mode == SENTENCES_LINE || strcmp(text, "split") == 0 ||
           fail_input(error, "--sentences: found \"%s\"; expected split or line", text);
}

static bool read_options(const struct prepare *prepare, struct prepare_options *options,
                         struct error *error)
{
    *options = (struct prepare_options){
        .train = prepare->inputs.items,
        .train_count = prepare->inputs.count,
        .valid = prepare->valid.items,
        .valid_count = prepare->valid.count,
        .text_field = {prepare->text_field, "--text-field"},
        .strict = prepare->strict,
        .threads = machine_threads(),
    };
    if (prepare->inputs.count == 0)
        return fail_input(error, "--input is missing; expected text files");
    if (!prepare->output)
        return fail_input(error, "--output is missing; expected a directory");
    if (!output_file_check_name(prepare->output, error))
        return false;
    if (!parse_fraction(prepare->valid_fraction, &options->valid_fraction, error))
        return false;
    if (options->valid_fraction > 0 && options->valid_count == 0)
        options->min_documents = PAIR_DOCUMENTS;
    return parse_sentences(prepare->sentences, &options->sentences, error);
}

/* Refuses the data of a run: `cloze train` makes them, and checkpoints depend on them. */
static bool check_output(const char *output, struct error *error)
{
    bool started = false;
    char *run = path_join(output, "..", error);
    bool apart =
        run && (!path_exists(run) || run_files_started(run, &started, error)) &&
        (!started ||
         fail_input(error, "--output: %s is in a run directory; choose another directory", output));
    free(run);
    return apart;
}

static void print_counts(const char *name, uint64_t documents, uint64_t sentences, uint64_t tokens)
{
    printf("%s: %s, %s, %s\n", name, format_number_of(documents, "document").text,
           format_number_of(sentences, "sentence").text, format_number_of(tokens, "token").text);
}

static void print_summary(const struct prepare_summary *summary)
{
    print_counts("train", summary->train_documents, summary->train_sentences,
                 summary->train_tokens);
    print_counts("valid", summary->valid_documents, summary->valid_sentences,
                 summary->valid_tokens);
}

/* Logs which documents were held out, as a run does at its beginning. */
static void log_held_out(const struct prepare_options *options,
                         const struct prepare_summary *summary, struct log *log)
{
    uint64_t documents = summary->train_documents;
    if (options->min_documents > 0 && summary->valid_documents == 0)
        log_warning(log,
                    "nothing is held out (--valid-fraction %g of %s document%s):\n"
                    "  to hold some out, give --valid%s",
                    options->valid_fraction, format_count(documents).text, plural(documents),
                    documents > 1 ? " or a larger --valid-fraction" : "");
}

static bool prepare_output(const struct prepare *prepare, const struct prepare_options *options,
                           struct error *error)
{
    struct log log = log_open(stderr);
    struct prepare_summary summary;
    struct tokenizer *tokenizer = vocab_option_open(prepare->vocab, prepare->cased, error);
    bool done =
        tokenizer && prepare_dataset(prepare->output, tokenizer, options, &summary, &log, error);
    tokenizer_free(tokenizer);
    log_end_live(&log);
    if (!done)
        return false;
    if (summary.seconds <= 0)
        log_line(&log, "%s is up to date", prepare->output);
    log_held_out(options, &summary, &log);
    print_summary(&summary);
    return command_finish_output(error);
}

static bool run(const struct command *command, int argc, char **argv, struct error *error)
{
    struct prepare prepare = {.sentences = "split", .valid_fraction = "0"};
    struct string_list operands = {0};
    struct prepare_options options;
    bool helped = false;
    const struct option_spec specs[] = {
        {"input", OPTION_LIST, &prepare.inputs, "FILE", "text to prepare, or patterns", 0, 0},
        {"vocab", OPTION_STRING, &prepare.vocab, "FILE", "a vocab.txt, or a model directory", 0, 0},
        {"output", OPTION_STRING, &prepare.output, "DIR", "where to put the data", 0, 0},
        {"cased", OPTION_FLAG, &prepare.cased, NULL,
         "keep case and accents, if the files do not say", 0, 0},
        {"valid", OPTION_LIST, &prepare.valid, "FILE", "held-out text, or patterns", 0, 0},
        {"valid-fraction", OPTION_STRING, &prepare.valid_fraction, "X",
         "hold out this fraction of the documents (0)", 0, 0},
        {"sentences", OPTION_STRING, &prepare.sentences, "split|line",
         "find sentences, or one per line (split)", 0, 0},
        {"text-field", OPTION_STRING, &prepare.text_field, "NAME",
         "the field of a JSON object with the text (text)", 0, 0},
        {"strict", OPTION_FLAG, &prepare.strict, NULL, "refuse invalid UTF-8 and null in JSON", 0,
         0},
    };
    bool done = command_parse(command, specs, sizeof specs / sizeof *specs, argc, argv, &operands,
                              0, 0, &helped, error);
    if (done && !helped)
        done = read_options(&prepare, &options, error) && check_output(prepare.output, error) &&
               prepare_output(&prepare, &options, error);
    string_list_free(&operands);
    string_list_free(&prepare.inputs);
    string_list_free(&prepare.valid);
    return done;
}

const struct command command_prepare = {
    .name = "prepare",
    .arguments = "--input FILE... --vocab FILE --output DIR [--cased] [--valid FILE...] "
                 "[--valid-fraction X] [--sentences split|line] [--text-field NAME] "
                 "[--strict]",
    .summary = "convert text into training data",
    .details =
        "Input is text with blank lines between documents, JSON (.json, .jsonl and the like)\n"
        "with a \"text\" field, or tar; .gz .zst .xz .bz2 .lz4 are unpacked. A directory that is\n"
        "already up to date is left as it is. Memory does not grow with the text.\n",
    .examples = "# Prepare text with the vocabulary of a run\n"
                "cloze prepare --input corpus/*.txt.gz --vocab runs/mine \\\n"
                "    --output data --valid-fraction 0.01\n",
    .run = run,
};
