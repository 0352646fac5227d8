/* cloze init looks at a text and at the machine, and writes the configuration of a run. */
#include "base/file.h"
#include "base/file_writer.h"
#include "base/format.h"
#include "base/machine.h"
#include "base/memory.h"
#include "base/shell.h"
#include "bench/bench.h"
#include "cli/command.h"
#include "cli/output_file.h"
#include "data/text_survey.h"
#include "math/panels.h"
#include "train/recipe.h"

#include <errno.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct init {
    struct string_list patterns;
    const char *output, *text_field;
    double hours;
    struct corpus_files files;
    struct text_survey survey;
    struct recipe recipe;
    struct log log;
};

/* ---- the text ---- */

static struct text64 whole(const struct init *init, uint64_t count, const char *noun)
{
    return format_number_of(text_survey_whole(&init->survey, count), noun);
}

static void log_scripts(struct init *init)
{
    char line[256] = "";
    size_t length = 0;
    for (int i = 0; i < init->survey.script_count; i++) {
        const struct survey_script *script = &init->survey.scripts[i];
        if (i == 0 || script->share >= 0.001)
            length += (size_t)snprintf(line + length, sizeof line - length, "%s%s %.1f %%",
                                       i ? ", " : "", script->name, 100 * script->share);
    }
    if (init->survey.accent_share >= 0.001)
        length += (size_t)snprintf(line + length, sizeof line - length,
                                   "; %.1f %% of the letters with accents or marks",
                                   100 * init->survey.accent_share);
    if (length)
        log_line(&init->log, "script      %s", line);
}

/* Warns of what would spoil the training and can be changed in the text. */
static void log_habits(struct init *init)
{
    const struct text_survey *survey = &init->survey;
    const uint64_t documents = survey->counts.documents;
    if (text_survey_has_wrapped_lines(survey))
        log_warning(&init->log,
                    "lines look broken at a fixed width, in the middle of sentences:\n"
                    "  join the lines of a paragraph, or sentences end at each of them");
    if (survey->equal_documents > documents / 20)
        log_warning(&init->log, "%.0f %% of the documents are copies of another one",
                    100 * (double)survey->equal_documents / (double)documents);
    if (documents == 1)
        log_warning(&init->log,
                    "the text is a single document: put an empty line between documents");
    else if (!init->recipe.pairs)
        log_warning(&init->log, "documents have too few sentences for sentence pairs:\n"
                                "  an empty line should only stand between documents");
}

static void log_text(struct init *init)
{
    const struct text_survey *survey = &init->survey;
    corpus_counts_log(&survey->counts, &init->log);
    log_line(&init->log, "text        %s%s of %s", survey->sampled ? "about " : "",
             format_bytes(text_survey_whole(survey, survey->counts.bytes)).text,
             format_number_of(survey->files, "file").text);
    log_line(&init->log, "            %s, %s, %s",
             format_number_of(text_survey_documents(survey), "document").text,
             whole(init, survey->sentences, "sentence").text,
             whole(init, survey->words, "word").text);
    if (survey->sampled)
        log_line(&init->log, "            (by a sample of %s)",
                 format_bytes(survey->counts.bytes).text);
    if (survey->equal_documents)
        log_line(&init->log, "            %s: copies of another one",
                 whole(init, survey->equal_documents, "document").text);
    log_scripts(init);
    log_habits(init);
}

static bool read_text(struct init *init, struct error *error)
{
    const struct text_field field = {init->text_field, "--text-field"};
    if (!corpus_files_expand(&init->files, init->patterns.items, init->patterns.count, error) ||
        !text_survey_take(&init->survey, &init->files, field, &init->log, error))
        return false;
    init->recipe = recipe_of_text(&init->survey);
    log_text(init);
    return true;
}

/* ---- the machine ---- */

static bool measure(struct init *init, const char *size, bool in_bf16, double *tokens_per_second,
                    struct error *error)
{
    struct bench_result result;
    const struct bench_options options = {
        .size = size,
        .vocab_size = init->recipe.vocab_size,
        .seq_len = init->recipe.seq_len,
        .batch_size = 32,
        .bf16 = in_bf16,
        .seconds = 2,
        .threads = init->recipe.threads,
        .of_run = true,
    };
    if (!bench_run(&options, &result, &init->log, error))
        return false;
    *tokens_per_second = result.tokens_per_second;
    log_line(&init->log, "machine     %s in %s: %s tokens/s", size, in_bf16 ? "bf16" : "fp32",
             format_count((unsigned long long)result.tokens_per_second).text);
    return true;
}

