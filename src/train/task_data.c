#include "train/task_data.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* Returns how the configuration reads files. */
static struct labelled_settings settings_of(const struct run_config *config)
{
    return (struct labelled_settings){
        .kind = config->task.kind,
        .format = config->task.format,
        .header = config->task.header,
        .text = config->task.text,
        .text_pair = config->task.text_pair,
        .label = config->task.label,
        .labels = LABELS_REQUIRED,
        .names = &labelled_key_names,
    };
}

/* ---- labels ---- */

static bool set_labels(struct task_data *data, const struct run_config *config, struct error *error)
{
    const struct strings *given = &config->task.labels;
    return !given->count || label_list_set(&data->list, (const char *const *)given->items,
                                           given->count, "task.labels", error);
}

/* Copies the names, or numbers the single output of regression. */
static bool name_labels(struct task_data *data, struct error *error)
{
    struct labels *labels = &data->labels;
    const int count = label_list_count(&data->list);
    if (!count)
        return labels_number(labels, 1, error);
    labels->names = allocate((size_t)count, sizeof *labels->names, error);
    for (bool done = labels->names; done && labels->count < count; labels->count += done) {
        labels->names[labels->count] =
            path_join("", label_list_name(&data->list, labels->count), error);
        done = labels->names[labels->count];
    }
    return labels->count == count;
}

static bool find_spans(struct task_data *data, const struct run_config *config, struct error *error)
{
    if (config->task.kind != TASK_TOKENS || run_config_metric(config) != METRIC_F1)
        return true;
    data->spans =
        span_labels_create((const char *const *)data->labels.names, data->labels.count, error);
    return data->spans ||
           fail_context(error, "%s: task.metric: f1 is that of spans; accuracy needs none",
                        config->common.path);
}

/* ---- the hash ---- */

static void hash_example(struct hash_stream *stream, const struct labelled_set *set,
                         const struct labelled_example *example)
{
    const size_t words = (size_t)example->words;
    const int32_t numbers[] = {example->length, example->first_segment, example->label,
                               example->words};
    hash_stream_put(stream, numbers, sizeof numbers);
    hash_stream_put(stream, &example->value, sizeof example->value);
    hash_stream_put(stream, set->ids + example->first_token,
                    (size_t)example->length * sizeof *set->ids);
    if (words) {
        hash_stream_put(stream, set->word_tokens + example->first_word,
                        words * sizeof *set->word_tokens);
        hash_stream_put(stream, set->word_labels + example->first_word,
                        words * sizeof *set->word_labels);
    }
}

static bool hash_set(const struct task_data *data, const struct labelled_set *set, uint64_t *hash,
                     struct error *error)
{
    struct hash_stream *stream = hash_stream_begin(error);
    if (!stream)
        return false;
    for (int i = 0; i < data->labels.count; i++)
        hash_stream_put(stream, data->labels.names[i], strlen(data->labels.names[i]) + 1);
    for (size_t i = 0; i < set->count; i++)
        hash_example(stream, set, &set->examples[i]);
    *hash = hash_stream_end(stream);
    hash_stream_free(stream);
    return true;
}

/* ---- reading ---- */

static bool read_set(struct labelled_set *set, struct corpus_files *files,
                     const struct strings *patterns, const struct labelled_reading *reading,
                     struct label_list *labels, struct error *error)
{
    return corpus_files_expand(files, (const char *const *)patterns->items, patterns->count,
                               error) &&
           labelled_set_read(set, files, reading, labels, error);
}

static bool read_both(struct task_data *data, const struct run_config *config,
                      const struct tokenizer *tokenizer, struct error *error)
{
    const struct labelled_settings settings = settings_of(config);
    struct labelled_reading reading = {
        .settings = &settings,
        .tokenizer = tokenizer,
        .max_length = (int)config->data.seq_len,
        .training = true,
    };
    struct label_list *labels = config->task.kind == TASK_REGRESSION ? NULL : &data->list;
    if (!set_labels(data, config, error) ||
        !read_set(&data->train, &data->train_files, &config->data.train, &reading, labels, error))
        return false;
    reading.training = false;
    reading.keep_words = true; /* for predictions.tsv */
    return read_set(&data->valid, &data->valid_files, &config->data.valid, &reading, labels,
                    error) &&
           name_labels(data, error) && find_spans(data, config, error) &&
           hash_set(data, &data->train, &data->train_hash, error) &&
           hash_set(data, &data->valid, &data->valid_hash, error);
}

struct task_data *task_data_read(const struct run_config *config, const struct tokenizer *tokenizer,
                                 struct log *log, struct error *error)
{
    struct task_data *data = allocate(1, sizeof *data, error);
    if (!data)
        return NULL;
    if (!read_both(data, config, tokenizer, error)) {
        task_data_free(data);
        return NULL;
    }
    labelled_set_log(&data->train, (int)config->data.seq_len, log);
    labelled_set_log(&data->valid, (int)config->data.seq_len, log);
    return data;
}

uint64_t task_data_bytes(const struct task_data *data)
{
    return labelled_set_bytes(&data->train) + labelled_set_bytes(&data->valid);
}

void task_data_free(struct task_data *data)
{
    if (!data)
        return;
    span_labels_free(data->spans);
    labels_free(&data->labels);
    label_list_free(&data->list);
    labelled_set_free(&data->train);
    labelled_set_free(&data->valid);
    corpus_files_free(&data->train_files);
    corpus_files_free(&data->valid_files);
    free(data);
}
