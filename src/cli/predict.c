/* cloze predict is a filter from rows of text to lines of predictions. Blocks of rows are read,
 * predicted and printed, so that memory does not grow with the input; only labels, where the input
 * has them, are kept for the metrics. */
#include "base/file_writer.h"
#include "base/format.h"
#include "base/machine.h"
#include "base/memory.h"
#include "checkpoint/model_directory.h"
#include "cli/command.h"
#include "cli/model_operand.h"
#include "cli/output_file.h"
#include "cli/prediction_print.h"
#include "cli/prediction_scores.h"
#include "cli/standard_input.h"
#include "cli/task_columns.h"
#include "cli/text_progress.h"
#include "model/huggingface.h"

#include <omp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct predict {
    struct model *model;
    struct tokenizer *tokenizer;
    int max_length;
    struct predictor *predictor;
    struct task_columns columns;
    struct span_labels *spans; /* NULL: labels that do not name spans */
    struct prediction_block *block;
    struct prediction_scores *scores;
    struct log log;
    bool json;
    const char *output; /* NULL: stdout */
    struct file_writer *writer;
    struct buffer out;
    struct text_progress progress;
};

static const struct model_config *config_of(const struct predict *predict)
{
    return &predict->model->config;
}

static bool labels_tokens(const struct predict *predict)
{
    return config_of(predict)->heads == &token_classification_heads;
}

/* ---- files ---- */

static bool count_row(struct predict *predict, const struct prediction_row *row,
                      struct error *error)
{
    if (!row->has_label)
        return true;
    if (config_of(predict)->heads == &sequence_regression_heads)
        return prediction_scores_add_number(predict->scores, row->number, row->values[0], error);
    return prediction_scores_add_classes(predict->scores, row->labels, row->best, row->results,
                                         error);
}

static bool write_block(struct predict *predict, struct error *error)
{
    struct buffer *out = &predict->out;
    out->size = 0;
    for (size_t i = 0; i < predict->block->row_count; i++) {
        const struct prediction_row *row = &predict->block->rows[i];
        if (!count_row(predict, row, error) ||
            !(predict->json ? prediction_print_json(out, predict->block, row, predict->spans, error)
                            : prediction_print_text(out, predict->block, row, error)))
            return false;
    }
    if (predict->writer && out->size)
        return file_writer_put(predict->writer, out->data, out->size, error);
    if (!predict->writer && out->size) {
        log_end_live(&predict->log); /* which may be on the same terminal */
        fwrite(out->data, 1, out->size, stdout);
    }
    return !ferror(stdout) || command_finish_output(error);
}

static bool predict_rows(struct predict *predict, struct labelled_rows *rows, const char *name,
                         struct error *error)
{
    const struct text_listener listener = text_progress_listener(&predict->progress);
    bool end = false;
    while (!end) {
        if (!prediction_block_read(predict->block, rows, name, &end, error) ||
            !prediction_block_run(predict->block, predict->predictor, &listener, error) ||
            !write_block(predict, error))
            return false;
        text_progress_end_block(&predict->progress, predict->block->row_count);
    }
    return true;
}

static bool predict_file(struct predict *predict, const char *path, struct error *error)
{
    const bool standard = is_standard_input(path);
    struct labelled_settings settings = predict->columns.settings;
    const char *name = standard ? "standard input" : path;
    if (standard && settings.format == LABELLED_BY_ENDING)
        settings.format = LABELLED_TXT;
    struct labelled_rows *rows =
        standard ? labelled_rows_open_stream(standard_input_stream(), name, &settings, error)
                 : labelled_rows_open(path, &settings, error);
    const bool done = rows && predict_rows(predict, rows, name, error);
    labelled_rows_close(rows);
    return done;
}

/* ---- the command ---- */