/* Takes the largest size that sees enough tokens. Sizes are measured in their order until one does
 * not, or does not fit in memory; the first one is taken in any case. */
static bool choose_size(struct init *init, struct error *error)
{
    const bool in_bf16 = gemm_bf16() != NULL;
    const double seconds = 3600 * init->hours;
    init->recipe.threads = machine_threads();
    omp_set_num_threads(init->recipe.threads);
    for (int i = 0; i < MODEL_SIZES; i++) {
        const char *size = model_config_size_name(i);
        struct error failure = {0};
        struct model_config architecture;
        double speed;
        CHECK(model_config_size(size, &architecture));
        if (!measure(init, size, in_bf16, &speed, &failure)) {
            if (i == 0 || failure.kind != ERROR_INPUT) {
                *error = failure;
                return false;
            }
            log_line(&init->log, "machine     %s does not fit in the free memory", size);
            return true;
        }
        if (i > 0 && !recipe_size_is_fed(&init->recipe, &architecture, speed, seconds))
            return true;
        recipe_choose(&init->recipe, size, in_bf16, speed, seconds);
        if (!init->recipe.enough)
            return true;
    }
    return true;
}

/* ---- the file ---- */

/* Returns the path as the configuration needs it, relative to its directory if that is the working
 * directory; owned by the caller. */
static char *path_for_config(const struct init *init, const char *path, struct error *error)
{
    char *copy = path[0] == '/' || !strchr(init->output, '/') ? strdup(path) : realpath(path, NULL);
    if (!copy)
        fail_path(error, errno, path, "find");
    return copy;
}

/* Appends "runs/NAME", with the first file's name up to its first dot, and from 2 on a number. */
static bool name_run(const struct init *init, int number, struct buffer *name, struct error *error)
{
    const char *first = path_name(init->files.paths[0]);
    const size_t length = strcspn(first, ".");
    return buffer_print(name, error, "runs/%.*s", length ? (int)length : 4,
                        length ? first : "text") &&
           (number == 1 || buffer_print(name, error, "-%d", number));
}

/* Returns the run directory, the first of its names that is free beside the configuration; owned by
 * the caller. */
static char *run_directory(const struct init *init, struct error *error)
{
    char *beside = path_directory(init->output, error), *found = NULL;
    bool done = beside != NULL;
    for (int number = 1; done && !found; number++) {
        struct buffer name = {0};
        char *path =
            name_run(init, number, &name, error) ? path_join(beside, name.data, error) : NULL;
        done = path != NULL;
        if (done && !path_is_taken(path))
            found = name.data;
        else
            buffer_free(&name);
        free(path);
    }
    free(beside);
    return found;
}

static bool print_config(const struct init *init, struct buffer *text, struct error *error)
{
    const size_t count = init->files.count;
    char **paths = allocate(count, sizeof *paths, error);
    char *run = paths ? run_directory(init, error) : NULL;
    bool done = run != NULL;
    for (size_t i = 0; done && i < count; i++)
        done = (paths[i] = path_for_config(init, init->files.paths[i], error)) != NULL;
    done = done && recipe_print(&init->recipe, &init->survey, (const char *const *)paths, count,
                                run, init->text_field, text, error);
    for (size_t i = 0; paths && i < count; i++)
        free(paths[i]);
    free(paths);
    free(run);
    return done;
}

static void log_recipe(struct init *init)
{
    const struct recipe *recipe = &init->recipe;
    log_line(&init->log, "recipe      %s, %s tokens, %s steps of %d x %d tokens", recipe->size,
             format_count((unsigned long long)recipe->vocab_size).text,
             format_count((unsigned long long)recipe->steps).text, recipe->batch_size,
             recipe->seq_len);
    log_line(&init->log, "            about %s, %.3g epochs", format_duration(recipe->seconds).text,
             recipe->epochs);
    if (recipe->limit == RECIPE_TEXT)
        log_line(&init->log, "            (not %s: in more epochs the text is learned by heart)",
                 format_duration(3600 * init->hours).text);
    if (!recipe->enough)
        log_warning(&init->log,
                    "that is little even for the smallest model; give more %s\n"
                    "  for one that fills in words well",
                    recipe->limit == RECIPE_TEXT ? "text" : "hours (--hours)");
}

