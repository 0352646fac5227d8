#include "checkpoint/model_card.h"

#include "base/file.h"
#include "base/file_writer.h"
#include "base/format.h"
#include "base/min.h"
#include "checkpoint/training_state.h"
#include "config/config_yaml.h"
#include "model/heads.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the training ---- */

/* Prints the files' names without their directories, which the author may not want to publish. */
static bool print_files(const struct config_node *files, struct buffer *out, struct error *error)
{
    bool done = true;
    for (size_t i = 0; files && done && i < files->count; i++)
        done = !files->items[i].text ||
               buffer_print(out, error, "%s`%s`", i ? ", " : "", path_name(files->items[i].text));
    return done;
}

/* Prints the names of the files that the run's configuration names: text, or the examples of a
 * task. */
static bool print_data(const struct training_state *state, struct buffer *out, struct error *error)
{
    const struct config_source source = {TRAINING_STATE_FILE, "/", .lines = false};
    struct config_node root;
    if (!config_yaml_read(state->config, strlen(state->config), &source, &root, error))
        return false;
    const struct config_node *task = config_node_find(&root, "task");
    const struct config_node *data = task ? task : config_node_find(&root, "data");
    const struct config_node *files = config_node_find(data, "train");
    bool done = !files || !files->count ||
                (buffer_print(out, error, "| %s | ", task ? "examples" : "text") &&
                 print_files(files, out, error) && buffer_print(out, error, " |\n"));
    config_node_free(&root);
    return done;
}

/* ---- the measurements ---- */

static bool is_evaluation(const json_t *record, int64_t step)
{
    return json_is_true(json_object_get(record, "eval")) &&
           json_integer_value(json_object_get(record, "step")) == step;
}

/* Returns the path of metrics.jsonl of the run that the checkpoint is in, RUN/checkpoints/NAME
 * after links have been followed; NULL if it is elsewhere, where a file of that name would belong
 * to another run. Owned by the caller. */
static char *find_metrics(const char *directory)
{
    struct error unused = {0};
    char *resolved = realpath(directory, NULL);
    char *parent = resolved ? path_directory(resolved, &unused) : NULL;
    bool stands = parent && strcmp(path_name(parent), "checkpoints") == 0;
    char *path = stands ? path_join(parent, "../metrics.jsonl", &unused) : NULL;
    free(parent);
    free(resolved);
    return path;
}

/* Returns the evaluation after a step in the run's metrics.jsonl; NULL if there is none. */
static json_t *find_evaluation(const char *directory, int64_t step)
{
    struct error unused = {0};
    struct buffer text = {0};
    json_t *found = NULL;
    char *path = find_metrics(directory);
    if (path && file_read(path, (size_t)1 << 32, &text, &unused))
        for (const char *line = text.data, *end; line && line < text.data + text.size;
             line = end ? end + 1 : NULL) {
            end = memchr(line, '\n', (size_t)(text.data + text.size - line));
            json_t *record = end ? json_loadb(line, (size_t)(end - line), 0, NULL) : NULL;
            if (is_evaluation(record, step)) {
                json_decref(found);
                found = json_incref(record);
            }
            json_decref(record);
        }
    buffer_free(&text);
    free(path);
    return found;
}

static bool print_number(const json_t *record, const char *key, const char *title, double scale,
                         const char *unit, struct buffer *out, struct error *error)
{
    const json_t *value = json_object_get(record, key);
    return !json_is_number(value) || buffer_print(out, error, "| %s | %.4g%s |\n", title,
                                                  scale * json_number_value(value), unit);
}

static bool print_evaluation(const struct model_card *card, const struct training_state *state,
                             struct buffer *out, struct error *error)
{
    const char *title = state->best_is_metric ? "examples" : "text";
    json_t *record = find_evaluation(card->directory, state->step);
    bool done = (!record && state->best_step < 0) ||
                buffer_print(out, error, "\n## Held-out %s\n\n", title);
    if (record)
        done = done &&
               buffer_print(out, error, "| after step %lld | |\n| --- | --- |\n",
                            (long long)state->step) &&
               print_number(record, "mlm_loss", "MLM loss", 1, "", out, error) &&
               print_number(record, "perplexity", "perplexity", 1, "", out, error) &&
               print_number(record, "mlm_accuracy", "MLM accuracy", 100, " %", out, error) &&
               print_number(record, "nsp_loss", "NSP loss", 1, "", out, error) &&
               print_number(record, "nsp_accuracy", "NSP accuracy", 100, " %", out, error) &&
               print_number(record, "accuracy", "accuracy", 100, " %", out, error) &&
               print_number(record, "f1", "F1", 1, "", out, error) &&
               print_number(record, "matthews", "Matthews correlation", 1, "", out, error) &&
               print_number(record, "pearson", "Pearson correlation", 1, "", out, error) &&
               print_number(record, "spearman", "Spearman correlation", 1, "", out, error);
    else if (state->best_step >= 0 && state->best_is_metric)
        done = done && buffer_print(out, error, "Best at step %lld: metric %.4f.\n",
                                    (long long)state->best_step, state->best_score);
    else if (state->best_step >= 0)
        done = done &&
               buffer_print(out, error, "Best at step %lld: MLM loss %.4f, perplexity %.4g.\n",
                            (long long)state->best_step, state->best_score, exp(state->best_score));
    json_decref(record);
    return done;
}

