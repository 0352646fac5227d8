/* cloze embed is a filter from lines of text to rows of a .npy file. Blocks of lines are read,
 * encoded by all threads and computed, so that memory does not grow with the input. */
#include "base/format.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/memory.h"
#include "base/npy_writer.h"
#include "checkpoint/model_directory.h"
#include "cli/command.h"
#include "cli/model_operand.h"
#include "cli/output_file.h"
#include "cli/standard_input.h"
#include "cli/text_progress.h"
#include "data/text_lines.h"
#include "model/embedder.h"
#include "model/huggingface.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* A block: enough lines for texts of similar length to run together. */
    BLOCK_LINES = 8192,
    BLOCK_BYTES = 8 << 20,
};

struct embed {
    struct model *model;
    struct tokenizer *tokenizer;
    int max_length; /* of texts with [CLS] and [SEP]; longer ones are cut at their end */
    struct embedder *embedder;
    struct npy_writer *writer;
    struct log log;

    struct text_lines input;

    struct buffer text;         /* of the block */
    size_t starts[BLOCK_LINES]; /* of the lines in it */
    struct cell lines[BLOCK_LINES];
    size_t line_count;
    float *values; /* [BLOCK_LINES, hidden_size] */

    struct text_progress progress;
};

struct embed_options {
    const char *model, *input, *output;
    enum pooling pooling;
    bool normalize;
};

/* ---- input ---- */

static bool open_input(struct embed *embed, const char *path, struct error *error)
{
    struct text_lines *input = &embed->input;
    if (is_standard_input(path)
            ? !text_lines_open_stream(input, standard_input_stream(), "standard input", error)
            : !text_lines_open(input, path, error))
        return false;
    if (input->begins_json)
        log_warning(&embed->log, "%s: looks like JSON; each line is embedded as it is",
                    input->name);
    return true;
}

/* Reads a block of lines; none at the end of the input. */
static bool read_block(struct embed *embed, struct error *error)
{
    const char *text;
    size_t size;
    bool end = false;
    embed->line_count = 0;
    embed->text.size = 0;
    while (embed->line_count < BLOCK_LINES && embed->text.size < BLOCK_BYTES) {
        /* What follows the beginning of a longer line, the model does not see. */
        if (!text_lines_next_beginning(&embed->input, &text, &size, &end, error))
            return false;
        if (end)
            break;
        embed->starts[embed->line_count] = embed->text.size;
        embed->lines[embed->line_count++].size = size;
        if (!buffer_append(&embed->text, text, size, error))
            return false;
    }
    /* The text no longer moves. */
    for (size_t i = 0; i < embed->line_count; i++)
        embed->lines[i].text = embed->text.data + embed->starts[i];
    return true;
}

/* ---- computing ---- */

static bool compute_block(struct embed *embed, struct error *error)
{
    const size_t width = (size_t)embed->model->config.hidden_size;
    const struct text_listener listener = text_progress_listener(&embed->progress);
    if (!embedder_run(embed->embedder, embed->lines, embed->line_count, embed->values, &listener,
                      error))
        return false;
    for (size_t i = 0; i < embed->line_count * width; i++)
        if (!isfinite(embed->values[i]))
            return fail_not_finite(embed->input.name, embed->progress.texts + i / width + 1, error);
    return npy_writer_put(embed->writer, embed->values, embed->line_count, error);
}

static bool embed_lines(struct embed *embed, struct error *error)
{
    do {
        if (!read_block(embed, error) || !compute_block(embed, error))
            return false;
        text_progress_end_block(&embed->progress, embed->line_count);
    } while (embed->line_count);
    log_end_live(&embed->log);
    return true;
}

/* ---- the command ---- */

static bool load_model(struct embed *embed, const char *directory, enum pooling pooling,
                       struct error *error)
{
    struct huggingface_missing missing;
    embed->tokenizer = tokenizer_load(directory, error);
    embed->model = embed->tokenizer ? huggingface_load_model(directory, &missing, error) : NULL;
    if (!embed->model)
        return false;
    tokenizer_log_note(embed->tokenizer, &embed->log);
    huggingface_log_prefix(&missing, &embed->log);
    struct model_config *config = &embed->model->config;
    const unsigned pooler = 1u << GROUP_POOLER;
    const unsigned absent = huggingface_absent_groups(embed->model, &missing);
    if (pooling == POOLING_POOLER && (absent | config->untrained_groups) & pooler)
        return fail_input(error, "%s: the model's pooler %s; expected --pooling mean or cls",
                          directory, absent & pooler ? "is missing" : "was never trained");
    const int tokens = vocabulary_size(tokenizer_vocabulary(embed->tokenizer));
    return model_config_set_tokens(config, tokens, directory, error) &&
           tokenizer_max_length(directory, config->max_position_embeddings, &embed->max_length,
                                error) &&
           (embed->max_length > 2 ||
            fail_input(error, "%s: the model takes %d tokens; expected more than 2", directory,
                       embed->max_length));
}

static bool take_memory(struct embed *embed, const struct embed_options *options, int threads,
                        struct error *error)
{
    const size_t width = (size_t)embed->model->config.hidden_size;
    embed->values = allocate(BLOCK_LINES * width, sizeof *embed->values, error);
    if (embed->values)
        embed->embedder = embedder_create(embed->model, embed->tokenizer, embed->max_length,
                                          options->pooling, options->normalize, threads, error);
    return embed->embedder;
}

