#include "checkpoint/export.h"
#include "base/log.h"
#include "checkpoint/model_directory.h"
#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Without a name the model decides. */
static bool read_kind(const char *name, enum export_kind *kind, struct error *error)
{
    *kind = EXPORT_BY_MODEL;
    if (!name)
        return true;
    while (++*kind < EXPORT_KINDS)
        if (strcmp(export_kind_names[*kind], name) == 0)
            return true;
    return fail_input(
        error, "--for: found \"%s\", expected pretraining, masked-lm, encoder or task", name);
}

static bool export_operand(const char *model, const char *target, const char *name,
                           struct error *error)
{
    enum export_kind kind;
    struct log log = log_open(stderr);
    if (!read_kind(name, &kind, error))
        return false;
    char *directory = model_directory_open(model, &log, error);
    bool done = directory && export_model(directory, target, kind, &log, error);
    if (done)
        log_line(&log, "exported %s to %s", directory, target);
    free(directory);
    return done;
}

static bool run_export(const struct command *command, int argc, char **argv, struct error *error)
{
    bool helped;
    const char *name = NULL;
    struct string_list operands = {0};
    const struct option_spec options[] = {
        {"for", OPTION_STRING, &name, "pretraining|masked-lm|encoder|task",
         "for what (what MODEL was trained for)", 0, 0},
    };
    bool done = command_parse(command, options, sizeof options / sizeof *options, argc, argv,
                              &operands, 2, 2, &helped, error);
    if (done && !helped)
        done = export_operand(operands.items[0], operands.items[1], name, error);
    string_list_free(&operands);
    return done;
}

const struct command command_export = {
    .name = "export",
    .arguments = "MODEL DIR [--for pretraining|masked-lm|encoder|task]",
    .summary = "write a directory to publish: model, tokenizer and model card",
    .details =
        "MODEL is a model directory, a checkpoint, or a run directory (then its latest\n"
        "checkpoint; of a fine-tuning run its best). DIR must be new or empty. It gets what\n"
        "transformers needs, without the optimizer and the state of the training, and a\n"
        "README.md to complete: the licence is yours to state.\n"
        "\n"
        "  pretraining   BertForPreTraining: the encoder and both heads\n"
        "  masked-lm     BertForMaskedLM: for fill-mask, for SparseEncoder (SPLADE) of\n"
        "                sentence-transformers\n"
        "  encoder       BertModel: the encoder and its pooler, for embeddings, for the\n"
        "                converter of llama.cpp\n"
        "  task          BertForSequenceClassification or BertForTokenClassification: a\n"
        "                fine-tuned model with its labels, for pipelines of\n"
        "                transformers\n"
        "\n"
        "Without --for a fine-tuned model is exported as that of its task, any other for\n"
        "pretraining.\n",
    .examples = "# Write a directory to publish\n"
                "cloze export runs/mine mine\n"
                "# Only the encoder, for embeddings\n"
                "cloze export runs/mine mine-encoder --for encoder\n",
    .run = run_export,
};
