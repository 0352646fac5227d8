#include "report/report_run.h"

#include "base/file.h"
#include "checkpoint/checkpoint.h"
#include "config/config.h"
#include "config/config_yaml.h"
#include "model/config.h"
#include "report/report_fills.h"
#include "report/report_predictions.h"
#include "report/report_text.h"
#include "report/report_warnings.h"
#include "report/run_records.h"
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

/* How much of long runs is shown. */
enum { MAX_RECORDS = 2000, MAX_FILL_STEPS = 10 };

/* ---- the configuration ---- */

/* Appends a value on one line: "[a, b]", "{seq_len: 128, steps: 9000}". */
static bool print_value(const struct config_node *node, struct buffer *out, struct error *error)
{
    const bool list = node->kind == CONFIG_NODE_LIST, mapping = node->kind == CONFIG_NODE_MAPPING;
    if (!list && !mapping)
        return buffer_print(out, error, "%s", node->text ? node->text : "");
    bool done = buffer_print(out, error, list ? "[" : "{");
    for (size_t i = 0; i < node->count && done; i++) {
        const struct config_node *item = &node->items[i];
        done = buffer_print(out, error, "%s%s%s", i ? ", " : "", mapping ? item->key : "",
                            mapping ? ": " : "") &&
               print_value(item, out, error);
    }
    return done && buffer_print(out, error, list ? "]" : "}");
}

static bool put_value(json_t *config, const char *key, const struct config_node *node,
                      struct error *error)
{
    struct buffer text = {0};
    bool done = print_value(node, &text, error) &&
                json_put(config, key, json_text(text.size ? text.data : "", text.size), error);
    buffer_free(&text);
    return done;
}

/* Puts "section.key" of each section, and the keys outside of one. */
static bool put_section(json_t *config, const struct config_node *section, struct error *error)
{
    if (section->kind != CONFIG_NODE_MAPPING)
        return put_value(config, section->key, section, error);
    for (size_t i = 0; i < section->count; i++) {
        struct buffer key = {0};
        bool done = buffer_print(&key, error, "%s.%s", section->key, section->items[i].key) &&
                    put_value(config, key.data, &section->items[i], error);
        buffer_free(&key);
        if (!done)
            return false;
    }
    return true;
}

static json_t *config_json(const struct config_node *root, struct error *error)
{
    json_t *config = json_object();
    for (size_t i = 0; i < root->count; i++)
        if (!put_section(config, &root->items[i], error)) {
            json_decref(config);
            return NULL;
        }
    return config;
}

/* Reads config.yaml and sets *task to whether the run is one of fine-tuning. */
static json_t *read_config(const char *directory, bool *task, struct error *error)
{
    struct buffer text = {0};
    struct config_node root = {0};
    json_t *config = NULL;
    char *path = path_join(directory, "config.yaml", error);
    const struct config_source source = {path, "/", .lines = true};
    bool done = path && file_read(path, CONFIG_FILE_LIMIT, &text, error) &&
                config_yaml_read(text.data, text.size, &source, &root, error);
    if (done) {
        *task = config_node_find(&root, "task");
        if (config_node_find(&root, "train") && (*task || config_node_find(&root, "data")))
            config = config_json(&root, error);
        else
            fail_input(error,
                       "%s: is not the configuration of a run; expected the sections train, and "
                       "data or task",
                       path);
        config_node_free(&root);
    }
    buffer_free(&text);
    free(path);
    return config;
}

static int number_of(const json_t *config, const char *key)
{
    const char *text = json_string_value(json_object_get(config, key));
    return text ? (int)strtol(text, NULL, 10) : 0;
}

/* Puts the name of the released size that the model has, if it has one. */
static bool put_size(json_t *run, struct error *error)
{
    const json_t *config = json_object_get(run, "config");
    const char *size = model_config_size_of(&(struct model_config){
        .hidden_size = number_of(config, "model.hidden_size"),
        .num_hidden_layers = number_of(config, "model.num_hidden_layers"),
        .num_attention_heads = number_of(config, "model.num_attention_heads"),
        .intermediate_size = number_of(config, "model.intermediate_size"),
    });
    return !size || json_put(run, "size", json_string(size), error);
}

/* ---- the records ---- */

static json_t *read_records(const char *path, struct error *error)
{
    struct run_records records;
    json_t *object = NULL;
    if (run_records_read(path, &records, error))
        object = json_pack(
            "{s:o, s:o, s:I, s:I}", "train", record_table_json(&records.train, MAX_RECORDS), "eval",
            record_table_json(&records.eval, MAX_RECORDS), "train_count",
            (json_int_t)records.train.count, "eval_count", (json_int_t)records.eval.count);
    run_records_free(&records);
    return object;
}

