/* The labelled examples of a fine-tuning run, in memory. */
#ifndef CLOZE_TRAIN_TASK_DATA_H
#define CLOZE_TRAIN_TASK_DATA_H

#include "base/log.h"
#include "data/labelled_set.h"
#include "model/labels.h"
#include "report/spans.h"
#include "train/run_config.h"

struct task_data {
    struct corpus_files train_files, valid_files;
    struct labelled_set train, valid;
    struct label_list list;          /* empty with regression */
    struct labels labels;            /* the same for a model's configuration; one with regression */
    struct span_labels *spans;       /* NULL: the metric is not that of spans */
    uint64_t train_hash, valid_hash; /* of the encoded examples and the labels */
};

/* Reads the files of task.train and task.valid; logs their numbers and what was cut. NULL on
 * failure; the caller frees the result. */
struct task_data *task_data_read(const struct run_config *config, const struct tokenizer *tokenizer,
                                 struct log *log, struct error *error);
/* Returns the memory of the examples in bytes. */
uint64_t task_data_bytes(const struct task_data *data);
void task_data_free(struct task_data *data); /* NULL is accepted */

#endif
