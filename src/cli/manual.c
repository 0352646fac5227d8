#include "cli/manual.h"

#include "cli/commands.h"
#include "cli/environment.h"
#include "cli/roff.h"
#include "cloze/version.h"
#include "config/config_print.h"
#include "train/run_config.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char description[] =
    "cloze pre-trains BERT on ordinary CPUs: it trains a vocabulary, prepares the data, "
    "pre-trains\n"
    "with masked language modelling (MLM) and next-sentence prediction (NSP), evaluates, and "
    "stops\n"
    "and resumes without losing a bit. What it writes is a model directory that Hugging Face\n"
    "transformers loads as it is. The model can then be trained for another task: to classify, "
    "rate\n"
    "or label text.\n"
    "\n"
    "A run is described by one file, CONFIG, which 'cloze init' writes for a text and a machine.\n"
    "MODEL is a model directory, a checkpoint, or a run directory; then it is the run's latest\n"
    "checkpoint, of a fine-tuning run its best. RUN is a run directory.\n"
    "\n"
    "Results go to standard output, progress and messages to standard error. No command writes "
    "over\n"
    "its input, or over a file of another kind than it writes.\n";

static const char options_of_all[] =
    "An option may stand anywhere after the command, as --name value or --name=value. One that is\n"
    "shown with FILE... takes all words up to the next option. -- ends the options, and - as a "
    "FILE\n"
    "is the standard input. Each command also has --help. Without a command:\n";

static const char configuration[] =
    "CONFIG is YAML. Two lines suffice, the directory of the run and the text:\n"
    "\n"
    "  output: runs/mine\n"
    "  data: {train: [corpus/*.txt.gz]}\n"
    "\n"
    "Paths are relative to the directory of the file. --set train.steps=2000 on the command line\n"
    "overrides a key; 'cloze config' prints every key with its value and where that comes from.\n";

static const char files[] =
    "The run directory, the output of the configuration, has:\n"
    "\n"
    "  config.yaml              the effective configuration\n"
    "  vocab.txt                the vocabulary\n"
    "  data/                    the prepared text, in shards of token ids\n"
    "  metrics.jsonl            a JSON object for each logged step and each evaluation\n"
    "  events/                  the same for TensorBoard\n"
    "  fills.jsonl              what the model fills into blanks of held-out sentences\n"
    "  warnings.jsonl           what the training has warned of, if there was something\n"
    "  predictions.tsv          of fine-tuning: what the model says of the held-out texts\n"
    "  checkpoints/step-N/      a Hugging Face model directory, and what resuming needs\n"
    "  checkpoints/latest       a link to the newest checkpoint\n"
    "  checkpoints/best         a link to the one that is best on held-out text\n";

static const char exit_status[] = "  0    done\n"
                                  "  1    the work failed, for instance because the disk is full\n"
                                  "  2    the input or the usage is wrong\n"
                                  "  130  interrupted; a run has saved a checkpoint, unless it "
                                  "was interrupted twice\n";

static const char see_also[] =
    "docs/ in the source has the formats of files, the comparison with PyTorch number for number,\n"
    "what is promised of interrupted runs, an example of each task, and libcloze for C and "
    "Python.\n"
    "\n"
    "BERT is described in J. Devlin, M.-W. Chang, K. Lee and K. Toutanova, BERT: Pre-training of\n"
    "Deep Bidirectional Transformers for Language Understanding, arXiv:1810.04805.\n";

/* ---- commands and options ---- */

static bool put_options(void *context, const struct command *command,
                        const struct option_spec *options, size_t option_count, struct error *error)
{
    struct buffer *out = context;
    (void)command;
    for (size_t i = 0; i < option_count; i++) {
        char term[64], value[64];
        snprintf(term, sizeof term, "--%s", options[i].name);
        snprintf(value, sizeof value, "%s%s", options[i].metavar ? options[i].metavar : "",
                 options[i].kind == OPTION_LIST ? "..." : "");
        if (!roff_item(out, term, value, error) || !roff_words(out, options[i].help, error))
            return false;
    }
    return true;
}

/* Appends the summary as a sentence. */
static bool put_summary(struct buffer *out, const char *summary, struct error *error)
{
    struct buffer text = {0};
    const bool done =
        buffer_print(&text, error, "%c%s.", toupper((unsigned char)summary[0]), summary + 1) &&
        roff_words(out, text.data, error);
    buffer_free(&text);
    return done;
}

static bool put_command(struct buffer *out, const struct command *command, struct error *error)
{
    const struct option_viewer viewer = {put_options, out};
    char name[64];
    snprintf(name, sizeof name, "cloze %s", command->name);
    return roff_subsection(out, name, error) && put_summary(out, command->summary, error) &&
           roff_usage(out, name, command->arguments, error) &&
           roff_text(out, command->details, error) && command_view_options(command, &viewer, error);
}