/* ---- the last checkpoint ---- */

static json_int_t size_of(const struct training_state *state, const char *name)
{
    for (size_t i = 0; i < state->file_count; i++)
        if (strcmp(state->files[i].name, name) == 0)
            return (json_int_t)state->files[i].size;
    return 0;
}

static json_t *state_json(const struct training_state *state)
{
    json_t *object =
        json_pack("{s:I, s:I, s:I, s:s, s:s, s:I}", "step", (json_int_t)state->step,
                  "micro_batch_size", (json_int_t)state->micro_batch_size, "threads",
                  (json_int_t)state->threads, "kernels", state->kernels, "cloze_version",
                  state->cloze_version, "model_bytes", size_of(state, "model.safetensors"));
    if (!object || state->best_step < 0 ||
        json_object_set_new(object, "best_step", json_integer(state->best_step)) == 0)
        return object;
    json_decref(object);
    return NULL;
}

/* Returns the sizes of the model in a config.json. */
static json_t *read_architecture(const char *path, struct error *error)
{
    static const char *const keys[] = {"hidden_size", "num_hidden_layers", "num_attention_heads",
                                       "vocab_size"};
    json_t *all = json_read_file(path, error);
    json_t *architecture = all ? json_object() : NULL;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && architecture; i++) {
        json_t *value = json_object_get(all, keys[i]);
        if (value && json_object_set(architecture, keys[i], value) != 0) {
            json_decref(architecture);
            architecture = NULL;
        }
    }
    json_decref(all);
    return architecture;
}

/* Puts "state" and "architecture". */
static bool put_checkpoint(json_t *run, const char *checkpoint, struct error *error)
{
    struct training_state state;
    char *config = path_join(checkpoint, "config.json", error);
    bool done = config && training_state_read(checkpoint, &state, error);
    if (done) {
        done = json_put(run, "state", state_json(&state), error) &&
               json_put(run, "architecture", read_architecture(config, error), error);
        training_state_free(&state);
    }
    free(config);
    return done;
}

/* ---- the run ---- */

/* Puts what only pre-training has: the text and the fill-ins. Without a checkpoint (NULL) the words
 * of the text are not known. */
static bool put_pretraining(json_t *run, const char *directory, const char *checkpoint,
                            struct error *error)
{
    char *data = path_join(directory, "data", error);
    char *fills = data ? path_join(directory, "fills.jsonl", error) : NULL;
    struct tokenizer *tokenizer = fills && checkpoint ? tokenizer_load(checkpoint, error) : NULL;
    bool done =
        fills && (tokenizer || !checkpoint) &&
        json_put(run, "text",
                 report_text_json(data, tokenizer ? tokenizer_vocabulary(tokenizer) : NULL, error),
                 error) &&
        json_put(run, "fills", report_fills_read(fills, MAX_FILL_STEPS, error), error);
    tokenizer_free(tokenizer);
    free(fills);
    free(data);
    return done;
}

/* Puts what only fine-tuning has: the predictions, once the run has come to its end. */
static bool put_predictions(json_t *run, const char *directory, struct error *error)
{
    char *path = path_join(directory, "predictions.tsv", error);
    bool done = path && (!path_is_taken(path) ||
                         json_put(run, "predictions", report_predictions_read(path, error), error));
    free(path);
    return done;
}

static bool fill_run(json_t *run, const char *directory, struct error *error)
{
    bool task = false;
    char *checkpoint = NULL;
    char *metrics = path_join(directory, "metrics.jsonl", error);
    char *warnings = metrics ? path_join(directory, "warnings.jsonl", error) : NULL;
    bool done = warnings && checkpoint_find_last(directory, &checkpoint, error) &&
                json_put(run, "config", read_config(directory, &task, error), error) &&
                put_size(run, error) && json_put(run, "task", json_boolean(task), error) &&
                json_put(run, "records", read_records(metrics, error), error) &&
                json_put(run, "warnings", report_warnings_read(warnings, error), error) &&
                (!checkpoint || put_checkpoint(run, checkpoint, error)) &&
                (task ? put_predictions(run, directory, error)
                      : put_pretraining(run, directory, checkpoint, error));
    free(checkpoint);
    free(warnings);
    free(metrics);
    return done;
}

json_t *report_run_json(const char *directory, const char *name, struct error *error)
{
    json_t *run = json_object();
    if (json_put(run, "name", json_text(name, strlen(name)), error) &&
        json_put(run, "directory", json_text(directory, strlen(directory)), error) &&
        fill_run(run, directory, error))
        return run;
    json_decref(run);
    return NULL;
}