/* Says what to type next, for any name that the file may have. */
static bool log_next_commands(struct init *init, struct error *error)
{
    /* A name that begins with '-' would look like an option. */
    char *operand = path_join(init->output[0] == '-' ? "." : "", init->output, error);
    struct buffer line = {0};
    bool done = operand && shell_put(&line, "cloze", error) && shell_put(&line, "train", error) &&
                shell_put(&line, operand, error);
    if (done) {
        log_line(&init->log, "Read it, change what you like, try it, and train:");
        log_line(&init->log, "  %s --dry-run", line.data);
        log_line(&init->log, "  %s", line.data);
    }
    buffer_free(&line);
    free(operand);
    return done;
}

static bool write_config(struct init *init, struct error *error)
{
    struct buffer text = {0};
    bool done =
        print_config(init, &text, error) && file_write(init->output, text.data, text.size, error);
    buffer_free(&text);
    if (!done)
        return false;
    log_recipe(init);
    printf("%s\n", init->output);
    return log_next_commands(init, error) && command_finish_output(error);
}

/* ---- the command ---- */

static bool read_hours(const char *text, double *hours, struct error *error)
{
    enum { MAX_HOURS = 100000 };
    char *end;
    *hours = strtod(text, &end);
    return (end > text && !*end && *hours > 0 && *hours <= MAX_HOURS) ||
           fail_input(error,
                      "--hours: found \"%s\", expected a number of hours above 0 and at most %d, "
                      "such as 2 or 0.5",
                      text, MAX_HOURS);
}

static bool check(const struct init *init, struct error *error)
{
    if (!output_file_check_name(init->output, error) ||
        !output_file_check_inputs(init->output, init->patterns.items, init->patterns.count, error))
        return false;
    if (path_is_taken(init->output))
        return fail_input(error,
                          "%s exists already, and is not replaced; choose another name with "
                          "--output, or remove it",
                          init->output);
    return file_check_writable(init->output, error);
}

static bool run(const struct command *command, int argc, char **argv, struct error *error)
{
    struct init init = {.output = "run.yaml", .log = log_open(stderr)};
    const char *hours = "2";
    bool helped = false;
    const struct option_spec options[] = {
        {"hours", OPTION_STRING, &hours, "H", "how long the training may take (2)", 0, 0},
        {"output", OPTION_STRING, &init.output, "FILE", "the file to write (run.yaml)", 0, 0},
        {"text-field", OPTION_STRING, &init.text_field, "NAME",
         "the field of a JSON object with the text (text)", 0, 0},
    };
    bool done = command_parse(command, options, sizeof options / sizeof *options, argc, argv,
                              &init.patterns, 1, SIZE_MAX, &helped, error);
    if (done && !helped)
        done = read_hours(hours, &init.hours, error) && check(&init, error) &&
               read_text(&init, error) && choose_size(&init, error) && write_config(&init, error);
    log_end_live(&init.log);
    corpus_files_free(&init.files);
    string_list_free(&init.patterns);
    return done;
}

const struct command command_init = {
    .name = "init",
    .arguments = "FILE... [--hours H] [--output FILE] [--text-field NAME]",
    .summary = "look at a text and this machine, and write a run file",
    .details = "Reads the text (a sample of it when it is large), times the machine for some\n"
               "seconds, and writes the configuration of a training that fits both: the size of\n"
               "the model, its vocabulary, lengths, batch, learning rate, steps and number\n"
               "format, each with its reason in a comment. Nothing is trained, and a file that\n"
               "exists is not replaced.\n"
               "\n"
               "Files are as for 'cloze train': text with empty lines between documents, JSON or\n"
               "tar, plain or compressed.\n",
    .examples = "# Write run.yaml for a text and a night of this machine\n"
                "cloze init corpus/*.txt.gz --hours 8\n",
    .run = run,
};