static bool print_training(const struct model_card *card, struct buffer *out, struct error *error)
{
    struct training_state state;
    char *path = path_join(card->directory, TRAINING_STATE_FILE, error);
    bool known = path && path_exists(path);
    free(path);
    if (!path)
        return false;
    if (!known)
        return buffer_print(out, error,
                            "\n## Training\n\nWhich text, how long: to be filled in.\n");
    if (!training_state_read(card->directory, &state, error))
        return false;
    bool done = buffer_print(out, error,
                             "\n## Training\n\n| | |\n| --- | --- |\n| steps | %s |\n"
                             "| tokens | %s |\n",
                             format_count((unsigned long long)state.step).text,
                             format_count((unsigned long long)state.tokens).text) &&
                print_data(&state, out, error) &&
                buffer_print(out, error, "| program | cloze %s |\n", state.cloze_version) &&
                print_evaluation(card, &state, out, error);
    training_state_free(&state);
    return done;
}

/* ---- the card ---- */

enum use { USE_ENCODER, USE_MASKED_LM, USE_TEXTS, USE_WORDS };

static enum use use_of(const struct model_card *card)
{
    if (strcmp(card->class, "BertModel") == 0)
        return USE_ENCODER;
    if (!card->config->heads->labelled)
        return USE_MASKED_LM;
    return card->config->heads == &token_classification_heads ? USE_WORDS : USE_TEXTS;
}

/* Prints what the model of a task says of a text. */
static bool print_task(const struct model_card *card, struct buffer *out, struct error *error)
{
    enum { NAMED = 30 };
    const struct labels *labels = &card->config->labels;
    const int named = min_int(labels->count, NAMED);
    if (card->config->heads == &sequence_regression_heads)
        return buffer_print(out, error, "\nIt gives each text, or pair of texts, a number.\n");
    bool done = buffer_print(
        out, error, "\nIt gives each %s one of %d labels: ",
        use_of(card) == USE_WORDS ? "word of a text" : "text, or pair of texts,", labels->count);
    for (int i = 0; done && i < named; i++)
        done = buffer_print(out, error, "%s`%s`", i ? ", " : "", labels->names[i]);
    if (named < labels->count)
        done = done && buffer_print(out, error, " and %d more", labels->count - named);
    return done && buffer_print(out, error, ".\n");
}

static bool print_head(const struct model_card *card, struct buffer *out, struct error *error)
{
    static const char *const pipelines[] = {[USE_ENCODER] = "feature-extraction",
                                            [USE_MASKED_LM] = "fill-mask",
                                            [USE_TEXTS] = "text-classification",
                                            [USE_WORDS] = "token-classification"};
    const struct model_config *config = card->config;
    return buffer_print(
        out, error,
        "---\nlibrary_name: transformers\npipeline_tag: %s\ntags:\n- bert\n- cloze\n"
        "# license: yours to choose; it depends on the text as well\n---\n\n# %s\n\n"
        "A BERT of %d layers, hidden size %d, %d attention heads and %s %s tokens, "
        "trained with sequences of up to %d tokens.\n",
        pipelines[use_of(card)], card->name, config->num_hidden_layers, config->hidden_size,
        config->num_attention_heads, format_count((unsigned long long)card->tokens).text,
        card->options.lowercase ? "uncased" : "cased", card->trained_length);
}

static bool print_untrained(const struct model_card *card, struct buffer *out, struct error *error)
{
    bool done = true;
    for (enum parameter_group group = 0; group < GROUP_COUNT; group++)
        if (card->untrained & 1U << group)
            done = done && buffer_print(out, error, "\nThe %s was never trained.\n",
                                        parameter_group_name(group));
    return done;
}

static bool print_use(const struct model_card *card, struct buffer *out, struct error *error)
{
    const enum use use = use_of(card);
    return buffer_print(out, error,
                        "\n## Use\n\n```python\nfrom transformers import AutoTokenizer, %s\n\n"
                        "tokenizer = AutoTokenizer.from_pretrained(\"%s\")\n"
                        "model = %s.from_pretrained(\"%s\")\n```\n",
                        card->class, card->name, card->class, card->name) &&
           (use != USE_MASKED_LM ||
            buffer_print(out, error, "\n```sh\ncloze fill %s \"... %s ...\"\n```\n", card->name,
                         card->mask)) &&
           (use < USE_TEXTS ||
            buffer_print(out, error, "\n```sh\ncloze predict %s texts.txt\n```\n", card->name));
}

bool model_card_write(const char *directory, const struct model_card *card, struct error *error)
{
    struct buffer text = {0};
    char *path = path_join(directory, "README.md", error);
    bool done =
        path && print_head(card, &text, error) &&
        (use_of(card) < USE_TEXTS || print_task(card, &text, error)) &&
        print_untrained(card, &text, error) && print_use(card, &text, error) &&
        print_training(card, &text, error) &&
        buffer_print(&text, error, "\n## Licence\n\nTo be stated by whoever publishes it.\n") &&
        file_write(path, text.data, text.size, error);
    buffer_free(&text);
    free(path);
    return done;
}
