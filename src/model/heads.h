/* The table of heads, and the lists of those that a model has. docs/design.md says how to add a
 * head. */
#ifndef CLOZE_MODEL_HEADS_H
#define CLOZE_MODEL_HEADS_H

#include "data/labelled_rows.h"

#include <stdbool.h>

/* The groups of parameters that can be present, trained or new as a whole: each head is one. */
enum parameter_group {
    GROUP_ENCODER,
    GROUP_POOLER,
    GROUP_MLM_HEAD,
    GROUP_NSP_HEAD,
    GROUP_CLASSIFIER, /* of sequences or tokens, or for regression */
    GROUP_COUNT
};

/* Returns the name in messages: "encoder", "pooler", "MLM head", "NSP head" or
 * "classifier". */
const char *parameter_group_name(enum parameter_group group);

/* Returns the name in files: "encoder", "pooler", "mlm_head", "nsp_head" or
 * "classifier". */
const char *parameter_group_key(enum parameter_group group);

/* Returns the head whose tensors' names begin as this one does; GROUP_COUNT if there is none. */
enum parameter_group heads_group_of(const char *name);

enum { MAX_HEADS = 4 };

/* The heads of a model, in the order of their parameters and of their losses. */
struct head_list {
    const char *architecture; /* the class of transformers that has them, for config.json */
    const char *problem_type; /* the value of problem_type in config.json; NULL: none */
    bool labelled;            /* whether the model has a task, and labels (model/config.h) */
    enum task_kind task;      /* the task of a labelled model */
    int count;
    const struct head *heads[MAX_HEADS];
};

/* The heads of BertForPreTraining, and the index of each. */
extern const struct head_list pretraining_heads;
enum { HEAD_MLM, HEAD_NSP };

/* The head of BertForSequenceClassification, for classes and for a number, and that of
 * BertForTokenClassification. Each has one head, the classifier. */
extern const struct head_list sequence_classification_heads, sequence_regression_heads,
    token_classification_heads;
enum { HEAD_CLASSIFIER = 0 };

/* Returns the heads of the model of a task. */
const struct head_list *task_heads(enum task_kind task);

/* Returns the mask of 1 << enum parameter_group of what a model with these heads has: the encoder,
 * the pooler if a head reads it, and the heads. */
unsigned head_list_groups(const struct head_list *list);

#endif