static bool put_commands(struct buffer *out, struct error *error)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (!put_command(out, commands[i], error))
            return false;
    return true;
}

static bool put_program_options(struct buffer *out, struct error *error)
{
    if (!roff_text(out, options_of_all, error))
        return false;
    for (size_t i = 0; i < PROGRAM_OPTION_COUNT; i++)
        if (!roff_item(out, program_options[i].name, "", error) ||
            !roff_words(out, program_options[i].help, error))
            return false;
    return true;
}

/* ---- the keys of the configuration ---- */

static bool put_key(struct buffer *out, const struct config_key *key, struct error *error)
{
    struct buffer values = {0}, meaning = {0};
    const bool done = config_key_explain(key, &values, &meaning, error) &&
                      roff_item(out, key->path, "", error) && roff_words(out, values.data, error) &&
                      buffer_print(out, error, ".br\n") && roff_words(out, meaning.data, error);
    buffer_free(&values);
    buffer_free(&meaning);
    return done;
}

/* Sets whether the manual says of another key just what it says of this one. */
static bool compare_keys(const struct config_key *key, const struct config_key *other, bool *same,
                         struct error *error)
{
    struct buffer a = {0}, b = {0};
    const bool done = put_key(&a, key, error) && (!other || put_key(&b, other, error));
    *same = done && other && strcmp(a.data, b.data) == 0;
    buffer_free(&a);
    buffer_free(&b);
    return done;
}

/* Appends the keys of a schema, but not those that are the same in `shown`. */
static bool put_keys(struct buffer *out, const struct config_schema *schema,
                     const struct config_schema *shown, struct error *error)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct config_key *key = &schema->keys[i];
        bool same = false;
        if ((shown && !compare_keys(key, config_key_find(shown, key->path), &same, error)) ||
            (!same && !put_key(out, key, error)))
            return false;
    }
    return true;
}

static bool put_configuration(struct buffer *out, struct error *error)
{
    return roff_text(out, configuration, error) &&
           roff_subsection(out, "The keys of cloze train", error) &&
           put_keys(out, &run_config_schema, NULL, error) &&
           roff_subsection(out, "The other keys of cloze finetune", error) &&
           put_keys(out, &task_config_schema, &run_config_schema, error);
}

/* ---- the page ---- */

static bool put_head(struct buffer *out, struct error *error)
{
    return buffer_print(out, error,
                        ".\\\" Made by cloze --manual.\n"
                        ".TH CLOZE 1 \"\" \"cloze %s\" \"User Commands\"\n"
                        ".nh\n.ad l\n.ss 12 0\n",
                        CLOZE_VERSION) &&
           roff_section(out, "NAME", error) && buffer_print(out, error, "cloze \\- ") &&
           roff_words(out, program_summary, error) && roff_section(out, "SYNOPSIS", error) &&
           roff_usage(out, "cloze", "COMMAND [ARGUMENT]...", error) &&
           roff_usage(out, "cloze help", "COMMAND", error);
}

static bool put_environment(struct buffer *out, struct error *error)
{
    for (size_t i = 0; i < ENVIRONMENT_VARIABLES; i++)
        if (!roff_item(out, environment_variables[i].name, "", error) ||
            !roff_words(out, environment_variables[i].help, error))
            return false;
    return true;
}

static bool put_examples(struct buffer *out, struct error *error)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (!roff_examples(out, commands[i]->examples, error))
            return false;
    return true;
}

static bool put_page(struct buffer *out, struct error *error)
{
    return put_head(out, error) && roff_section(out, "DESCRIPTION", error) &&
           roff_text(out, description, error) && roff_section(out, "COMMANDS", error) &&
           put_commands(out, error) && roff_section(out, "OPTIONS", error) &&
           put_program_options(out, error) && roff_section(out, "CONFIGURATION", error) &&
           put_configuration(out, error) && roff_section(out, "FILES", error) &&
           roff_text(out, files, error) && roff_section(out, "EXIT STATUS", error) &&
           roff_text(out, exit_status, error) && roff_section(out, "ENVIRONMENT", error) &&
           put_environment(out, error) && roff_section(out, "EXAMPLES", error) &&
           put_examples(out, error) && roff_section(out, "SEE ALSO", error) &&
           roff_text(out, see_also, error);
}

bool manual_print(struct error *error)
{
    struct buffer page = {0};
    const bool done = put_page(&page, error);
    if (done)
        fwrite(page.data, 1, page.size, stdout);
    buffer_free(&page);
    return done && command_finish_output(error);
}