static bool load_model(struct predict *predict, const char *directory, struct error *error)
{
    struct huggingface_missing missing;
    struct error none = {0};
    predict->tokenizer = tokenizer_load(directory, error);
    predict->model = predict->tokenizer ? huggingface_load_model(directory, &missing, error) : NULL;
    if (!predict->model)
        return false;
    tokenizer_log_note(predict->tokenizer, &predict->log);
    huggingface_log_prefix(&missing, &predict->log);
    if (!huggingface_require_group(predict->model, &missing, GROUP_CLASSIFIER, error) ||
        (head_list_groups(config_of(predict)->heads) & 1U << GROUP_POOLER &&
         !huggingface_require_group(predict->model, &missing, GROUP_POOLER, error)))
        return fail_context(error, "%s", directory);
    struct model_config *config = &predict->model->config;
    if (labels_tokens(predict))
        predict->spans = span_labels_create((const char *const *)config->labels.names,
                                            config->labels.count, &none);
    return model_config_set_tokens(config,
                                   vocabulary_size(tokenizer_vocabulary(predict->tokenizer)),
                                   directory, error) &&
           tokenizer_max_length(directory, config->max_position_embeddings, &predict->max_length,
                                error);
}

static bool take_memory(struct predict *predict, int threads, struct error *error)
{
    predict->block = prediction_block_create(config_of(predict), error);
    if (predict->block)
        predict->scores = prediction_scores_create(config_of(predict), predict->spans, error);
    if (predict->scores)
        predict->predictor = predictor_create(predict->model, predict->tokenizer,
                                              predict->max_length, threads, error);
    return predict->predictor;
}

static void report(struct predict *predict)
{
    const struct text_counts counts = predictor_counts(predict->predictor);
    struct log *log = &predict->log;
    log_end_live(log);
    warn_of_unknown_tokens(log, counts.unknown, counts.tokens);
    if (counts.cut)
        log_warning(log, "%s cut to the %d tokens of the model's training",
                    format_number_of(counts.cut, "long text").text, predict->max_length);
    if (counts.without_token)
        log_warning(log, "%s without a token; predictions for them mean nothing",
                    format_number_of(counts.without_token, "text").text);
    log_line(log, "predicted %s after %s, %.0f/s", format_number_of(counts.texts, "text").text,
             format_duration(text_progress_seconds(&predict->progress)).text,
             text_progress_rate(&predict->progress));
}

/* The metrics go where the predictions do not. */
static bool print_scores(struct predict *predict, struct error *error)
{
    if (!prediction_scores_texts(predict->scores))
        return true;
    FILE *out = predict->output ? stdout : stderr;
    if (!predict->json || !predict->output)
        return prediction_scores_print(predict->scores, out, error);
    json_t *json = prediction_scores_json(predict->scores, error);
    return json && command_print_json(json, error);
}

static bool predict_files(struct predict *predict, const struct string_list *files,
                          struct error *error)
{
    static const char *const standard_input[] = {"-"};
    const char *const *names = files->count > 1 ? files->items + 1 : standard_input;
    const size_t count = files->count > 1 ? files->count - 1 : 1;
    predict->progress = text_progress_begin(&predict->log);
    if (predict->output)
        predict->writer = file_writer_open(predict->output, error);
    if (predict->output && !predict->writer)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!predict_file(predict, names[i], error))
            return false;
    struct file_writer *writer = predict->writer;
    predict->writer = NULL; /* committing frees it */
    if (writer && !file_writer_commit(writer, error))
        return false;
    report(predict);
    return print_scores(predict, error) && command_finish_output(error);
}

static void close_all(struct predict *predict)
{
    log_end_live(&predict->log);
    file_writer_abandon(predict->writer);
    predictor_free(predict->predictor);
    prediction_scores_free(predict->scores);
    span_labels_free(predict->spans);
    task_columns_free(&predict->columns);
    prediction_block_free(predict->block);
    buffer_free(&predict->out);
    tokenizer_free(predict->tokenizer);
    model_free(predict->model);
}

static bool predict_all(struct predict *predict, const struct string_list *operands,
                        const struct task_column_options *columns, struct error *error)
{
    const int threads = machine_threads();
    predict->log = log_open(stderr);
    omp_set_num_threads(threads);
    char *directory = model_directory_open(operands->items[0], &predict->log, error);
    const bool done = directory && load_model(predict, directory, error) &&
                      task_columns_find(&predict->columns, directory, config_of(predict)->heads,
                                        columns, error) &&
                      take_memory(predict, threads, error) &&
                      predict_files(predict, operands, error);
    free(directory);
    return done;
}

static bool check_inputs(const struct string_list *operands, struct error *error)
{
    for (size_t i = 1; i < operands->count; i++)
        if (!standard_input_check_operand(operands->items[i], error))
            return false;
    return true;
}