/* Says what was written, and which texts were cut. */
static void report(struct embed *embed, const char *output)
{
    const struct text_counts counts = embedder_counts(embed->embedder);
    struct log *log = &embed->log;
    warn_of_unknown_tokens(log, counts.unknown, counts.tokens);
    if (counts.cut)
        log_warning(log, "%s cut to the %d tokens of the model's training",
                    format_number_of(counts.cut, "long text").text, embed->max_length);
    log_line(log, "wrote %s of %d numbers after %s, %.0f/s: %s",
             format_number_of(embed->progress.texts, "vector").text,
             embed->model->config.hidden_size,
             format_duration(text_progress_seconds(&embed->progress)).text,
             text_progress_rate(&embed->progress), output);
}

static bool write_vectors(struct embed *embed, const char *output, struct error *error)
{
    embed->writer = npy_writer_open(output, embed->model->config.hidden_size, error);
    embed->progress = text_progress_begin(&embed->log);
    if (!embed->writer || !embed_lines(embed, error))
        return false;
    struct npy_writer *writer = embed->writer;
    embed->writer = NULL; /* committing frees it */
    if (!npy_writer_commit(writer, error))
        return false;
    report(embed, output);
    return true;
}

static void close_all(struct embed *embed)
{
    log_end_live(&embed->log);
    npy_writer_abandon(embed->writer);
    embedder_free(embed->embedder);
    free(embed->values);
    buffer_free(&embed->text);
    text_lines_close(&embed->input);
    tokenizer_free(embed->tokenizer);
    model_free(embed->model);
}

static bool embed_texts(struct embed *embed, const struct embed_options *options,
                        struct error *error)
{
    embed->log = log_open(stderr);
    const int threads = machine_threads();
    omp_set_num_threads(threads);
    char *directory = model_directory_open(options->model, &embed->log, error);
    const bool done = directory && load_model(embed, directory, options->pooling, error) &&
                      take_memory(embed, options, threads, error) &&
                      open_input(embed, options->input, error) &&
                      write_vectors(embed, options->output, error);
    free(directory);
    return done;
}

static bool read_pooling(const char *text, enum pooling *pooling, struct error *error)
{
    static const char *const names[] = {
        [POOLING_MEAN] = "mean", [POOLING_CLS] = "cls", [POOLING_POOLER] = "pooler"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i]) == 0) {
            *pooling = (enum pooling)i;
            return true;
        }
    return fail_input(error, "--pooling: found \"%s\", expected mean, cls or pooler", text);
}

static bool check_output(const struct embed_options *options, struct error *error)
{
    if (!options->output)
        return fail_input(error, "--output is missing: the .npy file for the vectors");
    return output_file_check_name(options->output, error) &&
           standard_input_check_operand(options->input, error) &&
           (is_standard_input(options->input) ||
            output_file_check_inputs(options->output, &options->input, 1, error)) &&
           output_file_check_npy(options->output, error);
}

static bool run_embed(const struct command *command, int argc, char **argv, struct error *error)
{
    bool helped;
    const char *pooling = "mean";
    struct string_list operands = {0};
    struct embed_options options = {0};
    const struct option_spec specs[] = {
        {"output", OPTION_STRING, &options.output, "FILE", "the .npy file to write", 0, 0},
        {"pooling", OPTION_STRING, &pooling, "mean|cls|pooler",
         "mean of all tokens, [CLS], or the pooler's output (mean)", 0, 0},
        {"normalize", OPTION_FLAG, &options.normalize, NULL, "scale vectors to the length 1", 0, 0},
    };
    bool done = command_parse(command, specs, sizeof specs / sizeof *specs, argc, argv, &operands,
                              1, 2, &helped, error);
    if (done && !helped) {
        struct embed *embed = allocate(1, sizeof *embed, error);
        options.model = operands.items[0];
        options.input = operands.count > 1 ? operands.items[1] : NULL;
        done = embed && read_pooling(pooling, &options.pooling, error) &&
               check_output(&options, error) && embed_texts(embed, &options, error);
        if (embed)
            close_all(embed);
        free(embed);
    }
    string_list_free(&operands);
    return done;
}

const struct command command_embed = {
    .name = "embed",
    .arguments = "MODEL [FILE] --output FILE.npy [--pooling mean|cls|pooler] [--normalize]",
    .summary = "turn each line of a text into a vector",
    .details = "Reads FILE (.gz .zst .xz .bz2 .lz4 are unpacked) or standard input, and writes a\n"
               "matrix of floats for NumPy, a row for each line, also for an empty one:\n"
               "\n"
               "  numpy.load(\"FILE.npy\") # [lines, hidden size]\n"
               "\n"
               "Texts that are longer than the sequences of the model's training are cut at\n"
               "their end. With cloze's own kernels a vector does not depend on the other\n"
               "lines; with OpenBLAS alone its last bits may.\n",
    .examples = "# Vectors of length 1, so that a product is a cosine\n"
                "cloze embed runs/mine lines.txt --output vectors.npy --normalize\n"
                "# The vector of [CLS] for what another program prints\n"
                "sort lines.txt | cloze embed runs/mine --output sorted.npy \\\n"
                "    --pooling cls\n",
    .run = run_embed,
};
