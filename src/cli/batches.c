#include "base/file.h"
#include "cli/command.h"
#include "model/batch_file.h"
#include "train/run.h"

#include <stdio.h>
#include <stdlib.h>

static bool write_batch(const struct run *run, const struct batch *batch, const char *directory,
                        int64_t step, struct error *error)
{
    char name[64];
    snprintf(name, sizeof name, "step-%08lld.safetensors", (long long)step);
    char *path = path_join(directory, name, error);
    int32_t pad = vocabulary_special(tokenizer_vocabulary(run->tokenizer), SPECIAL_PAD);
    bool ok = path && batch_file_write(path, batch, pad, error);
    free(path);
    return ok;
}

/* Writes the steps from `first` to the end of their phase, at most up to `last`; *next is the one
 * behind them. */
static bool write_phase(const struct run *run, int64_t first, int64_t last, const char *directory,
                        int64_t *next, struct error *error)
{
    int64_t before;
    size_t phase = run_phase_of(run, first, &before);
    int64_t end = before + run->phases[phase].steps;
    struct loader *loader = run_open_loader(run, first, error);
    if (!loader)
        return false;
    int64_t step = first;
    for (; step <= end && step <= last; step++) {
        const struct batch *batch = loader_next(loader, error);
        if (!batch || !write_batch(run, batch, directory, step, error))
            break;
        log_live(run->log, "step %lld of %lld", (long long)step, (long long)last);
    }
    loader_close(loader);
    *next = step;
    return step > end || step > last;
}

static bool write_batches(const struct run_config *config, int64_t steps, const char *directory,
                          struct error *error)
{
    struct log log = log_open(stderr);
    struct run *run = run_open_data(config, &log, error);
    bool ok = run && directory_make(directory, error);
    if (ok && steps > run->steps)
        ok = fail_input(error, "--steps: found %lld, but the run has only %lld steps",
                        (long long)steps, (long long)run->steps);
    int64_t next = 1;
    while (ok && next <= steps)
        ok = write_phase(run, next, steps, directory, &next, error);
    if (ok)
        log_line(&log, "wrote %lld batch%s to %s", (long long)steps, steps == 1 ? "" : "es",
                 directory);
    run_close(run);
    return ok;
}

static bool batches(const struct command *command, int argc, char **argv, struct error *error)
{
    bool helped;
    int64_t steps = 1;
    const char *directory = NULL;
    struct string_list settings = {0}, operands = {0};
    const struct option_spec options[] = {
        {"steps", OPTION_INTEGER, &steps, "N", "how many steps, from the first (1)", 1, INT64_MAX},
        {"output", OPTION_STRING, &directory, "DIR", "where the files go", 0, 0},
        {"set", OPTION_REPEATED, &settings, "KEY=VALUE", "override a key of the file", 0, 0},
    };
    bool ok = command_parse(command, options, sizeof options / sizeof *options, argc, argv,
                            &operands, 1, 1, &helped, error);
    if (ok && !helped && !directory)
        ok = fail_input(error, "--output is missing; usage: cloze batches %s", command->arguments);
    if (ok && !helped) {
        struct run_config *config =
            run_config_load(operands.items[0], settings.items, settings.count, error);
        ok = config && write_batches(config, steps, directory, error);
        run_config_free(config);
    }
    string_list_free(&settings);
    string_list_free(&operands);
    return ok;
}

const struct command command_batches = {
    .name = "batches",
    .arguments = "CONFIG --steps N --output DIR [--set KEY=VALUE]...",
    .summary = "the very batches that train would use, as safetensors",
    .details = "Writes DIR/step-00000001.safetensors and so on: I64 input_ids, attention_mask,\n"
               "token_type_ids and labels [batch, length] and next_sentence_label [batch], as\n"
               "BertForPreTraining of Hugging Face takes them. The vocabulary is trained and the "
               "data are\n"
               "prepared first if that has not been done.\n",
    .run = batches,
};