static bool check_output(const char *output, const struct string_list *operands,
                         struct error *error)
{
    if (!output)
        return true;
    if (!output_file_check_name(output, error))
        return false;
    for (size_t i = 1; i < operands->count; i++)
        if (!is_standard_input(operands->items[i]) &&
            !output_file_check_inputs(output, &operands->items[i], 1, error))
            return false;
    return file_check_writable(output, error);
}

static bool run_predict(const struct command *command, int argc, char **argv, struct error *error)
{
    bool helped, json = false;
    const char *output = NULL;
    struct string_list operands = {0};
    struct task_column_options columns = {0};
    const struct option_spec specs[] = {
        {"output", OPTION_STRING, &output, "FILE",
         "where the predictions go (-, the standard output)", 0, 0},
        {"json", OPTION_FLAG, &json, NULL, "print one JSON object for each text", 0, 0},
        {"text", OPTION_STRING, &columns.text, "COLUMN", "column of the text, or of the words", 0,
         0},
        {"text-pair", OPTION_STRING, &columns.text_pair, "COLUMN",
         "column of the second text of a pair", 0, 0},
        {"label", OPTION_STRING, &columns.label, "COLUMN",
         "column of the label, for the task's metrics", 0, 0},
        {"format", OPTION_STRING, &columns.format, "tsv|csv|jsonl|conll|txt",
         "instead of that of the file's ending", 0, 0},
        {"no-header", OPTION_FLAG, &columns.no_header, NULL,
         "the first line has no names of columns: they are numbers", 0, 0},
    };
    bool done = command_parse(command, specs, sizeof specs / sizeof *specs, argc, argv, &operands,
                              1, SIZE_MAX, &helped, error);
    if (done && !helped) {
        struct predict *predict = allocate(1, sizeof *predict, error);
        if (output && strcmp(output, "-") == 0)
            output = NULL;
        done = predict && check_inputs(&operands, error) && check_output(output, &operands, error);
        if (done) {
            predict->json = json;
            predict->output = output;
            done = predict_all(predict, &operands, &columns, error);
        }
        if (predict)
            close_all(predict);
        free(predict);
    }
    string_list_free(&operands);
    return done;
}

const struct command command_predict = {
    .name = "predict",
    .arguments = "MODEL [FILE...] [--output FILE] [--json] [--text COLUMN] [--text-pair COLUMN] "
                 "[--label COLUMN] [--format tsv|csv|jsonl|conll|txt] [--no-header]",
    .summary = "print what a fine-tuned model says of texts",
    .details =
        "Reads texts and prints a line for each, in their order:\n"
        "\n"
        "  classification  label, tab, probability\n"
        "  regression      number\n"
        "  tokens          word, tab, label, tab, probability for each word; an empty\n"
        "                  line after each text. A tab in a word is printed as a space\n"
        "\n"
        "With --json it is an object:\n"
        "\n"
        "  {\"label\", \"score\"}\n"
        "  {\"spans\": [{\"label\", \"score\", \"start\", \"end\", \"text\"}]}\n"
        "  {\"words\": [{\"text\", \"label\", \"score\"}]}\n"
        "\n"
        "Those of tokens have spans, where start and end count words, or words if the labels do "
        "not\n"
        "begin with B- and I-.\n"
        "\n"
        "FILE is .tsv, .csv, .jsonl, .conll or .txt (a text on each line), also compressed; "
        "without\n"
        "one, or as -, the standard input, a text on each line. The columns, and the format of a\n"
        "FILE with another ending, are those with which 'cloze finetune' has trained the model,\n"
        "unless options name others. Where the input has the column of the label, the task's\n"
        "metrics are printed as well, with 95 % intervals: on the standard output if --output\n"
        "takes the predictions, otherwise on standard error.\n"
        "\n"
        "Texts run together without padding, on all cores; a prediction does not depend on the\n"
        "other texts. Memory does not grow with the input, but for 8 bytes for each label.\n",
    .examples = "# Predict a label for each line of a text\n"
                "cloze predict runs/reviews lines.txt --output labels.tsv\n"
                "# The same, for another program\n"
                "echo \"Good soup.\" | cloze predict runs/reviews --json\n"
                "# Predict a file that has labels, and measure how often they agree\n"
                "cloze predict runs/reviews test.tsv --output predicted.tsv\n",
    .run = run_predict,
};
