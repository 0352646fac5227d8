#include "base/directory.h"
#include "base/file.h"
#include "base/file_writer.h"
#include "cli/command.h"
#include "cli/output_file.h"
#include "model/batch_file.h"
#include "train/pretraining.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct batch_name {
    char text[64];
};

static struct batch_name batch_name(int64_t step)
{
    struct batch_name name;
    snprintf(name.text, sizeof name.text, "step-%08lld.safetensors", (long long)step);
    return name;
}

static bool is_batch_name(const char *name, int64_t steps)
{
    long long step = strncmp(name, "step-", 5) == 0 ? strtoll(name + 5, NULL, 10) : 0;
    return step >= 1 && step <= steps && strcmp(name, batch_name(step).text) == 0;
}

/* Checks that the file is absent or holds a batch: only batches are replaced. */
static bool check_file(const char *directory, const char *name, struct error *error)
{
    char *path = path_join(directory, name, error);
    bool usable = path && output_file_check_tensors(path, "input_ids", "a batch", error) &&
                  file_check_writable(path, error);
    free(path);
    return usable;
}

/* Checks the files in the directory, not the names of all steps, of which there may be any
 * number. */
static bool check_directory(const char *directory, int64_t steps, struct error *error)
{
    struct dirent **entries;
    if (!directory_check_writable(directory, error))
        return false;
    int count = scandir(directory, &entries, NULL, alphasort);
    if (count < 0)
        return errno == ENOENT || fail_path(error, errno, directory, "read the directory");
    bool usable = true;
    for (int i = 0; i < count; i++) {
        if (usable && is_batch_name(entries[i]->d_name, steps))
            usable = check_file(directory, entries[i]->d_name, error);
        free(entries[i]);
    }
    free(entries);
    return usable;
}

static bool write_batch(const struct run *run, const struct batch *batch, const char *directory,
                        int64_t step, struct error *error)
{
    char *path = path_join(directory, batch_name(step).text, error);
    int32_t pad = vocabulary_special(tokenizer_vocabulary(run->tokenizer), SPECIAL_PAD);
    bool done = path && batch_file_write(path, batch, pad, error);
    free(path);
    return done;
}

/* Writes the batches of the steps from `first` to the end of their phase, at most up to `last`, and
 * sets *next to the step after them. */
static bool write_phase(const struct run *run, int64_t first, int64_t last, const char *directory,
                        int64_t *next, struct error *error)
{
    int64_t before;
    size_t phase = run_phase_of(run, first, &before);
    int64_t end = before + run->phases[phase].steps;
    struct loader *loader = pretraining_open_loader(run, first, error);
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

/* Fails if the run has fewer steps than are wanted; 0: nobody knows yet how many it has. */
static bool check_steps(int64_t wanted, int64_t steps, struct error *error)
{
    return !steps || wanted <= steps ||
           fail_input(error, "--steps: found %lld, but the run has only %lld steps",
                      (long long)wanted, (long long)steps);
}

static bool write_batches(const struct run_config *config, int64_t steps, const char *directory,
                          struct error *error)
{
    struct log log = log_open(stderr);
    struct run *run = output_file_check_name(directory, error) &&
                              check_directory(directory, steps, error) &&
                              check_steps(steps, config->train.steps, error)
                          ? run_open_data(config, &log, error)
                          : NULL;
    bool done = run && check_steps(steps, run->steps, error) && directory_make(directory, error);
    int64_t next = 1;
    while (done && next <= steps)
        done = write_phase(run, next, steps, directory, &next, error);
    if (done)
        log_line(&log, "wrote %lld batch%s to %s", (long long)steps, steps == 1 ? "" : "es",
                 directory);
    log_end_live(&log);
    run_close(run);
    return done;
}

static bool batches(const struct command *command, int argc, char **argv, struct error *error)
{
    bool helped;
    int64_t steps = 1;
    const char *directory = NULL;
    struct string_list settings = {0}, operands = {0};
    const struct option_spec options[] = {
        {"steps", OPTION_INTEGER, &steps, "N", "how many steps, starting with the first (1)", 1,
         INT64_MAX},
        {"output", OPTION_STRING, &directory, "DIR", "where the files go", 0, 0},
        {"set", OPTION_REPEATED, &settings, "KEY=VALUE", "override a key of the file", 0, 0},
    };
    bool done = command_parse(command, options, sizeof options / sizeof *options, argc, argv,
                              &operands, 1, 1, &helped, error);
    if (done && !helped && !directory)
        done =
            fail_input(error, "--output is missing; usage: cloze batches %s", command->arguments);
    else if (done && !helped) {
        struct log log = log_open(stderr);
        struct run_config *config = run_config_load(&run_config_schema, operands.items[0],
                                                    settings.items, settings.count, &log, error);
        done = config && write_batches(config, steps, directory, error);
        run_config_free(config);
    }
    string_list_free(&settings);
    string_list_free(&operands);
    return done;
}

const struct command command_batches = {
    .name = "batches",
    .arguments = "CONFIG --steps N --output DIR [--set KEY=VALUE]...",
    .summary = "write exactly the batches that train would use, as safetensors",
    .details = "Writes DIR/step-00000001.safetensors and so on: I64 input_ids, attention_mask,\n"
               "token_type_ids and labels [batch, length] and next_sentence_label [batch], as\n"
               "Hugging Face's BertForPreTraining takes them. The vocabulary and the data are\n"
               "prepared first if necessary.\n",
    .examples = "# The first two batches of a run\n"
                "cloze batches run.yaml --steps 2 --output batches\n",
    .schemas = {&run_config_schema},
    .run = batches,
};
